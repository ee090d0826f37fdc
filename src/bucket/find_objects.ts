import { isImageError } from "../errors.ts";
import { mapPool } from "../bytes/pool.ts";
import type { ObjectInfo, ObjectStore } from "../objects/object_store.ts";

/** Up to this many objects are looked up one by one: a listing would not be cheaper. */
const FEW_OBJECTS = 3;

/** Look-ups at once. */
const PARALLEL_HEADS = 16;

/**
 * Which of these objects a store holds. Their keys are `prefix` and the hex of a sha256 digest.
 *
 * Many are found by listing, which takes one request per 1,000 objects, as long as the store is small enough for that to
 * beat one look-up per object: digests are spread evenly, so the first page tells how many pages are to come.
 */
export async function findObjects(
  store: ObjectStore,
  prefix: string,
  keys: readonly string[],
): Promise<ReadonlyMap<string, ObjectInfo>> {
  const wanted = [...new Set(keys)].sort();
  const found = new Map<string, ObjectInfo>();
  const unlisted = wanted.length > FEW_OBJECTS ? await listOrSkip(store, prefix, wanted, found) : wanted;
  await mapPool(unlisted, PARALLEL_HEADS, async (key) => {
    const info = await store.head(key);
    if (info) found.set(key, info);
  });
  return found;
}

/** As {@linkcode listObjects}; who may not list looks everything up one by one. */
async function listOrSkip(...args: Parameters<typeof listObjects>): Promise<readonly string[]> {
  try {
    return await listObjects(...args);
  } catch (error) {
    if (isImageError(error, "denied")) return args[2];
    throw error;
  }
}

/** Lists from the first key on for as long as that pays; gives the (sorted) keys that the listing did not reach. */
async function listObjects(
  store: ObjectStore,
  prefix: string,
  keys: readonly string[],
  found: Map<string, ObjectInfo>,
): Promise<readonly string[]> {
  const first = keys[0]!;
  const last = keys.at(-1)!;
  const wanted = new Set(keys);
  const position = (key: string) => Number.parseInt(key.slice(prefix.length, prefix.length + 12), 16) / 2 ** 48;
  for await (const page of store.list(prefix, { startAfter: first.slice(0, -1) })) {
    for (const object of page) if (wanted.has(object.key)) found.set(object.key, object);
    const reached = page.at(-1)?.key;
    if (reached === undefined || reached >= last) return [];
    const unlisted = keys.filter((key) => key > reached);
    const pagesToCome = (position(last) - position(reached)) /
      Math.max(position(reached) - position(first), Number.EPSILON);
    if (pagesToCome > unlisted.length) return unlisted;
  }
  return [];
}
