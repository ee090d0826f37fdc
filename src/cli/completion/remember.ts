import type { SeenPlace, Settings } from "../command.ts";
import { NameCache } from "./name_cache.ts";
import { nameIn, namePlace } from "./name_places.ts";

/** What a run that touches buckets has open, to remember names of images. Dispose it at the end. */
export interface NameMemory extends Disposable {
  remember(seen: SeenPlace & { readonly all?: readonly string[] }): Promise<void>;
}

/** Opens the memory for the buckets of a run, before it gives up writing. */
export async function openMemory(seen: readonly SeenPlace[], settings: Settings): Promise<NameMemory> {
  const places = seen.map(({ place, side }) => namePlace(settings, place, side)).filter((place) => place !== undefined);
  const cache = await NameCache.open(places);
  return {
    remember: async ({ place, side, all }) => {
      const bucket = namePlace(settings, place, side);
      const name = nameIn(place);
      if (!bucket) return;
      if (all) await cache.keep(bucket, all, true);
      else if (name !== undefined) await cache.keep(bucket, [name], false);
    },
    [Symbol.dispose]: () => cache[Symbol.dispose](),
  };
}
