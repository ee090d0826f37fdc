import { closeSync, constants, fsync, open } from "node:fs";
import { promisify } from "node:util";
import { systemCode } from "./system_code.ts";

const opened = promisify(open);
const synced = promisify(fsync);

/** Makes a folder's entries durable, where the system allows to: a file's new name is safe only then. */
export async function syncFolder(path: string): Promise<void> {
  if (Deno.build.os === "windows") return;
  // Nothing but a folder is opened: a pipe in its place would wait for its writer.
  const folder = await opened(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await synced(folder);
  } catch (error) {
    // Some network file systems refuse to sync a folder; they write entries through.
    if (!["EINVAL", "ENOTSUP"].includes(systemCode(error) ?? "")) throw error;
  } finally {
    closeSync(folder);
  }
}
