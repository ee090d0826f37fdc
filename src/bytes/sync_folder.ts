/** Makes a folder's entries durable, where the system allows to: a file's new name is safe only then. */
export async function syncFolder(path: string): Promise<void> {
  if (Deno.build.os === "windows") return;
  using folder = await Deno.open(path);
  await folder.sync().catch((error) => {
    // Some network file systems refuse to sync a folder; they write entries through.
    if (!["EINVAL", "ENOTSUP"].includes((error as { code?: string }).code ?? "")) throw error;
  });
}
