import type { GuardedFolder } from "../bytes/guarded_folder.ts";
import { syncFolder } from "../bytes/sync_folder.ts";
import { systemCode } from "../bytes/system_code.ts";

/** The folder, inside a store's, that holds what belongs to the store itself: temporary files and the lock. */
export const OWN_FOLDER = ".s3lo";

/** How often a name is made anew when somebody else removes its folder at the same moment. */
const FOLDER_TRIES = 20;

/** The folder of a name: the part up to its last `/`; empty for the outermost. */
export function parentOf(name: string): string {
  return name.slice(0, Math.max(name.lastIndexOf("/"), 0));
}

/**
 * Does what puts a file at `name`, making the folders that it needs, also when somebody removes them again in between; then
 * makes the new entries durable.
 */
export async function inFolderOf(store: GuardedFolder, name: string, place: () => void): Promise<void> {
  const folder = parentOf(name);
  for (let attempt = 1;; attempt++) {
    try {
      place();
      return await syncFolder(store.pathOf(folder));
    } catch (error) {
      if (systemCode(error) !== "ENOENT" || attempt >= FOLDER_TRIES) throw error;
      await Deno.mkdir(store.root, { recursive: true, mode: 0o755 });
      store.makeFolders(name);
      for (let above = folder; above !== ""; above = parentOf(above)) {
        await syncFolder(store.pathOf(parentOf(above))).catch(ignoreMissing);
      }
    }
  }
}

/** Removes a folder and those above it, up to the store's, as long as they are empty. */
export function removeEmptyFolders(store: GuardedFolder, folder: string): void {
  for (let name = folder; name !== ""; name = parentOf(name)) {
    if (!store.removeEmptyFolder(name)) return;
  }
}

/**
 * Removes the files of a folder that are called as `isOurs` says and were last written to longer ago than `ageMs`: whoever
 * wrote them is gone.
 */
export async function removeStaleFiles(
  store: GuardedFolder,
  folder: string,
  { ageMs, isOurs }: { readonly ageMs: number; readonly isOurs: RegExp },
): Promise<void> {
  const before = Date.now() - ageMs;
  const isStale = ({ isFile, mtime }: Deno.FileInfo) => isFile && mtime !== null && mtime.getTime() < before;
  try {
    for await (const entry of store.entries(folder)) {
      if (entry.isFile && isOurs.test(entry.name)) store.remove(`${folder}/${entry.name}`, isStale);
    }
  } catch {
    // Leftovers that cannot be removed now, or that another process is removing, do no harm.
  }
}

function ignoreMissing(error: unknown): void {
  if (systemCode(error) !== "ENOENT") throw error;
}
