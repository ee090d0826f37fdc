import { rawTarReader } from "../bytes/decompress.ts";
import { release } from "../bytes/release.ts";
import { sniffCompression } from "../bytes/sniff.ts";
import type { RawLayer } from "../image/places.ts";
import { digestOfReader, verifiedReader } from "../bytes/verified_reader.ts";
import { ImageError } from "../errors.ts";
import type { ObjectStore } from "../objects/object_store.ts";
import { algorithmOf, type Digest } from "../oci/digest.ts";
import { MAX_MULTIPLIED_BYTES } from "../oci/limits.ts";
import { decodeChunk, readAnyStoredChunk } from "./chunk_object.ts";
import { type ChunkDecoder, type OpenLayerOptions, openRawLayer } from "./chunked_layer.ts";
import { checkRecipeDiffId, type Recipe } from "./recipe.ts";

/** A compression that a layer has inside of its chunks. */
export type WrappedCompression = "gzip" | "zstd";

/** What a recipe is held against. */
export interface WrappedLayerOptions extends OpenLayerOptions {
  /** The diff id that the image's config gives the layer; undefined where nobody knows. */
  readonly diffId: Digest | undefined;
}

/**
 * Checks that a recipe makes the layer that the image's config names: the tar of that diff id (undefined is returned), or
 * that tar compressed.
 *
 * A daemon with the containerd store exports layers as they came from a registry, mostly as gzip; the Go tool takes every
 * export for a tar and cuts the compressed bytes into chunks. Only then may the recipe name another digest than the config,
 * and it shows at the first bytes, which are no tar's. Throws `invalid-input` for any other disagreement.
 */
export async function wrappedCompression(
  store: ObjectStore,
  recipe: Recipe,
  options: WrappedLayerOptions,
): Promise<WrappedCompression | undefined> {
  const { diffId } = options;
  const what = options.what ?? `layer "${recipe.digest}"`;
  const [first] = recipe.chunks;
  if (diffId === undefined || recipe.diffId === diffId || !first) {
    checkRecipeDiffId(recipe, { what, diffId });
    return undefined;
  }
  const raw = decodeChunk(await readAnyStoredChunk(store, first, { ...options, what }), first, what);
  const compression = sniffCompression(raw);
  release(raw);
  if (compression !== "gzip" && compression !== "zstd") checkRecipeDiffId(recipe, { what, diffId });
  return compression === "zstd" ? "zstd" : "gzip";
}

/** Opens the tar inside of such a layer. It is unpacked twice: first to learn its length and to check it against its diff id. */
export async function openWrappedLayer(
  store: ObjectStore,
  recipe: Recipe,
  options: OpenLayerOptions & {
    readonly diffId: Digest;
    readonly compression: WrappedCompression;
    readonly decode?: ChunkDecoder | undefined;
  },
): Promise<RawLayer> {
  const { compression, diffId } = options;
  const what = options.what ?? `layer "${recipe.digest}"`;
  const open = () =>
    rawTarReader(openRawLayer(store, recipe, { ...options, diffId: recipe.diffId }), compression, {
      what,
      maxBytes: MAX_MULTIPLIED_BYTES,
    });
  await using measured = open();
  const { digest, sizeBytes: size } = await digestOfReader(measured, algorithmOf(diffId), options.signal);
  if (digest !== diffId) {
    throw new ImageError(
      "digest-mismatch",
      `Cannot use the tar of ${what}: it has digest "${digest}", not "${diffId}"`,
    );
  }
  const content = verifiedReader(open(), { digest: diffId, size }, `the tar of ${what}`);
  return { sizeBytes: size, content };
}
