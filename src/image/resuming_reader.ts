import { ImageError, isImageError, messageOf } from "../errors.ts";
import { type BlobReader, type ByteRange, bytesReader } from "../bytes/blob_reader.ts";
import { sleep, triesWorth, type Wait } from "../bytes/retry.ts";

/** Size of the buffer that bytes take where they would put others at risk. */
const SPARE_BYTES = 256 * 1024;

/** Small buffers that readers lend each other, one after the other: made anew for each, they pile up until collected. */
export class SpareBuffers {
  readonly #idle: ArrayBuffer[] = [];

  /** A buffer that nobody else has. */
  take(): ArrayBuffer {
    return this.#idle.pop() ?? new ArrayBuffer(SPARE_BYTES);
  }

  /** Takes a buffer back; one that was lost underneath is forgotten. */
  give(buffer: ArrayBufferLike): void {
    if (buffer instanceof ArrayBuffer && buffer.byteLength === SPARE_BYTES) this.#idle.push(buffer);
  }
}

/** How a broken download goes on. */
export interface ResumeOptions {
  /** Buffers shared with other readers; by default the reader has its own. */
  readonly spares?: SpareBuffers | undefined;
  /** Breaks in a row without a byte in between that are survived. Default 5. */
  readonly tries?: number;
  /** Wait before the first reopening; doubles each time. Default 300. */
  readonly baseDelayMs?: number;
  readonly signal?: AbortSignal | undefined;
  /** Told of every break: the error, and at which byte the download goes on. */
  readonly onResume?: ((error: unknown, position: number) => void) | undefined;
  /** Who is read from, for `onWait`. */
  readonly host?: string | undefined;
  /** Told of every wait before the download goes on. */
  readonly onWait?: ((wait: Wait) => void) | undefined;
}

/**
 * Reads `sizeBytes` bytes from `start`; when the connection breaks or ends early it is opened again at the byte where it
 * stopped.
 *
 * `open` opens a range. Failures other than `unavailable` are passed on; after `tries` breaks in a row so is that. Where a
 * stream ends early, without an error, and what is opened there has no byte either, the source holds no more than that: the
 * reader ends there too.
 */
export function resumingReader(
  open: (range: ByteRange | undefined) => Promise<BlobReader>,
  range: { readonly start: number; readonly length: number; readonly isWhole: boolean },
  options: ResumeOptions = {},
): BlobReader {
  const { tries = 5, baseDelayMs = 300, signal, spares = new SpareBuffers() } = options;
  const end = range.start + range.length;
  let position = range.start;
  let failures = 0;
  let inner: BlobReader | undefined;
  /** Where the last stream ended too early, without an error. */
  let endedAt: number | undefined;
  const reopen = async () => {
    const isFirst = position === range.start && range.isWhole;
    try {
      return await open(isFirst ? undefined : { start: position, length: end - position });
    } catch (error) {
      // So places refuse a range that begins at their end.
      if (endedAt === position && isImageError(error, "invalid-input")) return bytesReader(new Uint8Array());
      throw error;
    }
  };
  const read = async (size: number, into: Uint8Array<ArrayBuffer>) => {
    inner ??= await reopen();
    const piece = await readSafely(inner, into.subarray(0, size));
    if (piece.byteLength > 0 || position >= end || endedAt === position) return piece;
    endedAt = position;
    throw new ImageError("unavailable", `The connection ended after ${position} of ${end} bytes`);
  };
  /**
   * A read that breaks takes the buffer with it, and with the buffer what earlier reads have left in front of `into`: then
   * the bytes take a buffer of their own and are copied.
   */
  const readSafely = async (reader: BlobReader, into: Uint8Array<ArrayBuffer>) => {
    if (into.byteOffset === 0) return await reader.read(into);
    const piece = await reader.read(new Uint8Array(spares.take(), 0, Math.min(into.byteLength, SPARE_BYTES)));
    into.set(piece);
    spares.give(piece.buffer);
    return into.subarray(0, piece.byteLength);
  };
  return {
    async read(into) {
      // One byte past the end may be asked for, to learn whether the stream is longer than it should be.
      const size = position < end && !range.isWhole ? Math.min(into.byteLength, end - position) : into.byteLength;
      while (true) {
        if (into.byteLength === 0 || (position >= end && !inner)) return into.subarray(0, 0);
        signal?.throwIfAborted();
        const { byteLength } = into;
        const capacity = into.buffer.byteLength;
        try {
          const piece = await read(size, into);
          position += piece.byteLength;
          if (piece.byteLength > 0) failures = 0;
          return piece;
        } catch (error) {
          if (!isImageError(error, "unavailable") || position >= end) throw error;
          // A read that was stopped because all is over does not go on, and nothing is to be said of it.
          if (signal?.aborted) throw error;
          if (++failures >= Math.min(tries, triesWorth(error))) throw error;
          options.onResume?.(error, position);
          await inner?.[Symbol.asyncDispose]();
          inner = undefined;
          // Of the size that the caller's was: the caller goes on filling it.
          if (into.buffer.detached) into = new Uint8Array(new ArrayBuffer(capacity), 0, byteLength);
          const waitMs = baseDelayMs * 2 ** (failures - 1);
          options.onWait?.({ reason: messageOf(error), host: options.host ?? "the server", waitMs });
          await sleep(waitMs, signal);
        }
      }
    },
    [Symbol.asyncDispose]: async () => await inner?.[Symbol.asyncDispose](),
  };
}
