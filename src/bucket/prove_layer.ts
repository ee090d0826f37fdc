import { release } from "../bytes/release.ts";
import { ImageError } from "../errors.ts";
import type { ObjectStore } from "../objects/object_store.ts";
import { type Digest, Hasher } from "../oci/digest.ts";
import { isOutOfProportion } from "../oci/limits.ts";
import { decodeChunk, readAnyStoredChunk } from "./chunk_object.ts";
import type { OpenLayerOptions } from "./chunked_layer.ts";
import type { Recipe, RecipeChunk } from "./recipe.ts";

/** Bytes hashed without a pause: signals are heeded in between. */
const STEP_BYTES = 32 * 1024 * 1024;

/** Whether a recipe makes far more of the chunks that it names than they are, by using few of them over and over. */
export function isMultiplied({ chunks, rawSizeBytes }: Recipe): boolean {
  const distinct = new Map(chunks.map((chunk) => [chunk.digest, chunk.storedSizeBytes]));
  return isOutOfProportion(rawSizeBytes, [...distinct.values()].reduce((sum, size) => sum + size, 0));
}

/**
 * Checks that a recipe's chunks make the tar of a diff id, and keeps nothing of it: so a recipe of one chunk, used many
 * thousand times, is found out before a byte is written. A chunk that follows itself is read and unpacked once.
 *
 * Throws `digest-mismatch`, and what reading chunks throws.
 */
export async function proveRawLayer(
  store: ObjectStore,
  recipe: Recipe,
  options: OpenLayerOptions & { readonly diffId: Digest },
): Promise<void> {
  const what = options.what ?? `layer "${recipe.digest}"`;
  const hasher = new Hasher("sha256");
  let last: { readonly chunk: RecipeChunk; readonly raw: Uint8Array<ArrayBuffer> } | undefined;
  let hashedBytes = 0;
  for (const chunk of recipe.chunks) {
    if (last?.chunk.digest !== chunk.digest) {
      if (last) release(last.raw);
      const stored = await readAnyStoredChunk(store, chunk, { ...options, what });
      last = { chunk, raw: decodeChunk(stored, chunk, what) };
      release(stored);
    }
    hasher.update(last.raw);
    hashedBytes += last.raw.byteLength;
    if (hashedBytes < STEP_BYTES) continue;
    hashedBytes = 0;
    await new Promise((resolve) => setTimeout(resolve, 0));
    options.signal?.throwIfAborted();
  }
  if (last) release(last.raw);
  const digest = hasher.digest();
  if (digest === options.diffId) return;
  throw new ImageError(
    "digest-mismatch",
    `Cannot use ${what}: its chunks make a tar of digest "${digest}", not the diff id "${options.diffId}"`,
  );
}
