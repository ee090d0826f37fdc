import { blobFolder } from "../oci/digest.ts";
import { mapPool } from "../bytes/pool.ts";
import { ImageError, isImageError } from "../errors.ts";
import { FILE_INDEX_PREFIX, RECIPE_PREFIX } from "./chunk_keys.ts";
import type { ObjectInfo, ObjectStore } from "../objects/object_store.ts";

/**
 * Objects from this age on are refreshed. Cleaning (the Go tool's and ours) spares what is younger than an hour: half of it
 * is left for publishing, and for clocks that differ.
 */
const OLD_MS = 30 * 60 * 1000;

/** Objects refreshed at once. */
const PARALLEL_OBJECTS = 16;

/** An object that an image consists of. */
export type ReliedObject = Pick<ObjectInfo, "key" | "sizeBytes" | "modifiedAt">;

/**
 * Keeps the objects that a tag is about to rely on from being cleaned away before the tag is there.
 *
 * A cleaning collects what tags refer to and removes everything else that is older than an hour. So an old object that no
 * tag refers to any more, found here and reused, could go just before (or, where the cleaning started earlier, after) the
 * new tag names it. Right before publishing, every relied-on object that is old gets the present time, by being copied onto
 * itself inside of the store; one that is gone by then fails the write, with nothing published. Where the store cannot do
 * that, such objects are looked up once more after publishing.
 */
export class ReliedObjects {
  readonly #store: ObjectStore;
  readonly #objects = new Map<string, ReliedObject>();
  #unrefreshed: readonly ReliedObject[] = [];

  /** Relies on nothing yet. */
  constructor(store: ObjectStore) {
    this.#store = store;
  }

  /** Adds objects: found ones with their time, or just written ones. */
  note(objects: readonly ReliedObject[]): void {
    for (const object of objects) {
      const known = this.#objects.get(object.key);
      if (!known || known.modifiedAt < object.modifiedAt) this.#objects.set(object.key, object);
    }
  }

  /** Gives old objects the present time. Throws `conflict` when one is gone. */
  async refresh(signal?: AbortSignal): Promise<void> {
    const before = Date.now() - OLD_MS;
    const old = [...this.#objects.values()].filter((object) => object.modifiedAt.getTime() < before);
    const left = await mapPool(old, PARALLEL_OBJECTS, async (object) => {
      const isRefreshed = await this.#touch(object);
      if (isRefreshed && object.key.startsWith(RECIPE_PREFIX)) await this.#touchFileIndex(object.key);
      return isRefreshed ? [] : [object];
    }, signal);
    this.#unrefreshed = left.flat();
  }

  /** Looks up, after publishing, what could not be refreshed. Throws `conflict` when something is gone. */
  async check(): Promise<void> {
    await mapPool(this.#unrefreshed, PARALLEL_OBJECTS, async (object) => {
      if (!await this.#isThere(object.key)) throw this.#lost(object);
    });
  }

  /** Whether an object is there still; who may list and not read is told by a listing, and who may neither cannot know. */
  async #isThere(key: string): Promise<boolean> {
    if (await this.#store.head(key)) return true;
    try {
      for await (const [first] of this.#store.list(key)) return first?.key === key;
      return false;
    } catch (error) {
      if (isImageError(error, "denied")) return true;
      throw error;
    }
  }

  async #touch({ key, sizeBytes }: ReliedObject): Promise<boolean> {
    try {
      return await this.#store.copyFrom(this.#store, key, key, sizeBytes, {
        isBlob: key.startsWith(blobFolder("sha256")),
      });
    } catch (error) {
      if (isImageError(error, "not-found")) throw this.#lost({ key });
      if (isImageError(error, "aborted")) throw error;
      return false;
    }
  }

  /** The list of files beside a recipe is no part of the layer, and its loss no harm; it goes the way of its recipe. */
  async #touchFileIndex(recipe: string): Promise<void> {
    const index = await this.#store.head(FILE_INDEX_PREFIX + recipe.slice(RECIPE_PREFIX.length));
    if (index) await this.#store.copyFrom(this.#store, index.key, index.key, index.sizeBytes).catch(() => {});
  }

  #lost({ key }: Pick<ReliedObject, "key">): ImageError {
    return new ImageError(
      "conflict",
      `Cannot publish: "${key}" was there and has been removed from "${this.#store.name}" meanwhile`,
      { hint: "Run the same again: what is missing is then written" },
    );
  }
}
