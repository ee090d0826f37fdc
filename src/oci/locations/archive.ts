import { clipped, ImageError } from "../../errors.ts";

/** The kinds of archives and layouts; a reference begins with the kind and a colon, as skopeo has it. */
export type ArchiveKind = "docker-archive" | "oci-archive" | "oci";

/** An image in a file or folder. */
export interface ArchivePlace {
  readonly kind: ArchiveKind;
  /** The file or folder; `-` for standard input or output. */
  readonly path: string;
  /** The image in it: a name, a tag, a digest after `@`, or `@0` for a place in the list. */
  readonly name?: string;
}

/** A place in a file or folder: `oci:DIR[:name]`, `oci-archive:FILE[:name]`, `docker-archive:FILE[:name:tag]`. */
export interface ArchiveLocation extends ArchivePlace {
  /** As it was written, or the path where no reference named it; for messages. */
  readonly text: string;
}

/**
 * Reads a reference that begins with the scheme of this kind.
 *
 * The path ends at the first colon (that of a Windows drive does not count). Throws `invalid-reference`.
 */
export function parseArchiveLocation(kind: ArchiveKind, text: string): ArchiveLocation {
  const rest = text.slice(kind.length + 1);
  const match = /^((?:[A-Za-z]:(?=[\\/]))?[^:]*)(?::(.*))?$/s.exec(rest);
  const [, path = "", name] = match ?? [];
  if (path === "") throw invalid(text, "the path is missing");
  if (path.includes("\0")) throw invalid(text, "its path holds a character that no path has");
  if (name === "") throw invalid(text, "the name after the path is missing");
  if (kind === "oci" && path === "-") throw invalid(text, "a folder cannot be standard input or output");
  return { kind, path, ...(name === undefined ? {} : { name }), text };
}

function invalid(text: string, why: string): ImageError {
  return new ImageError("invalid-reference", `Invalid reference "${clipped(text, 200)}": ${why}`, {
    hint: "Write it as docker-archive:FILE[:name:tag], oci-archive:FILE[:name] or oci:FOLDER[:name]",
  });
}
