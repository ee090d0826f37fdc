import { systemCode } from "./system_code.ts";

/**
 * Makes a folder's entries durable, where the system allows to: a file's new name is safe only then. Windows, as `Deno.build.os`
 * names it, has no such thing.
 */
export async function syncFolder(path: string, os: string = Deno.build.os): Promise<void> {
  if (os === "windows") return;
  // Loaded here: whoever only reads a bucket would wait for it too.
  const [{ closeSync, constants, fsync, open }, { promisify }] = await Promise.all([
    import("node:fs"),
    import("node:util"),
  ]);
  // Nothing but a folder is opened: a pipe in its place would wait for its writer.
  const folder = await promisify(open)(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await promisify(fsync)(folder);
  } catch (error) {
    // Some network file systems refuse to sync a folder; they write entries through.
    if (!["EINVAL", "ENOTSUP"].includes(systemCode(error) ?? "")) throw error;
  } finally {
    closeSync(folder);
  }
}
