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

/** A reader of exactly `length` bytes; throws `unavailable` when the stream ends before. What follows is not read. */
export function exactReader(reader: BlobReader, options: ExactReaderOptions): BlobReader {
  let toSkip = options.skip ?? 0;
  let left = options.length;
  return {
    async read(into) {
      if (left === 0 || into.byteLength === 0) return into.subarray(0, 0);
      let buffer = into.buffer;
      const { byteOffset, byteLength } = into;
      while (true) {
        const wanted = Math.min(byteLength, toSkip > 0 ? toSkip : left);
        const piece = await reader.read(new Uint8Array(buffer, byteOffset, wanted));
        if (piece.byteLength === 0) {
          throw new ImageError("unavailable", `Cannot read ${options.what}: the connection ended ${left} bytes early`);
        }
        if (toSkip === 0) {
          left -= piece.byteLength;
          return piece;
        }
        toSkip -= piece.byteLength;
        buffer = piece.buffer;
      }
    },
    [Symbol.asyncDispose]: () => reader[Symbol.asyncDispose](),
  };
}
