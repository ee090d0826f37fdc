import { ImageError } from "../errors.ts";
import type { BlobReader } from "../bytes/blob_reader.ts";

/** Which part of a stream is wanted. */
export interface ExactReaderOptions {
  /** Bytes at the start to throw away. Default 0. */
  readonly skip?: number;
  /** Bytes to hand out after those. */
  readonly length: number;
  /** Names the stream in errors. */
  readonly what: string;
}

/** Size of the buffer that bytes at the start are thrown away through. */
const SKIP_BYTES = 256 * 1024;

/** A reader of exactly `length` bytes; throws `unavailable` when the stream ends before. What follows is not read. */
export function exactReader(reader: BlobReader, options: ExactReaderOptions): BlobReader {
  let toSkip = options.skip ?? 0;
  let left = options.length;
  const early = () =>
    new ImageError("unavailable", `Cannot read ${options.what}: the connection ended ${toSkip + left} bytes early`);
  /** Not through the consumer's buffer: that may be a few bytes small. */
  const skip = async () => {
    let buffer = new ArrayBuffer(Math.min(toSkip, SKIP_BYTES));
    while (toSkip > 0) {
      const piece = await reader.read(new Uint8Array(buffer, 0, Math.min(buffer.byteLength, toSkip)));
      if (piece.byteLength === 0) throw early();
      toSkip -= piece.byteLength;
      buffer = piece.buffer;
    }
  };
  return {
    async read(into) {
      if (left === 0 || into.byteLength === 0) return into.subarray(0, 0);
      await skip();
      const piece = await reader.read(into.subarray(0, Math.min(into.byteLength, left)));
      if (piece.byteLength === 0) throw early();
      left -= piece.byteLength;
      return piece;
    },
    [Symbol.asyncDispose]: () => reader[Symbol.asyncDispose](),
  };
}
