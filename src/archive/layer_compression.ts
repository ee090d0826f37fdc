import type { Transform } from "node:stream";
import { constants, createGzip, type ZstdOptions } from "node:zlib";
import { type BlobReader, fill } from "../bytes/blob_reader.ts";
import { type ZstdRuntime, zstdRuntime } from "../bytes/zstd_runtime.ts";
import type { Descriptor } from "../oci/descriptor.ts";
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

/** The length of a layer's tar as its descriptor states it. */
export function statedTarSize({ annotations }: Descriptor): number | undefined {
  const text = annotations?.[TAR_SIZE] ?? "";
  return /^[1-9][0-9]{0,15}$/.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : undefined;
}

/** Media type of a layer by its compression. Spec: OCI image-spec v1.1.1, media-types.md. */
export const LAYER_MEDIA_TYPES: Readonly<Record<LayerCompression, string>> = {
  none: MEDIA_TYPES.ociLayer,
  gzip: MEDIA_TYPES.ociLayerGzip,
  zstd: MEDIA_TYPES.ociLayerZstd,
};

/** A compression of streams, and its level. */
export interface StreamCompression {
  readonly compression: "gzip" | "zstd";
  readonly level?: number | undefined;
}

/**
 * Length of the pieces that go into a compressor. What comes out may depend on how the input is cut, so every user cuts it
 * alike.
 */
export const PIECE_BYTES = 1024 * 1024;

const CHUNK_BYTES = 256 * 1024;

/** Where gzip's header names the operating system, and the value for an unknown one. Spec: RFC 1952, section 2.3. */
const GZIP_OS_OFFSET = 9;
const GZIP_OS_UNKNOWN = 255;

/** The runtime's zstd. Throws `unsupported`, with the ways around, where it has none. */
export function zstdForLayers(runtime?: Partial<ZstdRuntime>): ZstdRuntime {
  return zstdRuntime("zstd compression", { runtime, otherWay: "compress with --compression gzip" });
}

/**
 * Compresses a stream of known length step by step. Equal pieces give equal bytes: each is through before the next one or
 * the end is told, for the runtime's compressors take a last piece that comes together with the end otherwise.
 */
export class StepCompressor {
  readonly #stream: Transform;
  readonly #output: Uint8Array[] = [];
  #failure: Error | undefined;

  /** `sizeBytes`: how much will come in. */
  constructor(sizeBytes: number, { compression, level }: StreamCompression) {
    this.#stream = compression === "gzip"
      ? createGzip({ level: level ?? 6, chunkSize: CHUNK_BYTES })
      : zstdForLayers().createZstdCompress(zstdOptions(sizeBytes, level ?? 3));
    let isFirst = compression === "gzip";
    this.#stream.on("data", (piece: Uint8Array) => {
      if (isFirst && piece.byteLength > GZIP_OS_OFFSET) piece[GZIP_OS_OFFSET] = GZIP_OS_UNKNOWN;
      isFirst = false;
      this.#output.push(piece);
    });
    this.#stream.on("error", (error) => this.#failure ??= error);
  }

  /** Takes a piece in, {@linkcode PIECE_BYTES} long except for the last, or the end; gives what came out since. */
  async step(piece: Uint8Array | undefined): Promise<readonly Uint8Array[]> {
    await new Promise<void>((resolve) => {
      this.#stream.once("error", () => resolve());
      if (piece) return this.#stream.write(piece, () => resolve());
      this.#stream.once("end", () => resolve());
      this.#stream.end();
    });
    this.#stream.removeAllListeners("error").on("error", (error) => this.#failure ??= error);
    if (this.#failure) throw this.#failure;
    return this.#output.splice(0);
  }

  /** Lets go of the compressor. */
  close(): void {
    this.#stream.destroy();
  }
}

/**
 * The compressed bytes of a tar of `sizeBytes`: the same input, compression and level give the same bytes on any machine.
 * Closing the reader closes `source`.
 */
export function compressReader(source: BlobReader, sizeBytes: number, options: StreamCompression): BlobReader {
  const compressor = new StepCompressor(sizeBytes, options);
  return iterableReader(compressed(source, compressor), async () => {
    compressor.close();
    await source[Symbol.asyncDispose]();
  });
}

async function* compressed(source: BlobReader, compressor: StepCompressor): AsyncGenerator<Uint8Array> {
  while (true) {
    const { bytes, ended } = await fill(source, new Uint8Array(PIECE_BYTES));
    if (bytes.byteLength > 0) yield* await compressor.step(bytes);
    if (!ended) continue;
    yield* await compressor.step(undefined);
    return;
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
