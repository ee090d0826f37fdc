import { algorithmOf, type Digest, hexOf } from "../oci/digest.ts";

/** The chunk format that buckets of the Go tool v2 and v3 have: `chunk_format` in `s3lo.yaml`, taken for 1 where absent. */
export const CHUNK_FORMAT = 1;

/** What the keys of all chunks begin with. */
export const CHUNK_PREFIX = "chunks/sha256/";

/** What the keys of all recipes begin with. */
export const RECIPE_PREFIX = "recipes/sha256/";

/** What the keys of all file indexes begin with. */
export const FILE_INDEX_PREFIX = "indexes/sha256/";

/** The key of a chunk, named by the digest of its raw bytes: `chunks/sha256/<hex>`. */
export function chunkKey(chunk: Digest): string {
  return `chunks/${path(chunk)}`;
}

/** The key of the recipe of a chunked layer, named by the digest that the manifest gives it: `recipes/sha256/<hex>`. */
export function recipeKey(layer: Digest): string {
  return `recipes/${path(layer)}`;
}

/** The key of the file index of a chunked layer, named as its recipe is: `indexes/sha256/<hex>`. */
export function fileIndexKey(layer: Digest): string {
  return `indexes/${path(layer)}`;
}

function path(digest: Digest): string {
  return `${algorithmOf(digest)}/${hexOf(digest)}`;
}
