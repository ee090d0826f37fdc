import { mapPool } from "../bytes/pool.ts";
import { isMissing } from "./local_errors.ts";
import { OWN_FOLDER, parentOf } from "./local_folders.ts";
import type { ObjectInfo } from "./object_store.ts";

/** How many objects a page holds, as S3's do. */
const PAGE_SIZE = 1000;

/** The facts of a file as those of an object. */
export function infoOf(key: string, file: Deno.FileInfo): ObjectInfo {
  return { key, sizeBytes: file.size, modifiedAt: file.mtime ?? new Date(0), etag: etagOf(file) };
}

/**
 * An etag without reading the file: every write makes a new file and moves its time on, so place, size and time together
 * never come back. A hash of the content would cost a full read in each look-up and listing.
 */
export function etagOf(file: Deno.FileInfo): string {
  return `"${file.ino ?? 0}-${file.size}-${file.mtime?.getTime() ?? 0}"`;
}

/** Lists the files below `root` as objects, in order of keys; reads only the folders that can hold some that are wanted. */
export async function* listFiles(
  root: string,
  prefix: string,
  startAfter: string,
): AsyncIterable<readonly ObjectInfo[]> {
  let keys: string[] = [];
  const start = prefix.includes("/") ? prefix.slice(0, prefix.lastIndexOf("/") + 1) : "";
  for await (const key of walk(root, start, prefix, startAfter)) {
    keys.push(key);
    if (keys.length === PAGE_SIZE) {
      yield await describe(root, keys);
      keys = [];
    }
  }
  if (keys.length > 0) yield await describe(root, keys);
}

async function describe(root: string, keys: readonly string[]): Promise<readonly ObjectInfo[]> {
  const found = await mapPool(keys, 8, async (key) => {
    try {
      const file = await Deno.stat(`${root}/${key}`);
      return file.isFile ? infoOf(key, file) : undefined;
    } catch (error) {
      if (isMissing(error)) return undefined; // removed since its folder was read
      throw error;
    }
  });
  return found.filter((info) => info !== undefined);
}

/** The keys below `folder` (empty, or ending in `/`). Folders sort as if their names ended in `/`, which makes keys sorted. */
async function* walk(root: string, folder: string, prefix: string, startAfter: string): AsyncIterable<string> {
  const names: string[] = [];
  try {
    for await (const entry of Deno.readDir(folder === "" ? root : `${root}/${parentOf(folder)}`)) {
      if (folder === "" && entry.name === OWN_FOLDER) continue;
      const isFolder = entry.isDirectory || (entry.isSymlink && await leadsToFolder(`${root}/${folder}${entry.name}`));
      names.push(isFolder ? `${entry.name}/` : entry.name);
    }
  } catch (error) {
    if (isMissing(error)) return;
    throw error;
  }
  for (const name of names.sort()) {
    const key = folder + name;
    if (!name.endsWith("/")) {
      if (key.startsWith(prefix) && key > startAfter) yield key;
    } else if (
      (key.startsWith(prefix) || prefix.startsWith(key)) && (key > startAfter || startAfter.startsWith(key))
    ) {
      yield* walk(root, key, prefix, startAfter);
    }
  }
}

async function leadsToFolder(path: string): Promise<boolean> {
  return await Deno.stat(path).then((target) => target.isDirectory, () => false);
}
