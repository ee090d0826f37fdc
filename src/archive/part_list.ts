import { nameOf } from "../bytes/file_paths.ts";
import { ImageError } from "../errors.ts";
import { fileReader, readAll } from "../bytes/blob_reader.ts";
import { openFileToRead } from "./archive_files.ts";
import { type Digest, hexOf, parseDigest } from "../oci/digest.ts";

/** Most parts of an archive: their numbers have three digits, so that names sort in order. */
export const MAX_PARTS = 999;

/** Longest list of parts that is read: MAX_PARTS lines with names of 255 bytes. */
const MAX_LIST_BYTES = 1024 * 1024;

/** The path of a part; numbers start at 1. */
export function partPath(path: string, number: number): string {
  return `${path}.${String(number).padStart(3, "0")}`;
}

/** The path of the list of parts. */
export function partListPath(path: string): string {
  return `${path}.sha256`;
}

/** What the path of a part says: the archive's path and the part's number; undefined for other paths. */
export function parsePartPath(path: string): { readonly path: string; readonly number: number } | undefined {
  const match = /^(.+)\.([0-9]{3})$/s.exec(path);
  const number = Number(match?.[2]);
  return match?.[1] !== undefined && number > 0 ? { path: match[1], number } : undefined;
}

/** The list of parts, in the format of `sha256sum`: names alone. `os` as `Deno.build.os` names it. */
export function formatPartList(
  path: string,
  digests: readonly Digest[],
  os: string = Deno.build.os,
): Uint8Array<ArrayBuffer> {
  const name = nameOf(path, os);
  const lines = digests.map((digest, index) => `${hexOf(digest)}  ${partPath(name, index + 1)}\n`);
  return new TextEncoder().encode(lines.join("")) as Uint8Array<ArrayBuffer>;
}

/**
 * Reads a list of parts: the checksum of each, by its number. Only the numbers at the end of the names count, so renamed
 * parts are still known.
 *
 * Gives undefined when there is no such file. Throws `invalid-input` when it is something else.
 */
export async function readPartList(path: string): Promise<readonly Digest[] | undefined> {
  const invalid = () => new ImageError("invalid-input", `Cannot read "${path}": it is no list of an archive's parts`);
  using file = await openFileToRead(path);
  if (!file) return undefined;
  const bytes = await readAll(fileReader(file), MAX_LIST_BYTES, `"${path}"`);
  const text = new TextDecoder().decode(bytes);
  const lines = text.split("\n").map((line) => line.trim()).filter((line) => line !== "" && !line.startsWith("#"));
  const digests = lines.map((line, index) => {
    const match = /^([0-9a-fA-F]{64}) [ *](.+)$/.exec(line);
    if (!match || parsePartPath(match[2]!)?.number !== index + 1) throw invalid();
    return parseDigest(`sha256:${match[1]!.toLowerCase()}`);
  });
  if (digests.length === 0) throw invalid();
  return digests;
}
