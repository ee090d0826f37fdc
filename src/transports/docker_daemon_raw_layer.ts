import { ImageError } from "../errors.ts";
import { believableTarSize, measureTar } from "../archive/tar_length.ts";
import { exactReader, lengthMismatch } from "../bytes/exact_reader.ts";
import { rawTarReader } from "../bytes/decompress.ts";
import type { BlobContent, RawLayer } from "../image/places.ts";
import type { Digest } from "../oci/digest.ts";

/**
 * Opens a zstd layer decompressed. Its length must stand in front of it in a tar: a source that keeps the layer in chunks
 * knows it and unpacks them (for which it needs the diff id), layers that s3lo has compressed name it in an annotation; any
 * other is read twice, once to measure it (and to check it against its diff id), once to hand it out.
 *
 * The reader throws `digest-mismatch` instead of handing out the last bytes of a layer that is longer than announced.
 */
export async function openRawLayer(layer: BlobContent, diffId?: Digest): Promise<RawLayer> {
  const raw = diffId && await layer.openRaw?.(diffId);
  if (raw) return raw;
  const open = async () => rawTarReader(await layer.open(), "zstd", { what: `layer "${layer.blob.digest}"` });
  const sizeBytes = believableTarSize(layer.blob) ??
    await measureTar(await open(), `layer "${layer.blob.digest}"`, { diffId });
  const wrong = (got: number | "more") =>
    new ImageError(
      "digest-mismatch",
      `Cannot use layer "${layer.blob.digest}": its tar is not as long as its manifest says: ${
        lengthMismatch(sizeBytes, got)
      }`,
    );
  return { sizeBytes, content: exactReader(await open(), sizeBytes, wrong) };
}
