import { mapPool } from "../bytes/pool.ts";
import { isImageError } from "../errors.ts";
import type { ObjectStore } from "../objects/object_store.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { blobFolder, blobPath, type Digest } from "../oci/digest.ts";
import { layerCompression } from "../oci/media_types.ts";
import { RECIPE_PREFIX, recipeKey } from "./chunk_keys.ts";
import type { ChunkPresence } from "./chunk_presence.ts";
import { readRecipe } from "./find_layer.ts";
import { findObjects } from "./find_objects.ts";
import type { Recipe } from "./recipe.ts";
import type { ReliedObject } from "./relied_objects.ts";

/** What the keys of all blobs of a bucket begin with: it knows sha256 alone. */
const BLOBS_PREFIX = blobFolder("sha256");

/** Recipes read at once. */
const PARALLEL_RECIPES = 16;

/** What a bucket holds of some blobs. */
export interface HeldBlobs {
  /** Those that are there: whole with the size they must have, or in chunks of which none is missing. */
  readonly present: ReadonlySet<Digest>;
  /** Every object that these consist of. */
  readonly objects: readonly ReliedObject[];
  /**
   * Layers that are not there although a recipe says so: it is no recipe of them, or chunks are gone. A layer of these that
   * is written whole is found only when its recipe is removed, since readers believe recipes first.
   */
  readonly brokenRecipes: ReadonlySet<Digest>;
}

/**
 * Which of these blobs a bucket holds, whole or in chunks, asked in as few requests as it allows: one look-up for each of
 * a few blobs, a listing for many, and the same again of recipes for zstd layers that are not there whole.
 *
 * A recipe alone proves nothing: the Go tool's cleaning can take the chunks and leave it. So each one is read, and all of
 * its chunks are asked for (`presence` does that, for all layers at once).
 */
export async function findHeldBlobs(
  store: ObjectStore,
  blobs: readonly Descriptor[],
  presence: ChunkPresence,
): Promise<HeldBlobs> {
  const present = new Set<Digest>();
  const objects: ReliedObject[] = [];
  const whole = await findObjects(store, BLOBS_PREFIX, blobs.map((blob) => blobPath(blob.digest)));
  for (const blob of blobs) {
    const object = whole.get(blobPath(blob.digest));
    if (object?.sizeBytes !== blob.size) continue;
    present.add(blob.digest);
    objects.push(object);
  }
  const layers = blobs.filter((blob) => !present.has(blob.digest) && layerCompression(blob.mediaType) === "zstd");
  const recipes = await findObjects(store, RECIPE_PREFIX, layers.map((layer) => recipeKey(layer.digest)));
  const named = layers.flatMap((layer) => recipes.get(recipeKey(layer.digest)) ? [layer] : []);
  const chunked = await mapPool(named, PARALLEL_RECIPES, async (layer) => await soundRecipe(store, layer) ?? []);
  const chunks = chunked.flat().flatMap((recipe) => recipe.chunks);
  await presence.find(chunks.map((chunk) => chunk.digest));
  for (const recipe of chunked.flat()) {
    const found = chunkObjects(recipe, presence);
    if (!found) continue;
    present.add(recipe.digest);
    objects.push(recipes.get(recipeKey(recipe.digest))!, ...found);
  }
  const broken = named.map((layer) => layer.digest).filter((digest) => !present.has(digest));
  return { present, objects, brokenRecipes: new Set(broken) };
}

/** A layer's recipe; undefined where it is none. Throws `denied` where it may not be read, and may be sound. */
async function soundRecipe(store: ObjectStore, layer: Descriptor): Promise<Recipe | undefined> {
  try {
    return await readRecipe(store, layer);
  } catch (error) {
    if (isImageError(error, "invalid-input")) return undefined;
    throw error;
  }
}

/** The objects of a layer's chunks; undefined when one is missing or of another length than the recipe says. */
function chunkObjects(recipe: Recipe, presence: ChunkPresence): readonly ReliedObject[] | undefined {
  const objects = new Map<Digest, ReliedObject>();
  for (const { digest, storedSizeBytes } of recipe.chunks) {
    const object = presence.objectOf(digest);
    if (object?.sizeBytes !== storedSizeBytes) return undefined;
    objects.set(digest, object);
  }
  return [...objects.values()];
}
