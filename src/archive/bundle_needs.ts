import { ImageError } from "../errors.ts";
import { type Digest, parseDigest } from "../oci/digest.ts";
import { jsonBytes, Members, parseJsonObject } from "../oci/json.ts";
import { type ArchiveFiles, readSmallFile } from "./archive_files.ts";

/** The file of a delta that says what it relies on; other readers of image layouts pass over it. */
export const NEEDS_FILE = "s3lo-bundle.json";

/** Largest list of blobs that is read: some 100,000 of them. */
const MAX_LIST_BYTES = 64 * 1024 * 1024;

/** A blob that the other side holds, or must hold. */
export interface HeldBlob {
  readonly digest: Digest;
  readonly size: number;
  /** The names of the images that it belongs to. */
  readonly images: readonly string[];
}

/** Blobs by digest. */
export type HeldBlobs = ReadonlyMap<Digest, HeldBlob>;

/** The bytes of {@linkcode NEEDS_FILE}. */
export function needsBytes(needs: readonly HeldBlob[]): Uint8Array<ArrayBuffer> {
  return jsonBytes({ version: 1, relies_on: needs });
}

/** What a bundle relies on; nothing for one that is whole. Throws `invalid-input`, `unsupported` for a newer version. */
export async function readNeeds(files: ArchiveFiles): Promise<HeldBlobs> {
  const bytes = await readSmallFile(files, NEEDS_FILE, MAX_LIST_BYTES);
  if (!bytes) return new Map();
  const what = `"${NEEDS_FILE}" of "${files.name}"`;
  const members = new Members(parseJsonObject(bytes, what), what);
  const version = members.size("version");
  if (version !== 1) {
    throw new ImageError("unsupported", `Cannot read "${files.name}": it is a bundle of version ${version}`, {
      hint: "Use a newer s3lo",
    });
  }
  return parseHeldBlobs(members.array("relies_on") ?? [], what);
}

/**
 * What somebody who loaded a bundle holds, from the JSON that describes it (`bundle list -o json`): its blobs and those that
 * it relied on. Throws `invalid-input`.
 */
export function parseBundleDocument(bytes: Uint8Array, what: string): HeldBlobs {
  const members = new Members(parseJsonObject(bytes, what), what);
  const blobs = members.array("blobs");
  if (!blobs) throw members.missing("blobs");
  return parseHeldBlobs([...blobs, ...members.array("relies_on") ?? []], what);
}

function parseHeldBlobs(list: readonly unknown[], what: string): HeldBlobs {
  const blobs = new Map<Digest, HeldBlob>();
  for (const [index, item] of list.entries()) {
    const name = `blob ${index} of ${what}`;
    const members = new Members(item, name);
    const [text, size] = [members.string("digest"), members.size("size")];
    if (text === undefined) throw members.missing("digest");
    if (size === undefined) throw members.missing("size");
    let digest: Digest;
    try {
      digest = parseDigest(text);
    } catch (cause) {
      throw new ImageError("invalid-input", `Invalid ${name}: "${text}" is no digest`, { cause });
    }
    const images = [...new Set([...blobs.get(digest)?.images ?? [], ...members.strings("images") ?? []])];
    blobs.set(digest, { digest, size, images });
  }
  return blobs;
}
