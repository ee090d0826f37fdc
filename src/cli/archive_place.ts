import type { ArchiveKind, ArchivePlace } from "../oci/locations/archive.ts";

/**
 * What kind of place a path of `--file` is: as `format` says, else a folder is an OCI layout, and a file to read holds
 * whatever it holds (docker archive or OCI archive), one to write becomes an OCI archive.
 */
export async function archivePlace(
  path: string,
  format: string | undefined,
  access: "read" | "write",
): Promise<Omit<ArchivePlace, "name">> {
  if (format !== undefined) return { kind: format as ArchiveKind, path };
  if (path !== "-" && (path.endsWith("/") || await isFolder(path))) return { kind: "oci", path };
  return { kind: access === "read" ? "docker-archive" : "oci-archive", path };
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isDirectory;
  } catch {
    return false;
  }
}
