import { ImageError } from "../errors.ts";
import { digestOfReader } from "../bytes/verified_reader.ts";
import { algorithmOf, type Digest, isDigest } from "../oci/digest.ts";
import { readError } from "./archive_files.ts";
import { JoinedFile } from "./joined_file.ts";
import { parsePartPath, partListPath, partPath, readPartList } from "./part_list.ts";
import { RandomFile } from "./random_file.ts";
import { indexTar } from "./tar_index.ts";

/** Most parts or blobs that an error names. */
const MAX_NAMED = 3;

/** How the parts of an archive are opened. */
export interface OpenPartsOptions {
  /** Whether every part is read through and checked before anything else happens; otherwise they only must be there. */
  readonly checkParts?: boolean;
  /** Told of each part before it is read through. */
  readonly onPart?: ((path: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Opens the parts of a split archive as one file; undefined when the one path is a whole file, or nothing. One path is
 * enough (that of the whole, of any part, or of the list); parts that lie in different folders are all named, in any order.
 *
 * Throws `not-found` when a part or the list is missing, `digest-mismatch` when a part is damaged (with the blobs that this
 * hits), `usage` when paths do not belong together.
 */
export async function openParts(
  paths: readonly string[],
  options: OpenPartsOptions = {},
): Promise<RandomFile | undefined> {
  const parts = await findParts(paths);
  if (!parts) return undefined;
  const joined = await JoinedFile.open(parts.paths);
  const file = new RandomFile(joined, { name: parts.name, sizeBytes: joined.sizeBytes });
  try {
    if (options.checkParts) await checkParts(file, joined, parts, options);
    return file;
  } catch (error) {
    await file[Symbol.asyncDispose]();
    throw error;
  }
}

/** The parts of an archive. */
export interface ArchiveParts {
  /** The path that the whole would have. */
  readonly name: string;
  /** In order. */
  readonly paths: readonly string[];
  readonly digests: readonly Digest[];
}

/** Finds the parts of an archive; undefined when the one path is a whole file. See {@linkcode openParts}. */
export async function findParts(paths: readonly string[]): Promise<ArchiveParts | undefined> {
  const [first = ""] = paths;
  const named = paths.map((path) => parsePartPath(path));
  const isAlone = paths.length === 1 && (!named[0] || await isNoPart(first, named[0]));
  const bases = isAlone ? [await wholeOrBase(first)] : named.map((part) => part?.path);
  if (bases.length === 1 && bases[0] === undefined) return undefined;
  const strange = paths.find((_, index) => bases[index] === undefined);
  if (strange !== undefined) {
    throw new ImageError("usage", `Cannot read "${strange}" together with other files: it is no part of an archive`, {
      hint: "Name one archive at a time: its file, or its parts (.001, .002, …)",
    });
  }
  const unique = [...new Set(bases as string[])];
  const name = unique[0]!;
  const digests = await readList(unique);
  const given = new Map(named.flatMap((part, index) => part ? [[part.number, paths[index]!] as const] : []));
  const numbers = named.flatMap((part) => part?.number ?? []);
  const excess = numbers.find((number) => number > digests.length || numbers.filter((n) => n === number).length > 1);
  if (excess !== undefined) {
    throw new ImageError("usage", `Cannot use part ${excess} of "${name}": its list has ${digests.length}, each once`);
  }
  const found = await Promise.all(digests.map((_, index) => findPart(index + 1, given.get(index + 1), unique)));
  const missing = digests.flatMap((_, index) => found[index] === undefined ? [partPath(name, index + 1)] : []);
  if (missing.length > 0) {
    const more = missing.length > MAX_NAMED ? ` and ${missing.length - MAX_NAMED} more` : "";
    const shown = missing.slice(0, MAX_NAMED).map((path) => `"${path}"`).join(", ");
    throw new ImageError(
      "not-found",
      `Cannot read "${name}": missing of its ${digests.length} parts: ${shown}${more}`,
      {
        hint: "Put all parts into one folder, or name each of them",
      },
    );
  }
  return { name, paths: found as string[], digests };
}

/** Whether a file is only called like a part (`app-1.2.345`): there is no list, and no part before or after it. */
async function isNoPart(path: string, part: { readonly path: string; readonly number: number }): Promise<boolean> {
  const others = [partListPath(part.path), partPath(part.path, part.number - 1), partPath(part.path, part.number + 1)];
  const found = await Promise.all(others.map(isThere));
  return !found.includes(true) && await isThere(path);
}

/** What a single path stands for: undefined for a whole file, else the path that its parts start with. */
async function wholeOrBase(path: string): Promise<string | undefined> {
  if (path.endsWith(".sha256")) return path.slice(0, -".sha256".length);
  if (await isThere(path)) return undefined;
  return await isThere(partListPath(path)) || await isThere(partPath(path, 1)) ? path : undefined;
}

async function readList(bases: readonly string[]): Promise<readonly Digest[]> {
  for (const base of bases) {
    const digests = await readPartList(partListPath(base));
    if (digests) return digests;
  }
  throw new ImageError(
    "not-found",
    `Cannot check the parts of "${bases[0]}": "${partListPath(bases[0]!)}" is missing`,
    {
      hint: "Put it beside the parts, or join them with cat and read the whole",
    },
  );
}

async function findPart(
  number: number,
  given: string | undefined,
  bases: readonly string[],
): Promise<string | undefined> {
  for (const path of given === undefined ? bases.map((base) => partPath(base, number)) : [given]) {
    if (await isThere(path)) return path;
  }
  return undefined;
}

async function isThere(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound || cause instanceof Deno.errors.NotADirectory) return false;
    throw readError(cause, path);
  }
}

/** Reads every part through; names those whose checksum is wrong, and the blobs in them. */
async function checkParts(
  file: RandomFile,
  joined: JoinedFile,
  parts: ArchiveParts,
  { signal, onPart }: OpenPartsOptions,
): Promise<void> {
  const damaged: number[] = [];
  for (const [index, digest] of parts.digests.entries()) {
    onPart?.(parts.paths[index]!);
    const { start, sizeBytes } = joined.parts[index]!;
    const found = await digestOfReader(file.reader(start, sizeBytes), algorithmOf(digest), signal);
    if (found.digest !== digest) damaged.push(index);
  }
  if (damaged.length === 0) return;
  const ranges = damaged.map((index) => joined.parts[index]!);
  const blobs = await damagedBlobs(file, ranges, signal).catch(() => {
    signal?.throwIfAborted();
    return [];
  });
  const shown = damaged.slice(0, MAX_NAMED).map((index) => `"${parts.paths[index]}"`).join(", ");
  const hit = blobs.slice(0, MAX_NAMED).map((blob) => `"${blob}"`).join(", ");
  const more = blobs.length > MAX_NAMED ? ` and ${blobs.length - MAX_NAMED} more` : "";
  throw new ImageError(
    "digest-mismatch",
    `Cannot use ${damaged.length > 1 ? "parts" : "part"} ${shown} of "${parts.name}": its checksum is wrong` +
      (blobs.length > 0 ? `, which hits ${blobs.length > 1 ? "blobs" : "blob"} ${hit}${more}` : ""),
    { hint: `Copy ${damaged.length > 1 ? "these parts" : "this part"} again from the original` },
  );
}

/** The blobs that lie in the damaged ranges and are not what their names say. */
async function damagedBlobs(
  file: RandomFile,
  ranges: readonly { readonly start: number; readonly sizeBytes: number }[],
  signal: AbortSignal | undefined,
): Promise<readonly Digest[]> {
  const damaged: Digest[] = [];
  for (const [name, entry] of await indexTar(file, signal)) {
    const digest = /^blobs\/([^/]+)\/([^/]+)$/.exec(name)?.slice(1).join(":");
    if (entry.kind !== "file" || digest === undefined || !isDigest(digest)) continue;
    const { offset: start, sizeBytes } = entry;
    const isHit = ranges.some((range) => start < range.start + range.sizeBytes && range.start < start + sizeBytes);
    if (!isHit) continue;
    const found = await digestOfReader(file.reader(start, sizeBytes), algorithmOf(digest), signal);
    if (found.digest !== digest) damaged.push(digest);
  }
  return damaged;
}
