import { mapPool } from "../bytes/pool.ts";
import { isImageError, messageOf } from "../errors.ts";
import type { LayerState } from "../image/places.ts";
import { blobFolder, blobPath, type Digest } from "../oci/digest.ts";
import type { ObjectStore } from "../objects/object_store.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { layerCompression } from "../oci/media_types.ts";
import { findObjects } from "./find_objects.ts";
import { readRecipe } from "./find_layer.ts";
import type { Recipe } from "./recipe.ts";

/** Recipes read at once. */
const PARALLEL_RECIPES = 32;

/**
 * How a bucket holds some layers, in one step: whole blobs are looked for (by a listing, where there are many) while the
 * recipes of zstd layers, the only ones that lie in chunks, are read. That a recipe's chunks are all there is not checked.
 */
export async function readLayerStates(
  store: ObjectStore,
  layers: readonly Descriptor[],
): Promise<ReadonlyMap<Digest, LayerState>> {
  const unique = [...new Map(layers.map((layer) => [layer.digest, layer])).values()];
  const zstd = unique.filter((layer) => layerCompression(layer.mediaType) === "zstd");
  const [whole, recipes] = await Promise.all([
    findObjects(store, blobFolder("sha256"), unique.map((layer) => blobPath(layer.digest))),
    mapPool(zstd, PARALLEL_RECIPES, async (layer) => [layer.digest, await recipeState(store, layer)] as const),
  ]);
  const chunked = new Map(recipes);
  return new Map(unique.map((layer) => {
    // Readers believe a recipe first.
    const state = chunked.get(layer.digest) ?? wholeState(layer, whole.get(blobPath(layer.digest))?.sizeBytes);
    return [layer.digest, state];
  }));
}

/** How a layer lies whole that is so long; undefined where it is not there. */
export function wholeState(layer: Descriptor, sizeBytes: number | undefined): LayerState {
  if (sizeBytes === undefined) return { stored: "missing" };
  if (sizeBytes !== layer.size) return { stored: "damaged", problem: `It has ${sizeBytes} bytes` };
  return { stored: "whole", ...(layerCompression(layer.mediaType) === "none" ? { rawSizeBytes: layer.size } : {}) };
}

async function recipeState(store: ObjectStore, layer: Descriptor): Promise<LayerState | undefined> {
  try {
    const recipe: Recipe | undefined = await readRecipe(store, layer);
    return recipe && { stored: "chunks", chunks: recipe.chunks.length, rawSizeBytes: recipe.rawSizeBytes };
  } catch (error) {
    // Who may not list is denied what is not there.
    if (isImageError(error, "denied")) return undefined;
    if (!isImageError(error, "invalid-input")) throw error;
    return { stored: "damaged", problem: messageOf(error) };
  }
}
