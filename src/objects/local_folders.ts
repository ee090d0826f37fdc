import { syncFolder } from "../bytes/sync_folder.ts";
import { systemCode } from "./local_errors.ts";

/** The folder, inside a store's, that holds what belongs to the store itself: temporary files and the lock. */
export const OWN_FOLDER = ".s3lo";

/** How often a path is made anew when somebody else removes its folder at the same moment. */
const FOLDER_TRIES = 20;

/** The folder of a file: the path up to its last `/`. */
export function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}

/**
 * Does what puts a file at `path`, making the folders below `root` that it needs, also when somebody removes them again in
 * between; then makes the new entries durable.
 */
export async function inFolderOf(root: string, path: string, place: () => Promise<void>): Promise<void> {
  const folder = parentOf(path);
  for (let attempt = 1;; attempt++) {
    try {
      await place();
      return await syncFolder(folder);
    } catch (error) {
      if (systemCode(error) !== "ENOENT" || attempt >= FOLDER_TRIES) throw error;
      await Deno.mkdir(folder, { recursive: true, mode: 0o755 });
      for (let above = parentOf(folder); above.length >= root.length; above = parentOf(above)) {
        await syncFolder(above).catch(ignoreMissing);
      }
    }
  }
}

/** Removes a folder and those above it, up to `root`, as long as they are empty. */
export async function removeEmptyFolders(root: string, folder: string): Promise<void> {
  for (let path = folder; path.length > root.length; path = parentOf(path)) {
    try {
      await Deno.remove(path);
    } catch {
      return;
    }
  }
}

/** Removes the files of a folder that were last written to longer ago than `ageMs`: whoever wrote them is gone. */
export async function removeStaleFiles(folder: string, ageMs: number): Promise<void> {
  const nowMs = Date.now();
  try {
    for await (const entry of Deno.readDir(folder)) {
      const path = `${folder}/${entry.name}`;
      const { mtime, isFile } = await Deno.lstat(path);
      if (isFile && mtime && nowMs - mtime.getTime() > ageMs) await Deno.remove(path);
    }
  } catch {
    // Leftovers that cannot be removed now, or that another process is removing, do no harm.
  }
}

function ignoreMissing(error: unknown): void {
  if (systemCode(error) !== "ENOENT") throw error;
}
