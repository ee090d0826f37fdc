/** Proxies of every kind that people have, each of which leads everything to one port of this machine. */

/** A running proxy. */
export interface TestProxy extends AsyncDisposable {
  readonly host: string;
  /** What it was asked for: `CONNECT host:port`, `GET http://…`, `SOCKS host:port`. */
  readonly asked: string[];
}

/** How a proxy behaves. */
export interface ProxyOptions {
  readonly kind: "http" | "socks5";
  /** Where everything is led. */
  readonly port: number;
  /** `user:password` that it insists on. */
  readonly wants?: string;
  /** Its own certificate: it is spoken to over TLS. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** The status that it refuses everything with. */
  readonly refusal?: number;
}

/** Starts a proxy on a free loopback port. */
export function serveProxy(options: ProxyOptions): TestProxy {
  const address = { hostname: "127.0.0.1", port: 0 };
  const listener = options.tls ? Deno.listenTls({ ...address, ...options.tls }) : Deno.listen(address);
  const asked: string[] = [];
  const open = new Set<Deno.Conn>();
  const running = new Set<Promise<void>>();
  const serve = async (client: Deno.Conn) => {
    open.add(client);
    const upstream = await (options.kind === "http" ? acceptHttp : acceptSocks)(client, options, asked);
    if (!upstream) return;
    open.add(upstream);
    await Promise.race([pump(client, upstream), pump(upstream, client)]);
    close(upstream, open);
  };
  const accepting = (async () => {
    while (true) {
      let client: Deno.Conn;
      try {
        client = await listener.accept();
      } catch (error) {
        if (error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted) return;
        continue; // a handshake that failed
      }
      const task = serve(client).catch(() => {}).finally(() => close(client, open));
      running.add(task);
      task.finally(() => running.delete(task));
    }
  })();
  return {
    host: `127.0.0.1:${(listener.addr as Deno.NetAddr).port}`,
    asked,
    async [Symbol.asyncDispose]() {
      listener.close();
      for (const connection of [...open]) close(connection, open);
      await accepting;
      await Promise.allSettled([...running]);
    },
  };
}

async function acceptHttp(client: Deno.Conn, options: ProxyOptions, asked: string[]): Promise<Deno.Conn | undefined> {
  let head = "";
  while (!head.endsWith("\r\n\r\n")) {
    const [byte] = await readExactly(client, 1);
    head += String.fromCharCode(byte!);
  }
  const [method = "", target = ""] = head.split(" ");
  asked.push(`${method} ${target}`);
  const given = /^proxy-authorization: Basic (.*)\r$/im.exec(head)?.[1];
  const isWelcome = options.wants === undefined || given === btoa(options.wants);
  const refusal = isWelcome ? options.refusal : 407;
  if (refusal !== undefined) {
    const more = refusal === 407 ? 'proxy-authenticate: Basic realm="here"\r\n' : "";
    await writeAll(client, `HTTP/1.1 ${refusal} No\r\n${more}content-length: 0\r\nconnection: close\r\n\r\n`);
    return undefined;
  }
  const upstream = await Deno.connect({ hostname: "127.0.0.1", port: options.port });
  if (method === "CONNECT") await writeAll(client, "HTTP/1.1 200 Connection established\r\n\r\n");
  else {
    // One request a connection, as a simple proxy has it.
    const plain = head.replace(target, new URL(target).pathname).replace(/^(?:proxy-[^:]*|connection):.*\r\n/gim, "");
    await writeAll(upstream, plain.replace("\r\n", "\r\nconnection: close\r\n"));
  }
  return upstream;
}

async function acceptSocks(client: Deno.Conn, options: ProxyOptions, asked: string[]): Promise<Deno.Conn | undefined> {
  const [, count = 0] = await readExactly(client, 2);
  const methods = await readExactly(client, count);
  const wanted = options.wants === undefined ? 0 : 2;
  if (!methods.includes(wanted)) {
    await client.write(new Uint8Array([5, 255]));
    return undefined;
  }
  await client.write(new Uint8Array([5, wanted]));
  if (wanted === 2) {
    const text = async () => new TextDecoder().decode(await readExactly(client, (await readExactly(client, 1))[0]!));
    await readExactly(client, 1);
    const given = `${await text()}:${await text()}`;
    await client.write(new Uint8Array([1, given === options.wants ? 0 : 1]));
    if (given !== options.wants) return undefined;
  }
  const [, , , kind] = await readExactly(client, 4);
  const length = kind === 1 ? 4 : (await readExactly(client, 1))[0]!;
  const host = await readExactly(client, length);
  const [high = 0, low = 0] = await readExactly(client, 2);
  asked.push(`SOCKS ${kind === 1 ? host.join(".") : new TextDecoder().decode(host)}:${high * 256 + low}`);
  const reply = options.refusal === undefined ? 0 : 2;
  await client.write(new Uint8Array([5, reply, 0, 1, 0, 0, 0, 0, 0, 0]));
  return reply === 0 ? await Deno.connect({ hostname: "127.0.0.1", port: options.port }) : undefined;
}

async function pump(from: Deno.Conn, to: Deno.Conn): Promise<void> {
  const buffer = new Uint8Array(64 * 1024);
  for (let count = await from.read(buffer); count !== null; count = await from.read(buffer)) {
    for (let written = 0; written < count;) written += await to.write(buffer.subarray(written, count));
  }
}

async function readExactly(connection: Deno.Conn, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let read = 0; read < length;) {
    const count = await connection.read(bytes.subarray(read));
    if (count === null) throw new Error("the client hung up");
    read += count;
  }
  return bytes;
}

async function writeAll(connection: Deno.Conn, text: string): Promise<void> {
  const bytes = new TextEncoder().encode(text);
  for (let written = 0; written < bytes.byteLength;) written += await connection.write(bytes.subarray(written));
}

function close(connection: Deno.Conn, open: Set<Deno.Conn>): void {
  if (!open.delete(connection)) return;
  try {
    connection.close();
  } catch { /* closed already */ }
}
