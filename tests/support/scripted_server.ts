/** A small HTTP server that answers as a test says, for servers that misbehave in known ways. */

/** One request as the server saw it, its body read whole. */
export interface SeenRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: Headers;
  readonly body: Uint8Array<ArrayBuffer>;
}

/** Answers a request; undefined means 404. */
export type Handler = (request: SeenRequest) => Response | undefined | Promise<Response | undefined>;

/** A running scripted server. */
export interface ScriptedServer extends AsyncDisposable {
  /** `127.0.0.1:port`. */
  readonly host: string;
  /** `http://127.0.0.1:port`, or https where a certificate was given. */
  readonly origin: string;
  /** Every request so far, in order. */
  readonly requests: SeenRequest[];
  /** `METHOD path` of every request so far, without query. */
  readonly lines: () => readonly string[];
}

/** How a scripted server listens. */
export interface ScriptedServerOptions {
  readonly tls?: { readonly cert: string; readonly key: string };
}

/** Starts a server on a free loopback port. */
export function serveScript(handler: Handler, options: ScriptedServerOptions = {}): ScriptedServer {
  const requests: SeenRequest[] = [];
  const respond = async (request: Request): Promise<Response> => {
    const url = new URL(request.url);
    const body = new Uint8Array(await request.arrayBuffer().catch(() => new ArrayBuffer(0)));
    const seen = { method: request.method, path: url.pathname + url.search, headers: request.headers, body };
    requests.push(seen);
    return await handler(seen) ?? new Response(null, { status: 404 });
  };
  const listen = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
  const server = options.tls ? Deno.serve({ ...listen, ...options.tls }, respond) : Deno.serve(listen, respond);
  const host = `127.0.0.1:${server.addr.port}`;
  return {
    host,
    origin: `${options.tls ? "https" : "http"}://${host}`,
    requests,
    lines: () => requests.map(({ method, path }) => `${method} ${path.split("?")[0]}`),
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** A server below HTTP: gets the head of each request as text and writes raw bytes, for answers that break off. */
export interface RawServer extends AsyncDisposable {
  /** `127.0.0.1:port`. */
  readonly host: string;
  /** The head of every request so far. */
  readonly heads: string[];
}

/** Starts a raw server. `answer` writes to the connection itself; it is closed when the promise settles. */
export function serveRaw(answer: (head: string, connection: Deno.Conn) => Promise<void>): RawServer {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const heads: string[] = [];
  const running = new Set<Promise<void>>();
  const open = new Set<Deno.Conn>();
  let isClosed = false;
  const serve = async (connection: Deno.Conn) => {
    open.add(connection);
    try {
      const head = await readHead(connection);
      if (head === "") return;
      heads.push(head);
      await answer(head, connection);
    } catch {
      /* the client went away */
    } finally {
      open.delete(connection);
      try {
        connection.close();
      } catch { /* closed already */ }
    }
  };
  const accepting = (async () => {
    for await (const connection of listener) {
      const task = serve(connection);
      running.add(task);
      task.finally(() => running.delete(task));
    }
  })();
  return {
    host: `127.0.0.1:${listener.addr.port}`,
    heads,
    async [Symbol.asyncDispose]() {
      if (isClosed) return;
      isClosed = true;
      listener.close();
      for (const connection of open) connection.close();
      await accepting;
      await Promise.all(running);
    },
  };
}

/** Writes text to a connection, all of it. */
export async function writeText(connection: Deno.Conn, text: string): Promise<void> {
  const bytes = new TextEncoder().encode(text);
  for (let done = 0; done < bytes.byteLength;) done += await connection.write(bytes.subarray(done));
}

async function readHead(connection: Deno.Conn): Promise<string> {
  const buffer = new Uint8Array(64 * 1024);
  let length = 0;
  while (true) {
    const count = await connection.read(buffer.subarray(length));
    if (count === null) return "";
    length += count;
    const text = new TextDecoder().decode(buffer.subarray(0, length));
    const end = text.indexOf("\r\n\r\n");
    if (end >= 0) return text.slice(0, end);
  }
}
