import { Buffer } from "node:buffer";
import { Duplex } from "node:stream";

/** Most bytes taken from a connection at once. */
const READ_BYTES = 64 * 1024;

/** A connection of the runtime as a stream of node's kind, with what node's HTTP client asks of a socket. */
export class ConnStream extends Duplex {
  readonly #connection: Deno.Conn;
  #writeFailure: Error | undefined;

  /** Takes the connection over: it ends with the stream. */
  constructor(connection: Deno.Conn) {
    super({ allowHalfOpen: false });
    this.#connection = connection;
  }

  /** For agents: lets the process end while the connection is idle. Connections here are closed by who made them. */
  unref(): this {
    return this;
  }

  /** The counterpart of {@linkcode unref}. */
  ref(): this {
    return this;
  }

  /** Set already where it matters. */
  setNoDelay(): this {
    return this;
  }

  /** HTTP sees soon enough that the other side is gone. */
  setKeepAlive(): this {
    return this;
  }

  /** Silence is watched from above. */
  setTimeout(): this {
    return this;
  }

  override _read(): void {
    const buffer = new Uint8Array(READ_BYTES);
    this.#connection.read(buffer).then(
      (count) => {
        if (count !== null) this.push(Buffer.from(buffer.buffer, 0, count));
        else if (this.#writeFailure) this.destroy(this.#writeFailure);
        else this.push(null);
      },
      (error) => this.destroy(error),
    );
  }

  override _write(piece: Uint8Array, _encoding: string, done: (error?: Error | null) => void): void {
    if (this.#writeFailure) return done();
    // Whoever takes no more may have said why: a failure counts only once everything that came has been read.
    this.#writeAll(piece).catch((error) => void (this.#writeFailure = error)).then(() => done());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    try {
      this.#connection.close();
    } catch { /* it is closed */ }
    done(error);
  }

  async #writeAll(piece: Uint8Array): Promise<void> {
    for (let written = 0; written < piece.byteLength;) written += await this.#connection.write(piece.subarray(written));
  }
}
