/** A TCP proxy that stands for a network: it counts what passes, and can make the way long and narrow. */
import { RequestCounter } from "./request_counter.ts";

/** How far away a server is. */
export interface Distance {
  /** Time that a question and its answer spend on the way together. */
  readonly roundTripMs: number;
  /** Bytes per second of one connection, in each direction. */
  readonly bytesPerSecond: number;
}

/** What passed a wire. */
export interface Traffic {
  readonly requests: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

const PIECE_BYTES = 64 * 1024;

/** A proxy on a free loopback port. */
export class Wire implements AsyncDisposable {
  readonly #listener: Deno.TcpListener;
  readonly #server: { readonly hostname: string; readonly port: number };
  readonly #distance: Distance | undefined;
  readonly #open = new Set<Deno.Conn>();
  readonly #running = new Set<Promise<void>>();
  readonly #accepting: Promise<void>;
  #traffic = { requests: 0, sentBytes: 0, receivedBytes: 0 };

  /** In front of `host:port`; without a distance nothing is delayed. */
  constructor(server: string, distance?: Distance) {
    const [hostname = "", port = ""] = server.split(":");
    this.#server = { hostname, port: Number(port) };
    this.#distance = distance && distance.bytesPerSecond < Infinity ? distance : undefined;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.#accepting = this.#accept();
  }

  /** `127.0.0.1:port`. */
  get host(): string {
    return `127.0.0.1:${this.#listener.addr.port}`;
  }

  /** What passed since the last call. */
  take(): Traffic {
    const traffic = this.#traffic;
    this.#traffic = { requests: 0, sentBytes: 0, receivedBytes: 0 };
    return traffic;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#accepting;
    for (const connection of this.#open) connection.close();
    this.#open.clear();
    await Promise.allSettled([...this.#running]);
  }

  async #accept(): Promise<void> {
    for await (const client of this.#listener) {
      const serving = this.#serve(client).catch(() => {}).finally(() => this.#running.delete(serving));
      this.#running.add(serving);
    }
  }

  async #serve(client: Deno.TcpConn): Promise<void> {
    client.setNoDelay();
    this.#open.add(client);
    // Opening a connection takes a round trip too.
    if (this.#distance) await sleep(this.#distance.roundTripMs);
    const server = await Deno.connect(this.#server);
    server.setNoDelay();
    this.#open.add(server);
    const counter = new RequestCounter(() => this.#traffic.requests++);
    await Promise.all([
      this.#pump(client, server, (bytes) => {
        this.#traffic.sentBytes += bytes.byteLength;
        counter.feed(bytes);
      }),
      this.#pump(server, client, (bytes) => this.#traffic.receivedBytes += bytes.byteLength),
    ]);
    for (const connection of [client, server]) if (this.#open.delete(connection)) connection.close();
  }

  async #pump(from: Deno.TcpConn, to: Deno.TcpConn, count: (bytes: Uint8Array) => void): Promise<void> {
    const line = this.#distance ? new DelayLine(to, this.#distance) : undefined;
    try {
      let buffer = new Uint8Array(PIECE_BYTES);
      for (let length = await from.read(buffer); length !== null; length = await from.read(buffer)) {
        const piece = buffer.subarray(0, length);
        count(piece);
        if (line) {
          await line.push(piece);
          buffer = new Uint8Array(PIECE_BYTES);
        } else await writeAll(to, piece);
      }
      await line?.end();
      await to.closeWrite();
    } catch { /* one side went away */ }
  }
}

/** Bytes on their way: each piece arrives when its time has come, and no faster than the line is wide. */
class DelayLine {
  readonly #to: Deno.Conn;
  readonly #distance: Distance;
  readonly #pieces: { readonly bytes: Uint8Array; readonly dueMs: number }[] = [];
  #waitingBytes = 0;
  #freeAtMs = 0;
  #writing: Promise<void> | undefined;
  #failure: unknown;
  #wake: (() => void) | undefined;

  constructor(to: Deno.Conn, distance: Distance) {
    this.#to = to;
    this.#distance = distance;
  }

  /** Sends a piece; waits while the line is full, as a sender waits for its window. */
  async push(bytes: Uint8Array): Promise<void> {
    const { bytesPerSecond, roundTripMs } = this.#distance;
    const now = performance.now();
    this.#freeAtMs = Math.max(now, this.#freeAtMs) + bytes.byteLength / bytesPerSecond * 1000;
    this.#pieces.push({ bytes, dueMs: this.#freeAtMs + roundTripMs / 2 });
    this.#waitingBytes += bytes.byteLength;
    this.#writing ??= this.#write();
    const window = bytesPerSecond * roundTripMs / 1000 + 2 * PIECE_BYTES;
    while (this.#waitingBytes > window && this.#failure === undefined) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  async end(): Promise<void> {
    await this.#writing;
  }

  async #write(): Promise<void> {
    try {
      for (let piece = this.#pieces.shift(); piece; piece = this.#pieces.shift()) {
        const waitMs = piece.dueMs - performance.now();
        if (waitMs > 0) await sleep(waitMs);
        await writeAll(this.#to, piece.bytes);
        this.#waitingBytes -= piece.bytes.byteLength;
        this.#wake?.();
      }
    } catch (error) {
      this.#failure = error;
      this.#wake?.();
    }
    this.#writing = undefined;
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function writeAll(to: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.byteLength;) written += await to.write(bytes.subarray(written));
}
