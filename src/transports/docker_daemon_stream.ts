import { tarReader } from "../archive/tar_writer.ts";
import type { BlobReader } from "../bytes/blob_reader.ts";

/** A file to put into the tar. */
export interface TarFile {
  /** Path inside the tar. */
  readonly path: string;
  readonly sizeBytes: number;
  /** Exactly `sizeBytes` bytes; closed by whoever opened it. */
  readonly content: BlobReader;
}

/** A reader in the tar's order, and who waits for it to be consumed. */
interface Segment {
  readonly reader: BlobReader;
  readonly done: () => void;
  readonly failed: (error: unknown) => void;
}

/**
 * A tar that is made while it is sent: producers add files, one request reads the whole as its body, and nothing is kept
 * in between. Files stand in the order in which they were added; each is consumed whole before the next.
 */
export class TarStream {
  readonly #queue: Segment[] = [];
  #failure: { readonly error: unknown } | undefined;
  #ended = false;
  #wake: (() => void) | undefined;

  /** The tar's bytes; to be read once. Fails with the error of the first file that fails, or of {@linkcode fail}. */
  readonly body: BlobReader = {
    read: (into) => this.#read(into),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };

  /** Adds a file and waits until it was consumed; throws when it, or the whole, failed. */
  async add(file: TarFile): Promise<void> {
    const { path, sizeBytes, content } = file;
    // Whoever opened it closes it.
    const reader: BlobReader = { read: (into) => content.read(into), [Symbol.asyncDispose]: () => Promise.resolve() };
    const member = { name: path, sizeBytes, open: () => Promise.resolve(reader) };
    await this.#append(tarReader([member], { isOpen: true }));
  }

  /** Ends the tar: its last blocks are handed out, then its end. Nothing can be added afterwards. */
  end(): void {
    this.#append(tarReader([])).catch(() => {});
    this.#ended = true;
  }

  /** Breaks the tar off: whoever reads it or waits for a file gets this error. The first failure stays. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    for (const segment of this.#queue.splice(0)) segment.failed(this.#failure.error);
    this.#notify();
  }

  #append(reader: BlobReader): Promise<void> {
    return new Promise((done, failed) => {
      if (this.#failure) return failed(this.#failure.error);
      this.#queue.push({ reader, done, failed });
      this.#notify();
    });
  }

  async #read(into: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
    while (true) {
      if (this.#failure) throw this.#failure.error;
      const segment = this.#queue[0];
      if (segment) {
        const piece = await this.#readSegment(segment, into);
        if (piece) return piece;
      } else if (this.#ended) {
        return into.subarray(0, 0);
      } else {
        await new Promise<void>((resolve) => this.#wake = resolve);
      }
    }
  }

  /** The next bytes of the first segment; undefined when it has no more, and it is taken off the queue. */
  async #readSegment(segment: Segment, into: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer> | undefined> {
    try {
      const piece = await segment.reader.read(into);
      if (this.#failure) throw this.#failure.error;
      if (piece.byteLength > 0) return piece;
    } catch (error) {
      this.fail(error);
      throw error;
    }
    this.#queue.shift();
    segment.done();
    return undefined;
  }

  #notify(): void {
    this.#wake?.();
    this.#wake = undefined;
  }
}
