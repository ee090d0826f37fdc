import { ImageError } from "../errors.ts";
import type { BlobReader } from "../bytes/blob_reader.ts";

/** What a {@linkcode RandomFile} needs of an open file. */
export interface SeekableFile {
  seek(position: number, whence: Deno.SeekMode): Promise<number>;
  read(into: Uint8Array): Promise<number | null>;
  close(): void;
}

/** An open file that many readers read at their own positions; closing it ends them all. */
export class RandomFile implements AsyncDisposable {
  /** What people call it, for errors. */
  readonly name: string;
  readonly sizeBytes: number;
  readonly #file: SeekableFile;
  readonly #release: () => Promise<void>;
  #last: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  /** Takes over an open file of known length; `release` runs after it was closed. */
  constructor(
    file: SeekableFile,
    options: { readonly name: string; readonly sizeBytes: number; readonly release?: () => Promise<void> },
  ) {
    this.#file = file;
    this.name = options.name;
    this.sizeBytes = options.sizeBytes;
    this.#release = options.release ?? (() => Promise.resolve());
  }

  /** Reads at a position, once: fewer bytes than asked for are possible, none mean the end. */
  readAt(into: Uint8Array<ArrayBuffer>, position: number): Promise<Uint8Array<ArrayBuffer>> {
    // One position belongs to the whole file, so seek and read must not be parted.
    const read = this.#last.then(async () => {
      await this.#file.seek(position, Deno.SeekMode.Start);
      return into.subarray(0, await this.#file.read(into) ?? 0);
    });
    this.#last = read.catch(() => {});
    return read;
  }

  /** Reads exactly `length` bytes. Throws `invalid-input` when the file ends before. */
  async readExactly(position: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = new Uint8Array(length);
    for (let filled = 0; filled < length;) {
      const piece = await this.readAt(bytes.subarray(filled), position + filled);
      if (piece.byteLength === 0) {
        throw new ImageError("invalid-input", `Cannot read archive "${this.name}": it is cut off`);
      }
      filled += piece.byteLength;
    }
    return bytes;
  }

  /** A reader of `length` bytes from `start`. Throws `invalid-input` while reading when the file ends before. */
  reader(start: number, length: number): BlobReader {
    let position = start;
    const end = start + length;
    return {
      read: async (into) => {
        const wanted = into.subarray(0, Math.min(into.byteLength, end - position));
        if (wanted.byteLength === 0) return wanted;
        const piece = await this.readAt(wanted, position);
        if (piece.byteLength === 0) {
          throw new ImageError("invalid-input", `Cannot read archive "${this.name}": it is cut off`);
        }
        position += piece.byteLength;
        return piece;
      },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#last;
    this.#file.close();
    await this.#release();
  }
}
