/**
 * A proxy between s3lo and a registry or an S3 server that does to requests and answers what bad networks and servers do.
 *
 * It keeps the Host header, so that signatures hold for the address that the client knows. Which fault befalls which
 * request is up to the test: a function, fed by a seed where it is to be random.
 */
import { headerOf, HttpWire, latin1, parseRequestHead, type RequestHead, withHeader } from "./http_wire.ts";
import { concat } from "./concat.ts";

/** What happens to one request. Positions are bytes of the body, from its start. */
export type Fault =
  /** The connection breaks after so many bytes of the request's or the answer's body. */
  | { readonly kind: "reset"; readonly side: "request" | "answer"; readonly at: number }
  /** The server carries the request out, and the client never hears of it. */
  | { readonly kind: "lost-answer" }
  /** Nothing more comes, and the connection stays open. */
  | { readonly kind: "stall"; readonly side: "request" | "answer"; readonly at: number }
  /** The answer comes in little pieces, with waits in between. */
  | { readonly kind: "drip"; readonly delayMs: number }
  /** The proxy answers in place of the server. */
  | { readonly kind: "status"; readonly status: number; readonly retryAfter?: string }
  /** The answer ends early, politely. */
  | { readonly kind: "truncate"; readonly at: number }
  /** One bit is flipped on the way. */
  | { readonly kind: "flip"; readonly side: "request" | "answer"; readonly at: number }
  /** Content-Length says so many bytes more (or fewer) than come. */
  | { readonly kind: "wrong-length"; readonly delta: number }
  /** Content-Range names another start. */
  | { readonly kind: "wrong-range"; readonly delta: number }
  /** The answer comes twice. */
  | { readonly kind: "duplicate" }
  /** The answer to an earlier request of the same method comes instead. */
  | { readonly kind: "reordered" }
  /** The credentials have just expired. */
  | { readonly kind: "expired" }
  /** The answer lies on a host that no name server knows. */
  | { readonly kind: "dns" };

/** The kinds of faults, and of those that befall whole connections. */
export type FaultKind = Fault["kind"] | "tls-cut";

/** How a proxy is started. */
export interface FaultProxyOptions {
  /** `127.0.0.1:port` of the server. */
  readonly upstream: string;
  /** What kind of server it is: how it says that credentials have expired. */
  readonly speaks: "registry" | "s3";
  /** What happens to a request; undefined for nothing. */
  readonly script?: (request: RequestHead, index: number) => Fault | undefined;
  /** Speak TLS to the client. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined;
  /** After how many bytes, in both directions together, a TLS connection is cut, handshake included. */
  readonly cutTls?: (connection: number) => number | undefined;
}

/** What went through a proxy. */
export interface ProxyFigures {
  requests: number;
  /** Bytes of bodies from the client to the server. */
  sentBytes: number;
  /** Bytes of bodies from the server to the client. */
  receivedBytes: number;
  /** Faults that took place, by kind. */
  readonly faults: Map<FaultKind, number>;
}

/** Largest answer that is kept for replaying it later. */
const MAX_KEPT_BYTES = 256 * 1024;

/** A running proxy. */
export class FaultProxy implements AsyncDisposable {
  readonly figures: ProxyFigures = { requests: 0, sentBytes: 0, receivedBytes: 0, faults: new Map() };
  /** Replaces the script of the options. */
  script: FaultProxyOptions["script"];
  readonly #options: FaultProxyOptions;
  readonly #listeners: (Deno.TcpListener | Deno.TlsListener)[] = [];
  readonly #open = new Set<Deno.Conn>();
  readonly #running = new Set<Promise<void>>();
  readonly #kept = new Map<string, Uint8Array<ArrayBuffer>>();
  readonly #stop = new AbortController();
  readonly #port: number;
  #connections = 0;

  constructor(options: FaultProxyOptions) {
    this.#options = options;
    this.script = options.script;
    const listen = { hostname: "127.0.0.1", port: 0 };
    if (options.tls) {
      const inner = Deno.listenTls({ ...listen, ...options.tls });
      const outer = Deno.listen(listen);
      this.#accept(inner, (client) => this.#serve(client));
      this.#accept(outer, (client) => this.#pass(client, inner.addr.port));
      this.#port = outer.addr.port;
    } else {
      const listener = Deno.listen(listen);
      this.#accept(listener, (client) => this.#serve(client));
      this.#port = listener.addr.port;
    }
  }

  /** `127.0.0.1:port`. */
  get host(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** The proxy's address as a URL. */
  get origin(): string {
    return `${this.#options.tls ? "https" : "http"}://${this.host}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    for (const listener of this.#listeners) listener.close();
    for (const connection of [...this.#open]) this.#close(connection);
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  #accept(listener: Deno.TcpListener | Deno.TlsListener, serve: (client: Deno.Conn) => Promise<void>): void {
    this.#listeners.push(listener);
    this.#run((async () => {
      while (!this.#stop.signal.aborted) {
        try {
          const client = await listener.accept();
          this.#open.add(client);
          if (this.#stop.signal.aborted) this.#close(client);
          this.#run(serve(client).finally(() => this.#close(client)));
        } catch { /* a handshake that failed, or the end */ }
      }
    })());
  }

  #run(task: Promise<void>): void {
    const running = task.catch(() => {});
    this.#running.add(running);
    running.finally(() => this.#running.delete(running));
  }

  #close(connection: Deno.Conn): void {
    if (!this.#open.delete(connection)) return;
    try {
      connection.close();
    } catch { /* closed already */ }
  }

  async #connect(port: number): Promise<Deno.Conn> {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port });
    this.#open.add(connection);
    if (this.#stop.signal.aborted) this.#close(connection);
    return connection;
  }

  #count(kind: FaultKind): void {
    this.figures.faults.set(kind, (this.figures.faults.get(kind) ?? 0) + 1);
  }

  /** Passes a TLS connection on as it is, and cuts it where it is told. */
  async #pass(client: Deno.Conn, port: number): Promise<void> {
    let left = this.#options.cutTls?.(this.#connections++) ?? Infinity;
    const server = await this.#connect(port);
    const pump = async (from: Deno.Conn, to: Deno.Conn) => {
      const buffer = new Uint8Array(16 * 1024);
      for (let count = await from.read(buffer); count !== null; count = await from.read(buffer)) {
        left -= count;
        if (left <= 0) {
          this.#count("tls-cut");
          break;
        }
        for (let done = 0; done < count;) done += await to.write(buffer.subarray(done, count));
      }
      this.#close(client);
      this.#close(server);
    };
    await Promise.allSettled([pump(client, server), pump(server, client)]);
    this.#close(server);
  }

  async #serve(client: Deno.Conn): Promise<void> {
    const wire = new HttpWire(client);
    for (let text = await wire.readHead(); text !== undefined; text = await wire.readHead()) {
      const request = parseRequestHead(text);
      if (request.path.startsWith("/fault-token")) {
        await wire.write(answer(200, JSON.stringify({ token: crypto.randomUUID() })));
        continue;
      }
      const fault = this.script?.(request, this.figures.requests++);
      if (!await this.#exchange(wire, request, fault)) return;
    }
  }

  /** Carries one request out; false when its connection is over. */
  async #exchange(client: HttpWire, request: RequestHead, fault: Fault | undefined): Promise<boolean> {
    const instead = fault && this.#answerInstead(request, fault);
    if (instead) {
      this.#count(fault.kind);
      await this.#drain(client, request.bodyBytes);
      await client.write(instead);
      return true;
    }
    const server = new HttpWire(await this.#connect(Number(this.#options.upstream.split(":")[1])));
    try {
      await server.write(latin1(withHeader(request.text, "connection", "close")));
      const sending = this.#send(client, server, request, fault).then(() => true, () => false);
      const answered = this.#relay(client, server, request, fault);
      // A server may answer and hang up before it has read everything.
      const isWhole = await answered;
      return isWhole && await Promise.race([sending, Promise.resolve(false)]);
    } finally {
      this.#close(server.connection);
    }
  }

  async #drain(client: HttpWire, bodyBytes: number): Promise<void> {
    for (let left = bodyBytes; left > 0;) {
      const piece = await client.readSome(left);
      if (!piece) return;
      left -= piece.byteLength;
    }
  }

  /** Passes the body on to the server. */
  async #send(client: HttpWire, server: HttpWire, request: RequestHead, fault: Fault | undefined): Promise<void> {
    const mine = fault && "side" in fault && fault.side === "request" ? fault : undefined;
    for (let done = 0; done < request.bodyBytes;) {
      const piece = await client.readSome(request.bodyBytes - done);
      if (!piece) {
        this.#close(server.connection);
        throw new Error("The client hung up");
      }
      const at = mine ? Math.min(mine.at, request.bodyBytes - 1) - done : Infinity;
      if (mine && at < piece.byteLength) {
        this.#count(mine.kind);
        if (mine.kind === "flip") piece[at]! ^= 1 << (mine.at % 8);
        else {
          await server.write(piece.subarray(0, at));
          if (mine.kind === "stall") await this.#untilStopped();
          // The server may not learn of it before it has answered what it got.
          this.#close(client.connection);
          this.#close(server.connection);
          throw new Error("Cut");
        }
      }
      this.figures.sentBytes += piece.byteLength;
      await server.write(piece);
      done += piece.byteLength;
    }
  }

  /** Passes the answer on to the client; false when the connection is over afterwards. */
  async #relay(client: HttpWire, server: HttpWire, request: RequestHead, fault: Fault | undefined): Promise<boolean> {
    let head = await server.readHead();
    while (head !== undefined && /^HTTP\/1\.1 100 /.test(head)) head = await server.readHead();
    if (head === undefined) {
      this.#close(client.connection);
      return false;
    }
    if (fault?.kind === "lost-answer") {
      this.#count(fault.kind);
      await this.#readRest(server, () => Promise.resolve());
      this.#close(client.connection);
      return false;
    }
    const altered = this.#alteredHead(head, fault);
    const isAltered = altered !== head;
    head = withHeader(altered, "connection", undefined);
    const length = headerOf(head, "content-length");
    const isFramed = request.method === "HEAD" || length !== undefined ||
      headerOf(head, "transfer-encoding") !== undefined ||
      /^HTTP\/1\.1 (204|304) /.test(head);
    if (!isFramed) head = withHeader(head, "connection", "close");
    const kept: Uint8Array<ArrayBuffer>[] = [latin1(head)];
    await client.write(latin1(head));
    let done = 0;
    const isOver = await this.#readRest(server, async (piece) => {
      kept.push(piece.slice());
      const over = await this.#relayPiece(client, piece, done, fault);
      done += piece.byteLength;
      this.figures.receivedBytes += piece.byteLength;
      return over;
    });
    if (isOver || isAltered) {
      this.#close(client.connection);
      return false;
    }
    const bytes = concat(kept);
    if (fault?.kind === "duplicate") {
      this.#count(fault.kind);
      await client.write(bytes);
    }
    if (bytes.byteLength <= MAX_KEPT_BYTES && isFramed) this.#kept.set(request.method, bytes);
    return isFramed;
  }

  /** Writes a piece of the answer; true when that was the last. */
  async #relayPiece(
    client: HttpWire,
    piece: Uint8Array<ArrayBuffer>,
    done: number,
    fault: Fault | undefined,
  ): Promise<boolean> {
    if (fault?.kind === "drip") {
      if (done === 0) this.#count(fault.kind);
      const step = Math.max(1, Math.ceil(piece.byteLength / 8));
      for (let at = 0; at < piece.byteLength; at += step) {
        await client.write(piece.subarray(at, at + step));
        await new Promise((resolve) => setTimeout(resolve, fault.delayMs));
      }
      return false;
    }
    const mine = fault && "at" in fault && (fault.kind === "truncate" || fault.side === "answer") ? fault : undefined;
    const at = mine ? mine.at - done : Infinity;
    if (mine && at >= 0 && at < piece.byteLength) {
      this.#count(mine.kind);
      if (mine.kind === "flip") piece[at]! ^= 1 << (mine.at % 8);
      else {
        await client.write(piece.subarray(0, at));
        if (mine.kind === "stall") await this.#untilStopped();
        if (mine.kind === "truncate") await client.connection.closeWrite().catch(() => {});
        return true;
      }
    }
    await client.write(piece);
    return false;
  }

  /** Reads to the end of the connection; true when `each` said stop. */
  async #readRest(
    server: HttpWire,
    each: (piece: Uint8Array<ArrayBuffer>) => Promise<boolean | void>,
  ): Promise<boolean> {
    for (let piece = await server.readSome(65536); piece; piece = await server.readSome(65536)) {
      if (await each(piece)) return true;
    }
    return false;
  }

  #answerInstead(request: RequestHead, fault: Fault): Uint8Array<ArrayBuffer> | undefined {
    const isRead = request.method === "GET";
    switch (fault.kind) {
      case "status": {
        const retryAfter: Record<string, string> = fault.retryAfter === undefined
          ? {}
          : { "retry-after": fault.retryAfter };
        return answer(fault.status, request.method === "HEAD" ? "" : "The proxy says no", retryAfter);
      }
      case "reordered":
        return this.#kept.get(request.method);
      case "dns":
        return isRead ? answer(307, "", { location: `http://storage.invalid${request.path}` }) : undefined;
      case "expired": {
        if (this.#options.speaks === "s3") {
          return answer(400, "<Error><Code>ExpiredToken</Code><Message>expired</Message></Error>", {
            "content-type": "application/xml",
          });
        }
        const challenge = `Bearer realm="${this.origin}/fault-token",service="fault"`;
        return answer(401, "", { "www-authenticate": challenge });
      }
      default:
        return undefined;
    }
  }

  #alteredHead(head: string, fault: Fault | undefined): string {
    const name = fault?.kind === "wrong-length"
      ? "content-length"
      : fault?.kind === "wrong-range"
      ? "content-range"
      : "";
    const value = name === "" ? undefined : headerOf(head, name);
    if (value === undefined || !fault || !("delta" in fault)) return head;
    this.#count(fault.kind);
    return withHeader(
      head,
      name,
      value.replace(/\d+/, (digits) => String(Math.max(0, Number(digits) + fault.delta))),
    );
  }

  async #untilStopped(): Promise<void> {
    const { signal } = this.#stop;
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  }
}

function answer(status: number, body: string, headers: Record<string, string> = {}): Uint8Array<ArrayBuffer> {
  const lines = Object.entries({ ...headers, "content-length": String(body.length) });
  return latin1(
    `HTTP/1.1 ${status} Fault\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n${body}`,
  );
}
