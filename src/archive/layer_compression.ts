import { pipeline, Readable, type Transform } from "node:stream";
import { constants, createGzip, createZstdCompress, type ZstdOptions } from "node:zlib";
import type { BlobReader } from "../bytes/blob_reader.ts";
import { type LayerCompression, MEDIA_TYPES } from "../oci/media_types.ts";

/** How raw layers are stored. */
export interface CompressionOptions {
  /** Default `zstd`. */
  readonly compression?: LayerCompression | undefined;
  /** 1 to 19 for zstd (default 3), 1 to 9 for gzip (default 6). */
  readonly level?: number | undefined;
}

/** The annotation of a layer's descriptor that holds the length of its tar, in decimal. */
export const TAR_SIZE = "io.s3lo.layer.tar-size";

/** Media type of a layer by its compression. Spec: OCI image-spec v1.1.1, media-types.md. */
export const LAYER_MEDIA_TYPES: Readonly<Record<LayerCompression, string>> = {
  none: MEDIA_TYPES.ociLayer,
  gzip: MEDIA_TYPES.ociLayerGzip,
  zstd: MEDIA_TYPES.ociLayerZstd,
};

const CHUNK_BYTES = 256 * 1024;

/** Where gzip's header names the operating system, and the value for an unknown one. Spec: RFC 1952, section 2.3. */
const GZIP_OS_OFFSET = 9;
const GZIP_OS_UNKNOWN = 255;

/**
 * The compressed bytes of a tar of `sizeBytes`: the same input, compression and level give the same bytes on any machine.
 * Closing the reader closes `source`.
 */
export function compressReader(
  source: BlobReader,
  sizeBytes: number,
  options: { readonly compression: "gzip" | "zstd"; readonly level?: number | undefined },
): BlobReader {
  const input = chunksOf(source, CHUNK_BYTES);
  const output = options.compression === "gzip"
    ? anonymousGzip(through(createGzip({ level: options.level ?? 6, chunkSize: CHUNK_BYTES }), input))
    : through(createZstdCompress(zstdOptions(sizeBytes, options.level ?? 3)), input);
  return iterableReader(output, () => source[Symbol.asyncDispose]());
}

async function* anonymousGzip(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let position = 0;
  for await (const chunk of chunks) {
    const at = GZIP_OS_OFFSET - position;
    if (at >= 0 && at < chunk.byteLength) chunk[at] = GZIP_OS_UNKNOWN;
    position += chunk.byteLength;
    yield chunk;
  }
}

/** The size is written into the frame's header, so that readers know how much comes out; the types do not know of it. */
function zstdOptions(sizeBytes: number, level: number): ZstdOptions & { readonly pledgedSrcSize: number } {
  return {
    chunkSize: CHUNK_BYTES,
    pledgedSrcSize: sizeBytes,
    params: { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 1 },
  };
}

/** The bytes of a reader in fresh chunks, to the end. Does not close the reader. */
async function* chunksOf(reader: BlobReader, chunkBytes = CHUNK_BYTES): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  while (true) {
    const chunk = await reader.read(new Uint8Array(chunkBytes));
    if (chunk.byteLength === 0) return;
    yield chunk;
  }
}

/** A reader of the chunks that an iterable gives; `close` runs when the reader is closed, after the iterable was ended. */
function iterableReader(
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
async function* through(transform: Transform, input: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  // The callback takes the error that also ends the iteration below.
  pipeline(Readable.from(input, { highWaterMark: 1 }), transform, () => {});
  for await (const chunk of transform) yield chunk as Uint8Array;
}
