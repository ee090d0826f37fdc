import { ImageError } from "../errors.ts";
import { readAll } from "../bytes/blob_reader.ts";
import { mapPool } from "../bytes/pool.ts";
import { artifactType, isArtifact } from "../oci/container_image.ts";
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
  namesPlatform,
  nearestPlatform,
  parsePlatformObject,
  type Platform,
  type SelectOptions,
  selectPlatform,
} from "../oci/platform.ts";
import { ManifestTotals, readChild, type WalkedManifest, walkIndex } from "./index_walk.ts";
import { entriesOf, type IndexEntry, indexManifest } from "./join_index.ts";
import type { ImageSource } from "./places.ts";
import { SourceBlob } from "./source_blob.ts";

/** How many configs are read at once. */
const PARALLEL_CONFIGS = 8;

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
  const fits = (images: readonly Descriptor[]) => wanted.every((platform) => selectPlatform(images, platform, options));
  const images = await nameImages(source, index, fits);
  const chosen = wanted.map((platform) => {
    const entry = selectPlatform(images, platform, options);
    if (!entry) throw noPlatform(source.name, images.flatMap((candidate) => candidate.platform ?? []), platform);
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
  const { content } = root;
  if (isArtifact(content)) {
    throw new ImageError(
      "unsupported",
      `Cannot choose a platform of "${source.name}": it is an artifact (${artifactType(content)}) and no image`,
      { hint: "Leave --platform out" },
    );
  }
  const platforms = await platformsOf(source, root);
  const entries = platforms.map((platform) => ({ platform }));
  for (const platform of wanted) {
    // An image that does not say what it runs on is as good as any.
    if (platforms.some(namesPlatform) && !selectPlatform(entries, platform, options)) {
      throw noPlatform(source.name, platforms, platform);
    }
  }
  return { root, platforms, changed: false };
}

/**
 * The images of an index, those of nested ones too: with the platform that the index names or, where it names none and
 * `isEnough` is not satisfied by the others, that of their config.
 */
export async function namedImages(
  source: ImageSource,
  root: Manifest,
  isEnough: (named: readonly Descriptor[]) => boolean,
): Promise<readonly Descriptor[]> {
  return await nameImages(source, await flattened(source, root), isEnough);
}

async function nameImages(
  source: ImageSource,
  index: readonly IndexEntry[],
  isEnough: (named: readonly Descriptor[]) => boolean,
): Promise<readonly Descriptor[]> {
  const entries = index.map((entry) => entry.descriptor).filter((entry) => !isAttestation(entry));
  const isNamed = ({ platform }: Descriptor) => platform !== undefined && namesPlatform(platform);
  const named = entries.filter(isNamed);
  if (isEnough(named)) return named;
  const unnamed = entries.filter((entry) => !isNamed(entry) && manifestKind(entry.mediaType) === "image");
  const totals = new ManifestTotals(source.name);
  const platforms = new Map<Digest, Platform>();
  await mapPool(new Map(unnamed.map((entry) => [entry.digest, entry])).values(), PARALLEL_CONFIGS, async (entry) => {
    totals.read(entry.size);
    const { content } = await readChild(source, entry);
    if (content.kind !== "image" || isArtifact(content)) return;
    totals.read(content.config.size);
    platforms.set(entry.digest, await configPlatform(source, content));
  });
  return entries.flatMap((entry) => {
    if (isNamed(entry)) return [entry];
    const platform = platforms.get(entry.digest);
    return platform === undefined ? [] : [{ ...entry, platform }];
  });
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

/** The error for a platform that an image does not have: it lists what is there and names the nearest. */
export function noPlatform(name: string, available: readonly Platform[], wanted: Platform): ImageError {
  const named = available.filter(namesPlatform);
  const action = `Cannot find platform ${formatPlatform(wanted)} in "${name}"`;
  if (named.length === 0) {
    return new ImageError("not-found", `${action}: it holds no image that says what it runs on`, {
      hint: "See what it holds with s3lo inspect",
    });
  }
  const nearest = nearestPlatform(named, wanted);
  return new ImageError("not-found", `${action} (there: ${named.map(formatPlatform).join(", ")})`, {
    hint: nearest ? `Use --platform ${formatPlatform(nearest)}, which is the nearest` : undefined,
  });
}
