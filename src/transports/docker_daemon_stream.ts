import { isImageError } from "../errors.ts";
import { TAR_BLOCK_BYTES, tarPadding } from "../archive/tar_header.ts";
import { tarReader } from "../archive/tar_writer.ts";
import { type BlobReader, bytesReader } from "../bytes/blob_reader.ts";

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
  /** How much of the tar the file has still to fill: its own bytes and those up to the next header. */
  readonly leftBytes: () => number;
  readonly done: () => void;
  readonly failed: (error: unknown) => void;
}

/** How a {@linkcode TarStream} ends when a file turns out to be the wrong one. */
export interface TarStreamOptions {
  /**
   * Whether the tar is then filled up and ended instead of broken off, without the files that would make an image of it.
   * Containerd keeps the beginning of a file that breaks off, and puts it in front of the same file when that comes again.
   */
  readonly endsAfterMismatch?: boolean;
}

/** How much a tar is filled up by, at most: what a checked reader has held back of a file. */
const MAX_FILLING_BYTES = 16 * 1024 * 1024;

/**
 * A tar that is made while it is sent: producers add files, one request reads the whole as its body, and nothing is kept
 * in between. Files stand in the order in which they were added; each is consumed whole before the next.
 */
export class TarStream {
  readonly #queue: Segment[] = [];
  readonly #endsAfterMismatch: boolean;
  #failure: { readonly error: unknown } | undefined;
  /** What is still sent after a failure. */
  #filling: BlobReader | undefined;
  #ended = false;
  #wake: (() => void) | undefined;

  /** Holds nothing yet. */
  constructor({ endsAfterMismatch = false }: TarStreamOptions = {}) {
    this.#endsAfterMismatch = endsAfterMismatch;
  }

  /** The tar's bytes; to be read once. Fails with the error of the first file that fails, or of {@linkcode fail}. */
  readonly body: BlobReader = {
    read: (into) => this.#read(into),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };

  /** Adds a file and waits until it was consumed; throws when it, or the whole, failed. */
  async add(file: TarFile): Promise<void> {
    const { path, sizeBytes, content } = file;
    let leftBytes = sizeBytes;
    const reader: BlobReader = {
      read: async (into) => {
        const piece = await content.read(into);
        leftBytes -= piece.byteLength;
        return piece;
      },
      [Symbol.asyncDispose]: () => Promise.resolve(), // whoever opened it closes it
    };
    const member = { name: path, sizeBytes, open: () => Promise.resolve(reader) };
    await this.#append(tarReader([member], { isOpen: true }), () => leftBytes + tarPadding(sizeBytes));
  }

  /** Ends the tar: its last blocks are handed out, then its end. Nothing can be added afterwards. */
  end(): void {
    this.#append(tarReader([]), () => 0).catch(() => {});
    this.#ended = true;
  }

  /** Breaks the tar off: whoever reads it or waits for a file gets this error. The first failure stays. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    for (const segment of this.#queue.splice(0)) segment.failed(this.#failure.error);
    this.#notify();
  }

  #append(reader: BlobReader, leftBytes: () => number): Promise<void> {
    return new Promise((done, failed) => {
      if (this.#failure) return failed(this.#failure.error);
      this.#queue.push({ reader, leftBytes, done, failed });
      this.#notify();
    });
  }

  async #read(into: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
    while (true) {
      if (this.#filling) return await this.#filling.read(into);
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
      const isFirst = this.#failure === undefined;
      this.fail(error);
      const leftBytes = segment.leftBytes();
      const fills = isFirst && this.#endsAfterMismatch && isImageError(error, "digest-mismatch");
      if (!fills || leftBytes > MAX_FILLING_BYTES) throw error;
      this.#filling = bytesReader(new Uint8Array(leftBytes + 2 * TAR_BLOCK_BYTES));
      return undefined;
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
