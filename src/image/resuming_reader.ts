import { ImageError, isImageError } from "../errors.ts";
import type { BlobReader, ByteRange } from "../bytes/blob_reader.ts";
import { sleep } from "../bytes/retry.ts";

/** How a broken download goes on. */
export interface ResumeOptions {
  /** Breaks in a row without a byte in between that are survived. Default 5. */
  readonly tries?: number;
  /** Wait before the first reopening; doubles each time. Default 300. */
  readonly baseDelayMs?: number;
  readonly signal?: AbortSignal | undefined;
  /** Told of every break: the error, and at which byte the download goes on. */
  readonly onResume?: ((error: unknown, position: number) => void) | undefined;
}

/**
 * Reads `sizeBytes` bytes from `start`; when the connection breaks or ends early it is opened again at the byte where it
 * stopped.
 *
 * `open` opens a range. Failures other than `unavailable` are passed on; after `tries` breaks in a row so is that.
 */
export function resumingReader(
  open: (range: ByteRange | undefined) => Promise<BlobReader>,
  range: { readonly start: number; readonly length: number; readonly isWhole: boolean },
  options: ResumeOptions = {},
): BlobReader {
  const { tries = 5, baseDelayMs = 300, signal } = options;
  const end = range.start + range.length;
  let position = range.start;
  let failures = 0;
  let inner: BlobReader | undefined;
  const reopen = async () => {
    const isFirst = position === range.start && range.isWhole;
    return await open(isFirst ? undefined : { start: position, length: end - position });
  };
  const read = async (size: number, into: Uint8Array<ArrayBuffer>) => {
    inner ??= await reopen();
    const piece = await inner.read(into.subarray(0, size));
    if (piece.byteLength > 0 || position >= end) return piece;
    throw new ImageError("unavailable", `The connection ended after ${position} of ${end} bytes`);
  };
  return {
    async read(into) {
      // One byte past the end may be asked for, to learn whether the stream is longer than it should be.
      const size = position < end && !range.isWhole ? Math.min(into.byteLength, end - position) : into.byteLength;
      while (true) {
        if (into.byteLength === 0 || (position >= end && !inner)) return into.subarray(0, 0);
        signal?.throwIfAborted();
        const capacity = into.buffer.byteLength;
        try {
          const piece = await read(size, into);
          position += piece.byteLength;
          if (piece.byteLength > 0) failures = 0;
          return piece;
        } catch (error) {
          if (!isImageError(error, "unavailable") || position >= end || ++failures >= tries) throw error;
          options.onResume?.(error, position);
          await inner?.[Symbol.asyncDispose]();
          inner = undefined;
          if (into.buffer.byteLength === 0) into = new Uint8Array(Math.min(size, capacity));
          await sleep(baseDelayMs * 2 ** (failures - 1), signal);
        }
      }
    },
    [Symbol.asyncDispose]: async () => await inner?.[Symbol.asyncDispose](),
  };
}
