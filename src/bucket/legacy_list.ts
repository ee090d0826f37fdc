import { mapPool } from "../bytes/pool.ts";
import type { ObjectStore } from "../objects/object_store.ts";
import { type ImageTag, listedNames } from "./keys.ts";
import { isLegacyName, LATER_FOLDERS } from "./legacy_v1.ts";

/** A stretch of a bucket's keys: those after one, up to another. */
interface Stretch {
  readonly startAfter: string;
  /** The first key that is no longer meant; undefined for the end of the bucket. */
  readonly end: string | undefined;
}

/**
 * The tags of the Go tool v1.0 in a bucket, which lie at its root: `<image>/<tag>/manifest.json`, each with blobs of its
 * own below `<image>/<tag>/blobs/sha256/` (without those it is no tag: something else named so, or a store in a subfolder).
 *
 * `prefix`: what the images' names start with, empty or ending in `/`. Without one all keys but those of later layouts are
 * listed: the folders of blobs, chunks and so on are jumped over, whatever they hold, with one request for each gap between
 * them, all at once. Sorted by image, then tag.
 */
export async function listLegacyTags(store: ObjectStore, prefix: string): Promise<readonly ImageTag[]> {
  if (prefix !== "") {
    return isLegacyName(prefix) ? await listStretch(store, prefix, { startAfter: "", end: undefined }) : [];
  }
  const gaps = gapsBetween([...LATER_FOLDERS].sort());
  const tags = await mapPool(gaps, gaps.length, (gap) => listStretch(store, "", gap));
  return tags.flat();
}

async function listStretch(store: ObjectStore, prefix: string, stretch: Stretch): Promise<readonly ImageTag[]> {
  const tags: ImageTag[] = [];
  const withBlobs = new Set<string>();
  const names = listedNames(store.name);
  // The servers' order puts a tag's blobs before its manifest.
  const { startAfter } = stretch;
  const options = { isForeign: isForeignFolder, ...(startAfter === "" ? {} : { startAfter }) };
  for await (const page of store.list(prefix, options)) {
    for (const { key } of page) {
      if (stretch.end !== undefined && key >= stretch.end) return tags;
      const blobs = key.lastIndexOf("/blobs/sha256/");
      if (blobs > 0 && !withBlobs.has(key.slice(0, blobs))) {
        names.add(key);
        withBlobs.add(key.slice(0, blobs));
      }
      const tag = legacyTag(key);
      if (tag && withBlobs.has(`${tag.image}/${tag.tag}`)) tags.push(tag);
    }
  }
  return tags;
}

/** The gaps before, between and after folders; `/` is followed by `0` in the order of keys. */
function gapsBetween(folders: readonly string[]): readonly Stretch[] {
  const starts = ["", ...folders.map((folder) => `${folder}0`)];
  return starts.map((startAfter, index) => ({ startAfter, end: folders[index] && `${folders[index]}/` }));
}

/** Whether an outermost folder holds no image of that layout for sure: a later layout's, or called as no image is. */
function isForeignFolder(name: string): boolean {
  return !isLegacyName(name) || !/^[a-z0-9]+(?:[._-]+[a-z0-9]+)*$/i.test(name);
}

function legacyTag(key: string): ImageTag | undefined {
  const [, image = "", tag = ""] = /^(.+)\/([^/]+)\/manifest\.json$/.exec(key) ?? [];
  return image !== "" && isLegacyName(image) ? { image, tag } : undefined;
}
