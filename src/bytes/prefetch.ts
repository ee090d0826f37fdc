import { ImageError } from "../errors.ts";
import type { BlobReader } from "./blob_reader.ts";
import { BufferPool } from "./buffers.ts";

/** How far {@linkcode prefetched} reads ahead: at most `count` buffers of `bufferBytes` each are held. */
export interface PrefetchOptions {
  readonly bufferBytes: number;
  /** Buffers in all, 1 or more; with 2 one is filled while the other is consumed. */
  readonly count: number;
}

/**
 * A reader that reads on while its consumer is busy, into a bounded number of buffers, starting at once.
 *
 * Bytes come in order; an error comes after the bytes of the buffers filled before it, and again on every later read. Takes
 * the reader over: closing stops the reading and closes the reader underneath, even while it reads.
 */
export function prefetched(reader: BlobReader, options: PrefetchOptions): BlobReader {
  return new Prefetcher(reader, options);
}

class Prefetcher implements BlobReader {
  readonly #reader: BlobReader;
  readonly #pool: BufferPool;
  readonly #pieces: Uint8Array<ArrayBuffer>[] = [];
  readonly #done: Promise<void>;
  #wake: (() => void) | undefined;
  #position = 0;
  #ended = false;
  #failure: { readonly error: unknown } | undefined;
  #stopped = false;

  constructor(reader: BlobReader, { bufferBytes, count }: PrefetchOptions) {
    this.#reader = reader;
    this.#pool = new BufferPool(count, bufferBytes);
    this.#done = this.#readAll();
  }

  async read(into: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
    if (into.byteLength === 0) return into;
    while (this.#pieces.length === 0) {
      if (this.#stopped) throw new ImageError("aborted", "Stopped reading: the reader was closed");
      if (this.#failure) throw this.#failure.error;
      if (this.#ended) return into.subarray(0, 0);
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    const [piece] = this.#pieces as [Uint8Array<ArrayBuffer>];
    const taken = piece.subarray(this.#position, this.#position + into.byteLength);
    into.set(taken);
    this.#position += taken.byteLength;
    if (this.#position === piece.byteLength) {
      this.#pieces.shift();
      this.#position = 0;
      this.#pool.give(piece);
    }
    return into.subarray(0, taken.byteLength);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    for (const piece of this.#pieces.splice(0)) this.#pool.give(piece);
    this.#notify();
    await this.#reader[Symbol.asyncDispose]();
    await this.#done;
  }

  async #readAll(): Promise<void> {
    try {
      while (!this.#stopped && !this.#ended) await this.#readPiece();
    } catch (error) {
      this.#failure = { error };
    }
    this.#notify();
  }

  /** Fills one buffer; what was read of it before an error is handed out too, unless the buffer is lost with the error. */
  async #readPiece(): Promise<void> {
    let view = await this.#pool.take();
    let filled = 0;
    try {
      // A consumer that waits gets what is there; one that is busy gets full buffers.
      while (filled < this.#pool.sizeBytes && !this.#stopped && !(filled > 0 && this.#wake)) {
        const read = await this.#reader.read(view.subarray(filled));
        if (read.buffer.byteLength === this.#pool.sizeBytes) view = new Uint8Array(read.buffer);
        if (read.byteLength === 0) this.#ended = true;
        if (this.#ended) return;
        filled += read.byteLength;
      }
    } finally {
      const isThere = filled > 0 && !view.buffer.detached;
      if (isThere && !this.#stopped) this.#pieces.push(view.subarray(0, filled));
      else this.#pool.give(view);
      this.#notify();
    }
  }

  #notify(): void {
    this.#wake?.();
    this.#wake = undefined;
  }
}
