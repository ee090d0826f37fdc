import { ImageError } from "../errors.ts";
import { readAll } from "../bytes/blob_reader.ts";
import { type Descriptor, embeddedBytes } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import {
  attestedDigest,
  type ImageManifest,
  isAttestation,
  isRunnable,
  type Manifest,
  MAX_MANIFEST_BYTES,
} from "../oci/manifest.ts";
import { manifestKind } from "../oci/media_types.ts";
import { type JsonObject, parseJsonObject } from "../oci/json.ts";
import {
  formatPlatform,
  nearestPlatform,
  parsePlatformObject,
  type Platform,
  type SelectOptions,
  selectPlatform,
} from "../oci/platform.ts";
import { readChild, type WalkedManifest, walkIndex } from "./index_walk.ts";
import { entriesOf, type IndexEntry, indexManifest } from "./join_index.ts";
import type { ImageSource } from "./places.ts";
import { SourceBlob } from "./source_blob.ts";

/** What was chosen of an image. */
export interface Selection {
  /** The root to copy: the image's own, one child manifest, or a filtered index. */
  readonly root: Manifest;
  /** The platform of each chosen image, as the index (or the config) names it. */
  readonly platforms: readonly Platform[];
  /** Whether the root is not the one that the reference resolved to. */
  readonly changed: boolean;
}

/**
 * Chooses platforms of an image. One platform gives its manifest; several give an index that holds just those and their
 * attestations (the original one, byte for byte, where nothing would be left out).
 *
 * Throws `not-found`, listing what is there and naming the nearest, when any of them is missing.
 */
export async function selectPlatforms(
  source: ImageSource,
  root: Manifest,
  wanted: readonly Platform[],
  options: SelectOptions = {},
): Promise<Selection> {
  const [only] = wanted;
  if (!only) throw new ImageError("usage", "No platform was given");
  if (root.content.kind !== "index") return await selectSingle(source, root, wanted, options);
  const index = await flattened(source, root);
  const runnable = index.map((entry) => entry.descriptor).filter(isRunnable);
  const chosen = wanted.map((platform) => {
    const entry = selectPlatform(runnable, platform, options);
    if (!entry) throw noMatch(source.name, runnable.flatMap((candidate) => candidate.platform ?? []), platform);
    return entry;
  });
  const unique = [...new Map(chosen.map((entry) => [entry.digest, entry])).values()];
  const platforms = unique.flatMap((entry) => entry.platform ?? []);
  const [first] = unique;
  if (wanted.length === 1 && first) {
    return { root: await readChild(source, first, formatPlatform(only)), platforms, changed: true };
  }
  return {
    ...filterIndex(root, index, new Set(unique.map((entry) => entry.digest))),
    platforms,
  };
}

/** The platforms that an image holds: those of an index's runnable entries, or the one of a single image's config. */
export async function platformsOf(source: ImageSource, root: Manifest): Promise<readonly Platform[]> {
  if (root.content.kind !== "index") {
    return root.content.kind === "image" ? [await configPlatform(source, root.content)] : [];
  }
  const entries = (await flattened(source, root)).map((entry) => entry.descriptor);
  return entries.filter(isRunnable).flatMap((entry) => entry.platform ?? []);
}

/** Reads a small blob whole (a config), checked. Throws `invalid-input` when it is larger than a manifest may be. */
export async function readSmallBlob(source: ImageSource, blob: Descriptor): Promise<Uint8Array<ArrayBuffer>> {
  const what = `blob "${blob.digest}" of "${source.name}"`;
  if (blob.size > MAX_MANIFEST_BYTES) {
    throw new ImageError("invalid-input", `Cannot read ${what}: ${blob.size} bytes are too many for a config`);
  }
  const embedded = embeddedBytes(blob);
  if (embedded) return embedded;
  await using reader = await new SourceBlob(source, blob).open();
  return await readAll(reader, blob.size, what);
}

/** The config of a single image, parsed. Throws `invalid-input` when it is no JSON object. */
export async function readConfig(source: ImageSource, manifest: ImageManifest): Promise<JsonObject> {
  return parseJsonObject(await readSmallBlob(source, manifest.config), `config of "${source.name}"`);
}

/** The platform that a single image's config names; empty parts where it names none (artifacts). */
export async function configPlatform(source: ImageSource, manifest: ImageManifest): Promise<Platform> {
  return parsePlatformObject(await readConfig(source, manifest), `config of "${source.name}"`);
}

async function selectSingle(
  source: ImageSource,
  root: Manifest,
  wanted: readonly Platform[],
  options: SelectOptions,
): Promise<Selection> {
  const platforms = await platformsOf(source, root);
  const entries = platforms.map((platform) => ({ platform }));
  for (const platform of wanted) {
    if (!selectPlatform(entries, platform, options)) throw noMatch(source.name, platforms, platform);
  }
  return { root, platforms, changed: false };
}

/** An index with the entries of nested indexes in place of those, each with its JSON as it was written. */
async function flattened(source: ImageSource, root: Manifest): Promise<readonly IndexEntry[]> {
  const reads = (entry: Descriptor) => manifestKind(entry.mediaType) === "index" && !isAttestation(entry);
  const expand = ({ manifest, entries }: WalkedManifest): readonly IndexEntry[] =>
    entriesOf(manifest).flatMap((entry, position) => {
      const { child, isRepeated } = entries[position]!;
      if (child) return expand(child);
      return isRepeated ? [] : [entry];
    });
  return expand(await walkIndex(source, root, { reads }));
}

/** The index with only the kept entries and what attests to them; unknown members stay. */
function filterIndex(
  root: Manifest,
  entries: readonly IndexEntry[],
  kept: ReadonlySet<Digest>,
): { root: Manifest; changed: boolean } {
  const staying = entries.filter(({ descriptor }) => {
    const subject = attestedDigest(descriptor);
    return kept.has(descriptor.digest) || (subject !== undefined && kept.has(subject));
  });
  const isWhole = root.content.kind === "index" && staying.length === entries.length &&
    entries.length === root.content.manifests.length;
  if (isWhole) return { root, changed: false };
  return { root: indexManifest(staying, root, "filtered index"), changed: true };
}

function noMatch(name: string, available: readonly Platform[], wanted: Platform): ImageError {
  const list = available.map(formatPlatform).join(", ") || "none";
  const nearest = nearestPlatform(available, wanted);
  return new ImageError("not-found", `Cannot find platform ${formatPlatform(wanted)} in "${name}" (there: ${list})`, {
    hint: nearest ? `Use --platform ${formatPlatform(nearest)}, which is the nearest` : undefined,
  });
}
