import type { Descriptor } from "../oci/descriptor.ts";
import { blobPath, type Digest, isDigest } from "../oci/digest.ts";
import type { ArchiveFiles } from "./archive_files.ts";
import { namesOf, readLayoutIndex } from "./layout_reader.ts";

/** One image of a layout or bundle. */
export interface LayoutImageInfo {
  /** The full name first, then the tag; none for an image without a name. */
  readonly names: readonly string[];
  readonly root: Descriptor;
}

/** The images of a layout, in its order. Throws `invalid-input`. */
export async function listLayout(files: ArchiveFiles): Promise<readonly LayoutImageInfo[]> {
  const index = await readLayoutIndex(files);
  return (index?.entries ?? []).map((root) => ({ names: namesOf(root), root }));
}

/** The digests of everything that a layout holds, in order: what a later bundle for the same place may leave out. */
export async function heldDigests(files: ArchiveFiles): Promise<readonly Digest[]> {
  const names = await files.list("");
  return names.map(digestOfFile).filter((digest) => digest !== undefined).sort();
}

/** The digest of the blob that a file of a layout is; undefined for other files. */
function digestOfFile(file: string): Digest | undefined {
  const digest = file.split("/").slice(1).join(":");
  return isDigest(digest) && blobPath(digest) === file ? digest : undefined;
}
