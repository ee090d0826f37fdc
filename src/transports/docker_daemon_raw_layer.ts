import { ImageError } from "../errors.ts";
import { statedTarSize } from "../archive/layer_compression.ts";
import { type BlobReader, countBytes } from "../bytes/blob_reader.ts";
import { rawTarReader } from "../bytes/decompress.ts";
import type { BlobContent, RawLayer } from "../image/places.ts";
import type { Digest } from "../oci/digest.ts";

/**
 * Opens a zstd layer decompressed. Its length must stand in front of it in a tar: a source that keeps the layer in chunks
 * knows it and unpacks them (for which it needs the diff id), layers that s3lo has compressed name it in an annotation; any
 * other is read twice, once to measure it, once to hand it out.
 *
 * The reader throws `digest-mismatch` instead of handing out the last bytes of a layer that is longer than announced.
 */
export async function openRawLayer(layer: BlobContent, diffId?: Digest): Promise<RawLayer> {
  const raw = diffId && await layer.openRaw?.(diffId);
  if (raw) return raw;
  const open = async () => rawTarReader(await layer.open(), "zstd", { what: `layer "${layer.blob.digest}"` });
  const sizeBytes = statedTarSize(layer.blob) ?? await lengthOf(await open());
  return { sizeBytes, content: notLonger(await open(), sizeBytes, layer) };
}

async function lengthOf(reader: BlobReader): Promise<number> {
  await using measured = reader;
  return await countBytes(measured);
}

/** Also reads the source to its end, so that it checks itself before the last bytes leave. */
function notLonger(source: BlobReader, sizeBytes: number, { blob }: BlobContent): BlobReader {
  let left = sizeBytes;
  return {
    async read(into) {
      const piece = await source.read(into.subarray(0, Math.min(into.byteLength, left)));
      left -= piece.byteLength;
      if (left > 0 || (await source.read(new Uint8Array(1))).byteLength === 0) return piece;
      throw new ImageError(
        "digest-mismatch",
        `Cannot use layer "${blob.digest}": its tar is longer than the ${sizeBytes} bytes that its manifest names`,
      );
    },
    [Symbol.asyncDispose]: () => source[Symbol.asyncDispose](),
  };
}
