import { pipeline, Readable, type Transform } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { ImageError, isImageError, messageOf } from "../errors.ts";
import type { BlobReader } from "./blob_reader.ts";
import { ZstdFrameScanner } from "./zstd_frames.ts";

/** How bytes are compressed, as their first bytes say. The last two are told apart and not read. */
export type SniffedCompression = "none" | "gzip" | "zstd" | "bzip2" | "xz";

/** How many bytes {@linkcode sniffCompression} looks at. */
export const SNIFF_BYTES = 6;

const CHUNK_BYTES = 256 * 1024;

/** The compression of a stream that starts with these bytes (6 of them, fewer only where there are no more). */
export function sniffCompression(start: Uint8Array): SniffedCompression {
  const begins = (...magic: number[]) => magic.every((byte, index) => start[index] === byte);
  if (begins(0x1f, 0x8b)) return "gzip";
  if (begins(0x28, 0xb5, 0x2f, 0xfd)) return "zstd";
  // A zstd stream may begin with a frame of foreign data (RFC 8878, section 3.1.2).
  if (start[0] !== undefined && (start[0] & 0xf0) === 0x50 && [0x2a, 0x4d, 0x18].every((b, i) => start[i + 1] === b)) {
    return "zstd";
  }
  if (begins(0x42, 0x5a, 0x68)) return "bzip2";
  return begins(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00) ? "xz" : "none";
}

/**
 * The decompressed bytes of a gzip or zstd stream of any number of members or frames. Closing the reader closes `source`.
 *
 * `what` names the stream in errors. Throws `invalid-input` when it is broken or cut off.
 */
export function decompressReader(source: BlobReader, compression: "gzip" | "zstd", what: string): BlobReader {
  const input = chunksOf(source);
  const output = compression === "gzip"
    ? through(createGunzip({ chunkSize: CHUNK_BYTES }), input)
    : decompressFrames(input);
  return iterableReader(named(output, what), () => source[Symbol.asyncDispose]());
}

/** The bytes of a reader in fresh chunks, to the end. Does not close the reader. */
export async function* chunksOf(reader: BlobReader, chunkBytes = CHUNK_BYTES): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  while (true) {
    const chunk = await reader.read(new Uint8Array(chunkBytes));
    if (chunk.byteLength === 0) return;
    yield chunk;
  }
}

/** A reader of the chunks that an iterable gives; `close` runs when the reader is closed, after the iterable was ended. */
export function iterableReader(
  chunks: AsyncIterable<Uint8Array>,
  close: () => PromiseLike<void> = () => Promise.resolve(),
): BlobReader {
  const iterator = chunks[Symbol.asyncIterator]();
  let rest = new Uint8Array(0) as Uint8Array;
  return {
    async read(into) {
      while (rest.byteLength === 0 && into.byteLength > 0) {
        const next = await iterator.next();
        if (next.done) return into.subarray(0, 0);
        rest = next.value;
      }
      const count = Math.min(rest.byteLength, into.byteLength);
      into.set(rest.subarray(0, count));
      rest = rest.subarray(count);
      return into.subarray(0, count);
    },
    async [Symbol.asyncDispose]() {
      try {
        await iterator.return?.();
      } finally {
        await close();
      }
    },
  };
}

/** The chunks that come out of a transforming stream (of `node:zlib`) that is fed with `input`. */
export async function* through(transform: Transform, input: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  // The callback takes the error that also ends the iteration below.
  pipeline(Readable.from(input, { highWaterMark: 1 }), transform, () => {});
  for await (const chunk of transform) yield chunk as Uint8Array;
}

async function* named(chunks: AsyncIterable<Uint8Array>, what: string): AsyncGenerator<Uint8Array> {
  try {
    yield* chunks;
  } catch (cause) {
    if (isImageError(cause)) throw cause;
    throw new ImageError("invalid-input", `Cannot decompress ${what}: ${messageOf(cause)}`, { cause });
  }
}

/**
 * Decompresses frame after frame. The runtime's zstd stream ends after the first frame, fails on a second one, and takes
 * a stream that was cut off for a whole one, so each frame gets a stream of its own and its end is found here.
 */
async function* decompressFrames(input: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  let rest: Uint8Array = new Uint8Array(0);
  const next = async (): Promise<boolean> => {
    while (rest.byteLength === 0) {
      const item = await input.next();
      if (item.done) return false;
      rest = item.value;
    }
    return true;
  };
  while (await next()) {
    const scanner = new ZstdFrameScanner();
    const frame = async function* (): AsyncGenerator<Uint8Array> {
      while (!scanner.isComplete) {
        if (!await next()) throw new Error("unexpected end of the zstd stream");
        const length = scanner.scan(rest);
        const piece = rest.subarray(0, length);
        rest = rest.subarray(length);
        if (!scanner.isSkippable) yield piece;
      }
    };
    // The kind of frame shows in its first bytes, which a skippable one keeps to itself.
    const pieces = frame();
    const first = await pieces.next();
    if (first.done) continue;
    yield* through(createZstdDecompress({ chunkSize: CHUNK_BYTES }), prepend(first.value, pieces));
  }
}

async function* prepend(first: Uint8Array, others: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield first;
  yield* others;
}
