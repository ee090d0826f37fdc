import type { Buffer } from "node:buffer";
import { Readable } from "node:stream";
import { createZstdDecompress } from "node:zlib";
import { ImageError, messageOf } from "../errors.ts";
import type { BlobReader } from "../bytes/blob_reader.ts";
import type { BlobContent } from "../image/places.ts";

/** A layer without its compression. */
export interface RawLayer {
  readonly sizeBytes: number;
  /** To be closed by the caller. */
  readonly content: BlobReader;
}

/** Size of the pieces that are decompressed at once. */
const PIECE_BYTES = 256 * 1024;

/**
 * Opens a zstd layer decompressed. Its length must stand in front of it in a tar and is written nowhere, so the layer is
 * read twice: once to measure it, once to hand it out.
 */
export async function openRawLayer(layer: BlobContent): Promise<RawLayer> {
  return { sizeBytes: await rawSize(layer), content: decompressed(await layer.open(), layer) };
}

async function rawSize(layer: BlobContent): Promise<number> {
  await using reader = decompressed(await layer.open(), layer);
  const into = new Uint8Array(PIECE_BYTES);
  for (let sizeBytes = 0;;) {
    const { byteLength } = await reader.read(into);
    if (byteLength === 0) return sizeBytes;
    sizeBytes += byteLength;
  }
}

/** Decompresses what `source` holds, and closes it. Throws `invalid-input` when it is no zstd, or what `source` throws. */
function decompressed(source: BlobReader, { blob }: BlobContent): BlobReader {
  const input = Readable.from(pieces(source), { objectMode: false });
  const output = createZstdDecompress();
  let failure: unknown;
  input.on("error", (error) => {
    failure = error;
    output.destroy(error);
  });
  const chunks = input.pipe(output)[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let rest: Uint8Array = new Uint8Array(0);
  return {
    async read(into) {
      try {
        while (rest.byteLength === 0) {
          const { done, value } = await chunks.next();
          if (done) return into.subarray(0, 0);
          rest = value;
        }
      } catch (cause) {
        if (failure !== undefined) throw failure;
        throw new ImageError("invalid-input", `Cannot decompress layer "${blob.digest}": ${messageOf(cause)}`, {
          cause,
        });
      }
      const count = Math.min(into.byteLength, rest.byteLength);
      into.set(rest.subarray(0, count));
      rest = rest.subarray(count);
      return into.subarray(0, count);
    },
    async [Symbol.asyncDispose]() {
      input.destroy();
      output.destroy();
      await source[Symbol.asyncDispose]();
    },
  };
}

async function* pieces(source: BlobReader): AsyncGenerator<Uint8Array> {
  while (true) {
    const piece = await source.read(new Uint8Array(PIECE_BYTES));
    if (piece.byteLength === 0) return;
    yield piece;
  }
}
