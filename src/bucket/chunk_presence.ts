import { isImageError } from "../errors.ts";
import { mapPool } from "../bytes/pool.ts";
import type { ObjectInfo, ObjectStore } from "../objects/object_store.ts";
import type { Digest } from "../oci/digest.ts";
import { MAX_LISTED_ENTRIES } from "../oci/limits.ts";
import { CHUNK_PREFIX, chunkKey } from "./chunk_keys.ts";
import type { ReliedObject } from "./relied_objects.ts";

/** Look-ups that run at once. */
const PARALLEL_HEADS = 16;

/**
 * Which chunks a bucket holds, asked as cheaply as the bucket allows and kept for the layers that follow.
 *
 * One object costs one request, sixteen of them at once; a page of a listing costs one request as well and tells of a
 * thousand objects, but pages come one after another and cover all chunks of the bucket. So the first page is read where
 * many chunks are asked for: it shows how densely the keys lie (they are hashes, evenly spread) and with that how many
 * pages there are. The listing is read on only when that takes fewer steps than the single look-ups.
 */
export class ChunkPresence {
  readonly #store: ObjectStore;
  readonly #known = new Map<Digest, number | undefined>();
  readonly #objects = new Map<Digest, ReliedObject>();
  #listing: Promise<ReadonlyMap<string, ObjectInfo> | undefined> | undefined;

  /** Asks nothing yet. */
  constructor(store: ObjectStore) {
    this.#store = store;
  }

  /** The sizes of those chunks' objects, in bytes; undefined stands for a chunk that the bucket does not hold. */
  async find(chunks: Iterable<Digest>, signal?: AbortSignal): Promise<ReadonlyMap<Digest, number | undefined>> {
    const unknown = [...new Set(chunks)].filter((chunk) => !this.#known.has(chunk));
    // Layers are copied side by side: they share one listing, and one answer that it is too long.
    if (unknown.length > PARALLEL_HEADS) {
      this.#listing ??= this.#list(unknown.length / PARALLEL_HEADS).catch((error) => {
        // Who may not list looks them up one by one.
        if (isImageError(error, "denied")) return undefined;
        throw error;
      });
    }
    const listed = await this.#listing;
    const lookUp = async (chunk: Digest) => {
      const info = listed ? listed.get(chunkKey(chunk)) : await this.#store.head(chunkKey(chunk));
      this.#keep(chunk, info);
    };
    await mapPool(unknown, PARALLEL_HEADS, lookUp, signal);
    return this.#known;
  }

  /** Asks for one chunk again, after somebody else wrote it. */
  async refresh(chunk: Digest): Promise<number | undefined> {
    const info = await this.#store.head(chunkKey(chunk));
    this.#keep(chunk, info);
    return info?.sizeBytes;
  }

  /** The object of a chunk that was found or written; undefined for others. */
  objectOf(chunk: Digest): ReliedObject | undefined {
    return this.#objects.get(chunk);
  }

  /** Notes a chunk that was just written, for the layers that follow. */
  note(chunk: Digest, sizeBytes: number): void {
    this.#keep(chunk, { key: chunkKey(chunk), sizeBytes, modifiedAt: new Date() });
  }

  #keep(chunk: Digest, info: ReliedObject | undefined): void {
    this.#known.set(chunk, info?.sizeBytes);
    if (info) this.#objects.set(chunk, info);
  }

  /** All chunks of the bucket; undefined where that takes more than so many pages, or there are too many to hold. */
  async #list(maxPages: number): Promise<ReadonlyMap<string, ObjectInfo> | undefined> {
    const listed = new Map<string, ObjectInfo>();
    for await (const page of this.#store.list(CHUNK_PREFIX)) {
      if (listed.size === 0 && pagesLeft(page) > Math.max(1, maxPages)) return undefined;
      for (const info of page) listed.set(info.key, info);
      if (listed.size > MAX_LISTED_ENTRIES) return undefined;
    }
    return listed;
  }
}

/** How many pages of this size follow, judging by how far into the space of hashes this one reaches. */
function pagesLeft(page: readonly ObjectInfo[]): number {
  const last = page.at(-1);
  if (!last || page.length < 100) return 0;
  const reached = parseInt(last.key.slice(CHUNK_PREFIX.length, CHUNK_PREFIX.length + 8), 16) / 2 ** 32;
  return reached > 0 ? 1 / reached - 1 : Infinity;
}
