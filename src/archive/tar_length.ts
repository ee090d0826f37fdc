import { ImageError } from "../errors.ts";
import { type BlobReader, countBytes } from "../bytes/blob_reader.ts";
import { digestOfReader } from "../bytes/verified_reader.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { algorithmOf, type Digest } from "../oci/digest.ts";
import { isOutOfProportion } from "../oci/limits.ts";
import { statedTarSize } from "./layer_compression.ts";

/**
 * The length of a layer's tar as its descriptor states it; undefined where it states none, and where the tar would be so
 * much longer than the layer that it is looked at before a byte of it is written ({@linkcode measureTar}).
 */
export function believableTarSize(layer: Descriptor): number | undefined {
  const stated = statedTarSize(layer);
  return stated === undefined || isOutOfProportion(stated, layer.size) ? undefined : stated;
}

/**
 * Reads a layer's tar to its end to learn its length, and closes it. It must have the digest `diffId`, where one is known:
 * a layer that unpacks to a great many wrong bytes is found out before anybody writes them.
 *
 * `what` names the layer in errors. Throws `digest-mismatch`.
 */
export async function measureTar(
  tar: BlobReader,
  what: string,
  options: { readonly diffId?: Digest | undefined; readonly signal?: AbortSignal | undefined },
): Promise<number> {
  const { diffId, signal } = options;
  await using measured = tar;
  if (diffId === undefined) return await countBytes(measured, signal);
  const { digest, sizeBytes } = await digestOfReader(measured, algorithmOf(diffId), signal);
  if (digest === diffId) return sizeBytes;
  throw new ImageError("digest-mismatch", `Cannot use the tar of ${what}: it has digest "${digest}", not "${diffId}"`);
}
