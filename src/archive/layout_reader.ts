import { ImageError } from "../errors.ts";
import { type Descriptor, parseDescriptor } from "../oci/descriptor.ts";
import { blobPath, isDigest } from "../oci/digest.ts";
import { Members, parseJsonObject } from "../oci/json.ts";
import { isAttestation, type Manifest, MAX_MANIFEST_BYTES, readManifest } from "../oci/manifest.ts";
import { MEDIA_TYPES } from "../oci/media_types.ts";
import { formatPlatform } from "../oci/platform.ts";
import { type ArchiveFiles, missingFile, readSmallFile } from "./archive_files.ts";
import { CONTAINERD_NAME, isSameName, REF_NAME } from "./image_names.ts";

/** Largest `index.json`: a layout may list a great many images. */
export const MAX_INDEX_BYTES = 16 * 1024 * 1024;

/** The `index.json` of an image layout. */
export interface LayoutIndex {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly entries: readonly Descriptor[];
}

/**
 * Reads the index of an image layout; undefined when there is none.
 *
 * Throws `invalid-input`. Spec: OCI image-spec v1.1.1, image-layout.md.
 */
export async function readLayoutIndex(files: ArchiveFiles): Promise<LayoutIndex | undefined> {
  const what = `"index.json" of "${files.name}"`;
  const marker = await readSmallFile(files, "oci-layout", 4096);
  const bytes = await readSmallFile(files, "index.json", MAX_INDEX_BYTES);
  if (!bytes) return undefined;
  if (marker) {
    const version = new Members(parseJsonObject(marker, `"oci-layout" of "${files.name}"`), "oci-layout file")
      .string("imageLayoutVersion");
    if (version !== undefined && !version.startsWith("1.")) {
      throw new ImageError(
        "unsupported",
        `Cannot read "${files.name}": image layout version "${version}" is not known`,
      );
    }
  }
  const list = new Members(parseJsonObject(bytes, what), what).array("manifests") ?? [];
  return { bytes, entries: list.map((item, position) => parseDescriptor(item, `entry ${position} of ${what}`)) };
}

/**
 * Chooses the entry that a name stands for: a digest, `@0` (its place in the list), a tag or a full image name as the
 * annotations have it. Without a name there must be one image only.
 *
 * Returns undefined where the entries together are one image: none has a name, and each has a platform of its own. Throws
 * `not-found` and, when it is not clear which one is meant, `usage`, listing what there is.
 */
export function chooseEntry(
  entries: readonly Descriptor[],
  wanted: string | undefined,
  what: string,
): Descriptor | undefined {
  if (entries.length === 0) throw new ImageError("not-found", `Cannot read "${what}": it holds no image`);
  const found = wanted === undefined ? entries : matching(entries, wanted);
  const [first] = found;
  if (!first) {
    throw new ImageError("not-found", `Cannot find image "${wanted}" in "${what}": it holds ${listed(entries)}`);
  }
  if (new Set(found.map((entry) => entry.digest)).size === 1) return first;
  if (wanted === undefined && isOneImage(entries)) return undefined;
  const meant = wanted === undefined ? "it holds several images" : `"${wanted}" could mean several images`;
  throw new ImageError("usage", `Cannot choose an image of "${what}": ${meant}: ${listed(found)}`, {
    hint: "Name one of them after the path: path:name",
  });
}

/** Reads the manifest under a digest of a layout. Throws `not-found`, `digest-mismatch`, `invalid-input`. */
export async function readLayoutManifest(files: ArchiveFiles, descriptor: Descriptor): Promise<Manifest> {
  const file = blobPath(descriptor.digest);
  const bytes = await readSmallFile(files, file, MAX_MANIFEST_BYTES);
  if (!bytes) throw missingFile(files, file);
  return readManifest(bytes, `manifest "${descriptor.digest}" of "${files.name}"`, { expected: descriptor });
}

/** A layout's index itself as the root of an image. */
export function indexAsRoot(index: LayoutIndex, what: string): Manifest {
  return readManifest(index.bytes, `"index.json" of "${what}"`, { mediaType: MEDIA_TYPES.ociIndex });
}

/** The names of a layout's entry, the full one first. */
export function namesOf(entry: Descriptor): string[] {
  const annotations = entry.annotations ?? {};
  return [annotations[CONTAINERD_NAME], annotations[REF_NAME]].filter((name) =>
    name !== undefined && name !== ""
  ) as string[];
}

function matching(entries: readonly Descriptor[], wanted: string): Descriptor[] {
  const bare = wanted.startsWith("@") ? wanted.slice(1) : wanted;
  if (isDigest(bare)) return entries.filter((entry) => entry.digest === bare);
  if (wanted.startsWith("@") && /^[0-9]{1,6}$/.test(bare)) return entries.slice(Number(bare), Number(bare) + 1);
  // An entry that is called just this comes before those that have it as the tag of their full name.
  const own = entries.filter((entry) => namesOf(entry)[0] === wanted);
  const exact = own.length > 0 ? own : entries.filter((entry) => namesOf(entry).includes(wanted));
  if (exact.length > 0) return exact;
  return entries.filter((entry) => namesOf(entry).some((name) => looksFull(name) && isSameName(name, wanted)));
}

/** Whether a name is more than a tag: `v1` alone must not be taken for the image `v1:latest`. */
function looksFull(name: string): boolean {
  return /[/:]/.test(name);
}

function isOneImage(entries: readonly Descriptor[]): boolean {
  const images = entries.filter((entry) => !isAttestation(entry));
  const platforms = images.map((entry) => entry.platform && formatPlatform(entry.platform));
  return entries.every((entry) => namesOf(entry).length === 0) && !platforms.includes(undefined) &&
    new Set(platforms).size === platforms.length && images.length > 0;
}

function listed(entries: readonly Descriptor[]): string {
  const names = entries.map((entry) => `"${namesOf(entry)[0] ?? entry.digest}"`);
  const shown = [...new Set(names)];
  return shown.length > 20 ? `${shown.slice(0, 20).join(", ")} and ${shown.length - 20} more` : shown.join(", ");
}
