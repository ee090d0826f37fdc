import { ImageError } from "../errors.ts";

/** The schemes of archives and layouts, named as skopeo names them. */
export const ARCHIVE_SCHEMES = ["docker-archive", "oci-archive", "oci"] as const;

/** A place in a file or folder: `oci:DIR[:name]`, `oci-archive:FILE[:name]`, `docker-archive:FILE[:name:tag]`. */
export interface ArchiveReference {
  readonly kind: (typeof ARCHIVE_SCHEMES)[number];
  /** The file or folder; `-` for standard input or output. */
  readonly path: string;
  /** The image in it: a name, a tag, a digest after `@`, or `@0` for a place in the list. */
  readonly name?: string;
}

/**
 * Reads a reference to an archive or layout; undefined when the text has none of these schemes.
 *
 * The path ends at the first colon (that of a Windows drive does not count). Throws `invalid-reference`.
 */
export function parseArchiveReference(text: string): ArchiveReference | undefined {
  const kind = ARCHIVE_SCHEMES.find((scheme) => text.startsWith(`${scheme}:`) && !text.startsWith(`${scheme}://`));
  if (!kind) return undefined;
  const rest = text.slice(kind.length + 1);
  const match = /^((?:[A-Za-z]:(?=[\\/]))?[^:]*)(?::(.*))?$/s.exec(rest);
  const [, path = "", name] = match ?? [];
  if (path === "") throw invalid(text, "the path is missing");
  if (path.includes("\0")) throw invalid(text, "its path holds a character that no path has");
  if (name === "") throw invalid(text, "the name after the path is missing");
  if (kind === "oci" && path === "-") throw invalid(text, "a folder cannot be standard input or output");
  return { kind, path, ...(name === undefined ? {} : { name }) };
}

function invalid(text: string, why: string): ImageError {
  return new ImageError("invalid-reference", `Invalid reference "${text}": ${why}`, {
    hint: "Write it as docker-archive:FILE[:name:tag], oci-archive:FILE[:name] or oci:FOLDER[:name]",
  });
}
