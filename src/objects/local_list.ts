import type { GuardedFolder } from "../bytes/guarded_folder.ts";
import { mapPool } from "../bytes/pool.ts";
import type { FileFacts } from "../bytes/regular_file.ts";
import { systemCode } from "../bytes/system_code.ts";
import { OWN_FOLDER } from "./local_folders.ts";
import type { ListOptions, ObjectInfo } from "./object_store.ts";

/** How many objects a page holds, as S3's do. */
const PAGE_SIZE = 1000;

/** The facts of a file as those of an object. */
export function infoOf(key: string, file: FileFacts): ObjectInfo {
  return { key, sizeBytes: file.size, modifiedAt: file.mtime ?? new Date(0), etag: etagOf(file) };
}

/**
 * An etag without reading the file: every write makes a new file and moves its time on, so place, size and time together
 * never come back. A hash of the content would cost a full read in each look-up and listing.
 */
export function etagOf(file: FileFacts): string {
  return `"${file.ino ?? 0}-${file.size}-${file.mtime?.getTime() ?? 0}"`;
}

/** What is listed of a store, and how. */
export interface ListFilesOptions extends ListOptions {
  /** Whether a link counts as the file that it leads to. */
  readonly followsFiles: boolean;
}

/**
 * Lists the files of a store as objects, in order of keys; reads only the folders that can hold some that are wanted. Links
 * to folders are passed over, and what is no regular file.
 */
export async function* listFiles(
  store: GuardedFolder,
  prefix: string,
  options: ListFilesOptions,
): AsyncIterable<readonly ObjectInfo[]> {
  let keys: string[] = [];
  const start = prefix.includes("/") ? prefix.slice(0, prefix.lastIndexOf("/") + 1) : "";
  for await (const key of walk(store, start, prefix, options)) {
    keys.push(key);
    if (keys.length === PAGE_SIZE) {
      yield await describe(store, keys, options);
      keys = [];
    }
  }
  if (keys.length > 0) yield await describe(store, keys, options);
}

/** What a look-up of a key tells; undefined where it is no object. */
export async function describeFile(
  store: GuardedFolder,
  key: string,
  { followsFiles }: Pick<ListFilesOptions, "followsFiles">,
): Promise<ObjectInfo | undefined> {
  const found = store.look(key);
  if (!found?.isSymlink) return found?.isFile ? infoOf(key, found) : undefined;
  if (!followsFiles) return undefined;
  // A link that leads nowhere, or where we may not go, is no object.
  const file = await Deno.stat(store.pathOf(key)).catch(() => undefined);
  return file?.isFile ? infoOf(key, file) : undefined;
}

async function describe(
  store: GuardedFolder,
  keys: readonly string[],
  options: ListFilesOptions,
): Promise<readonly ObjectInfo[]> {
  const found = await mapPool(keys, 8, (key) => describeFile(store, key, options));
  return found.filter((info) => info !== undefined);
}

/** The keys below `folder` (empty, or ending in `/`). Folders sort as if their names ended in `/`, which makes keys sorted. */
async function* walk(
  store: GuardedFolder,
  folder: string,
  prefix: string,
  options: ListFilesOptions,
): AsyncIterable<string> {
  const { startAfter = "", isForeign } = options;
  const names: string[] = [];
  try {
    for await (const entry of store.entries(folder.slice(0, -1))) {
      if (folder === "" && entry.name === OWN_FOLDER) continue;
      names.push(entry.isDirectory ? `${entry.name}/` : entry.name);
    }
  } catch (error) {
    if (prefix === "" && systemCode(error) === "EACCES" && isForeign?.(folder.slice(0, -1))) return;
    throw error;
  }
  for (const name of names.sort()) {
    const key = folder + name;
    if (!name.endsWith("/")) {
      if (key.startsWith(prefix) && key > startAfter) yield key;
    } else if (
      (key.startsWith(prefix) || prefix.startsWith(key)) && (key > startAfter || startAfter.startsWith(key))
    ) {
      yield* walk(store, key, prefix, options);
    }
  }
}
