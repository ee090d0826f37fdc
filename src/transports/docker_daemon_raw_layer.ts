import type { BlobReader } from "../bytes/blob_reader.ts";
import { decompressReader } from "../bytes/decompress.ts";
import type { BlobContent } from "../image/places.ts";

/** A layer without its compression. */
export interface RawLayer {
  readonly sizeBytes: number;
  /** To be closed by the caller. */
  readonly content: BlobReader;
}

/**
 * Opens a zstd layer decompressed. Its length must stand in front of it in a tar and is written nowhere, so the layer is
 * read twice: once to measure it, once to hand it out.
 */
export async function openRawLayer(layer: BlobContent): Promise<RawLayer> {
  const what = `layer "${layer.blob.digest}"`;
  const sizeBytes = await lengthOf(decompressReader(await layer.open(), "zstd", what));
  return { sizeBytes, content: decompressReader(await layer.open(), "zstd", what) };
}

async function lengthOf(reader: BlobReader): Promise<number> {
  await using counted = reader;
  const into = new Uint8Array(256 * 1024);
  for (let sizeBytes = 0;;) {
    const { byteLength } = await counted.read(into);
    if (byteLength === 0) return sizeBytes;
    sizeBytes += byteLength;
  }
}
