import { mapPool } from "../bytes/pool.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { blobFolder, blobPath, type Digest } from "../oci/digest.ts";
import type { ObjectStore } from "../objects/object_store.ts";

/** Up to this many blobs are looked up one by one: a listing would not be cheaper. */
const FEW_BLOBS = 3;

/** What the keys of all blobs of a bucket begin with: it knows sha256 alone. */
const BLOBS_PREFIX = blobFolder("sha256");

/** Look-ups at once. */
const PARALLEL_HEADS = 16;

/**
 * Which of these blobs lie in the store, with the size they must have.
 *
 * Many blobs are found by listing, which takes one request per 1,000 objects, as long as the store is small enough for
 * that to beat one look-up per blob: digests are spread evenly, so the first page tells how many pages are to come.
 */
export async function findStoredBlobs(store: ObjectStore, blobs: readonly Descriptor[]): Promise<ReadonlySet<Digest>> {
  const wanted = new Map(blobs.map((blob) => [blobPath(blob.digest), blob]));
  const keys = [...wanted.keys()].sort();
  const found = new Set<Digest>();
  const unlisted = keys.length > FEW_BLOBS
    ? await listBlobs(store, keys, (key, sizeBytes) => {
      const blob = wanted.get(key);
      if (blob?.size === sizeBytes) found.add(blob.digest);
    })
    : keys;
  await mapPool(unlisted, PARALLEL_HEADS, async (key) => {
    const blob = wanted.get(key)!;
    if ((await store.head(key))?.sizeBytes === blob.size) found.add(blob.digest);
  });
  return found;
}

/**
 * Lists from the first key on for as long as that pays; gives the keys that the listing did not reach.
 *
 * `keys` are sorted.
 */
async function listBlobs(
  store: ObjectStore,
  keys: readonly string[],
  onObject: (key: string, sizeBytes: number) => void,
): Promise<readonly string[]> {
  const first = keys[0]!;
  const last = keys.at(-1)!;
  for await (const page of store.list(BLOBS_PREFIX, { startAfter: first.slice(0, -1) })) {
    for (const object of page) onObject(object.key, object.sizeBytes);
    const reached = page.at(-1)?.key;
    if (reached === undefined || reached >= last) return [];
    const unlisted = keys.filter((key) => key > reached);
    const pagesToCome = (position(last) - position(reached)) /
      Math.max(position(reached) - position(first), Number.EPSILON);
    if (pagesToCome > unlisted.length) return unlisted;
  }
  return [];
}

/** Where in the space of sha256 digests a blob's key lies, from 0 to 1. */
function position(key: string): number {
  return Number.parseInt(key.slice(BLOBS_PREFIX.length, BLOBS_PREFIX.length + 12), 16) / 2 ** 48;
}
