import type { BlobReader, ByteRange } from "../bytes/blob_reader.ts";
import { ImageError, isImageError } from "../errors.ts";
import type { ObjectStore } from "../objects/object_store.ts";
import { algorithmOf, blobPath, type Digest } from "../oci/digest.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { layerCompression } from "../oci/media_types.ts";
import { recipeKey } from "./chunk_keys.ts";
import { openChunkedLayer, type OpenLayerOptions } from "./chunked_layer.ts";
import { MAX_RECIPE_BYTES, parseRecipe, type ParseRecipeOptions, type Recipe } from "./recipe.ts";
import { wrappedCompression } from "./wrapped_layer.ts";

/**
 * Opens a layer (or another blob) as stored, whole or chunked, or a range of it; needs no look-up before.
 *
 * The media type decides where to look first, so that one request is enough as a rule: whoever chunks a layer names it
 * `tar+zstd`, so such a layer is looked up as a recipe, which has to be read anyway, and everything else (configs, gzip and
 * plain layers, most of a bucket) as a whole blob. The other place is asked only when the first has nothing. Where both hold
 * the layer either will do: what comes out is checked against the same digest.
 *
 * `recipes` keeps what was read of recipes between calls, for several ranges of one layer. `diffId` gives what a recipe must
 * be the recipe of (undefined where nobody knows) and is asked only if there is one. Throws `not-found`, `invalid-input`.
 */
export async function openLayer(
  store: ObjectStore,
  layer: Descriptor,
  options: OpenLayerOptions & {
    readonly range?: ByteRange | undefined;
    readonly recipes?: RecipeCache | undefined;
    readonly diffId?: (() => Promise<Digest | undefined>) | undefined;
  } = {},
): Promise<BlobReader> {
  const found = await firstOf<BlobReader>(layer, {
    whole: () => openWhole(store, layer, options.range),
    chunked: async () => {
      const recipe = await readRecipeOnce(store, layer, options);
      if (!recipe) return undefined;
      await wrappedCompression(store, recipe, { ...options, diffId: await options.diffId?.() });
      return openChunkedLayer(store, recipe, options);
    },
  });
  if (found) return found;
  throw new ImageError(
    "not-found",
    `Cannot read ${options.what ?? `blob "${layer.digest}"`}: "${store.name}" holds it neither whole nor in chunks`,
  );
}

/** Recipes read so far, by their layers' digests. */
export type RecipeCache = Map<Digest, Promise<Recipe | undefined>>;

/** Like {@linkcode readRecipe}, and looks into `recipes` first; a failed reading is forgotten. */
export async function readRecipeOnce(
  store: ObjectStore,
  layer: Descriptor,
  options: { readonly what?: string | undefined; readonly recipes?: RecipeCache | undefined },
): Promise<Recipe | undefined> {
  const { recipes, what } = options;
  const reading = recipes?.get(layer.digest) ?? readRecipe(store, layer, { what });
  recipes?.set(layer.digest, reading);
  try {
    return await reading;
  } catch (error) {
    recipes?.delete(layer.digest);
    throw error;
  }
}

/** Reads and checks a layer's recipe; undefined when the bucket has none. Throws `invalid-input`. */
export async function readRecipe(
  store: ObjectStore,
  layer: Descriptor,
  options: Omit<ParseRecipeOptions, "sizeBytes"> = {},
): Promise<Recipe | undefined> {
  return (await readRecipeObject(store, layer, options))?.recipe;
}

/** A recipe with the bytes that it was read from. */
export interface RecipeObject {
  readonly recipe: Recipe;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Like {@linkcode readRecipe}, with the object's bytes. */
export async function readRecipeObject(
  store: ObjectStore,
  layer: Descriptor,
  options: Omit<ParseRecipeOptions, "sizeBytes"> = {},
): Promise<RecipeObject | undefined> {
  if (algorithmOf(layer.digest) !== "sha256") return undefined;
  const object = await store.read(recipeKey(layer.digest), MAX_RECIPE_BYTES);
  if (!object) return undefined;
  const recipe = parseRecipe(object.bytes, layer.digest, { ...options, sizeBytes: layer.size });
  return { recipe, bytes: object.bytes };
}

async function openWhole(
  store: ObjectStore,
  layer: Descriptor,
  range: ByteRange | undefined,
): Promise<BlobReader | undefined> {
  try {
    return await store.open(blobPath(layer.digest), range);
  } catch (error) {
    if (isImageError(error, "not-found")) return undefined;
    throw error;
  }
}

/**
 * Asks the likelier of the two places first. Without the permission to list, S3 answers "denied" for keys that are not
 * there: the other place may still have the layer, and only if it does not is the refusal the answer.
 */
async function firstOf<T>(
  layer: Descriptor,
  places: { readonly whole: () => Promise<T | undefined>; readonly chunked: () => Promise<T | undefined> },
): Promise<T | undefined> {
  const { whole, chunked } = places;
  let denied: unknown;
  for (const look of layerCompression(layer.mediaType) === "zstd" ? [chunked, whole] : [whole, chunked]) {
    try {
      const found = await look();
      if (found !== undefined) return found;
    } catch (error) {
      if (!isImageError(error, "denied")) throw error;
      denied ??= error;
    }
  }
  if (denied !== undefined) throw denied;
  return undefined;
}
