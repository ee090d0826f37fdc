import type { BucketText, Settings } from "../command.ts";
import { NameCache } from "./name_cache.ts";
import { nameIn, namePlace } from "./name_places.ts";

/** What a run that touches buckets has open, to remember names of images. Dispose it at the end. */
export interface NameMemory extends Disposable {
  remember(seen: BucketText & { readonly all?: readonly string[] }): Promise<void>;
}

/** Opens the memory for the buckets of a run, before it gives up writing. */
export async function openMemory(texts: readonly BucketText[], settings: Settings): Promise<NameMemory> {
  const places = texts.map(({ text, side }) => namePlace(settings, text, side)).filter((place) => place !== undefined);
  const cache = await NameCache.open(places);
  return {
    remember: async ({ text, side, all }) => {
      const place = namePlace(settings, text, side);
      const name = nameIn(text);
      if (!place) return;
      if (all) await cache.keep(place, all, true);
      else if (name !== undefined) await cache.keep(place, [name], false);
    },
    [Symbol.dispose]: () => cache[Symbol.dispose](),
  };
}
