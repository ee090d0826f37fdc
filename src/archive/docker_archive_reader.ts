import { ImageError } from "../errors.ts";
import { mapPool } from "../bytes/pool.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { algorithmOf, blobPath, type Digest, digestOf } from "../oci/digest.ts";
import { MAX_CONFIG_BYTES, readImageConfig } from "../oci/image_config.ts";
import { jsonBytes } from "../oci/json.ts";
import { type Manifest, readManifest } from "../oci/manifest.ts";
import { layerCompression, MEDIA_TYPES } from "../oci/media_types.ts";
import { type ArchiveFiles, missingFile, readSmallFile } from "./archive_files.ts";
import { type ArchivedImage, BuiltImage, LayoutImage, openLayoutImage } from "./archived_image.ts";
import { chooseDockerImage, type DockerManifestEntry, readDockerManifest } from "./docker_manifest.ts";
import { ORIGINAL_DIGEST } from "./image_names.ts";
import { type IntakeOptions, type StoredLayer, takeLayer } from "./layer_intake.ts";
import { chooseEntry, readLayoutIndex, readLayoutManifest } from "./layout_reader.ts";

/** How many layers are made into blobs at once, at most: each is compressed on a core of its own, in some 40 MB. */
const MAX_LAYERS_AT_ONCE = 3;

/**
 * Opens an image of a docker archive: of `docker save` in any version, podman, skopeo, kaniko, bazel, crane, or our own.
 *
 * An archive that is an OCI layout too gives its manifest byte for byte. Where there is none, or where it was made up for
 * the archive around raw layers (by Docker's classic store, or because zstd layers were decompressed) and raw layers are
 * to be compressed, a manifest is built: the config stays as it is, so the image keeps its ID.
 *
 * `wanted`: a name, `@0` (place in the list), or undefined for the only image. Throws `not-found`, `usage`,
 * `invalid-input`, `digest-mismatch` (layers and configs are checked), `unsupported`.
 */
export async function openDockerArchiveImage(
  files: ArchiveFiles,
  wanted: string | undefined,
  options: IntakeOptions = {},
): Promise<ArchivedImage> {
  const entries = await readDockerManifest(files);
  const index = await readLayoutIndex(files);
  if (!entries && !index) {
    throw new ImageError(
      "invalid-input",
      `Cannot read "${files.name}": it is no docker archive, "manifest.json" is missing`,
    );
  }
  if (!entries) return await openLayoutImage(files, wanted);
  const entry = chooseDockerImage(entries, wanted, files.name);
  const original = index && await originalManifest(files, index.entries, entry, wanted);
  if (original) {
    const isMadeUp = entry.isFromClassicStore || original.isConverted;
    const isRaw = original.manifest.content.kind === "image" &&
      original.manifest.content.layers.every((layer) => layerCompression(layer.mediaType) === "none");
    if (!(isMadeUp && isRaw && options.compression !== "none")) return new LayoutImage(files, original.manifest);
  }
  return await buildImage(files, entry, options);
}

/**
 * Opens the only image of an archive that was made from unpacked layers: a docker archive, or an OCI layout (podman's) whose
 * manifest and compressed layers were made up for it. Either way a manifest is built around the config, with layers that are
 * known by their diff ids in the form in which they are known.
 *
 * Throws as {@linkcode openDockerArchiveImage} does.
 */
export async function openConvertedImage(files: ArchiveFiles, options: IntakeOptions = {}): Promise<ArchivedImage> {
  const index = await readLayoutIndex(files);
  if (!index || await readDockerManifest(files)) return await openDockerArchiveImage(files, "@0", options);
  const entry = chooseEntry(index.entries, "@0", files.name);
  const manifest = entry && await readLayoutManifest(files, entry);
  if (manifest?.content.kind !== "image") return await openLayoutImage(files, "@0");
  const { config, layers } = manifest.content;
  const parts = {
    config: blobPath(config.digest),
    names: [],
    layers: layers.map((layer) => blobPath(layer.digest)),
    isFromClassicStore: false,
  };
  return await buildImage(files, parts, options);
}

/** The manifest of the layout that belongs to an image of Docker's list. */
async function originalManifest(
  files: ArchiveFiles,
  entries: readonly Descriptor[],
  image: DockerManifestEntry,
  wanted: string | undefined,
): Promise<{ readonly manifest: Manifest; readonly isConverted: boolean } | undefined> {
  const name = wanted?.startsWith("@") ? undefined : wanted ?? image.names[0];
  let entry: Descriptor | undefined;
  try {
    entry = chooseEntry(entries, entries.length === 1 ? undefined : name ?? image.names[0], files.name);
  } catch {
    // The layout calls it by another name, or not at all: what Docker's list says is enough.
    return undefined;
  }
  if (!entry || await files.sizeOf(blobPath(entry.digest)) === undefined) return undefined;
  const manifest = await readLayoutManifest(files, entry);
  await checkSameImage(files, manifest, image);
  return {
    manifest,
    isConverted: entry.annotations?.[ORIGINAL_DIGEST] !== undefined,
  };
}

/** An archive that shows one image to readers of the layout and another to those of Docker's list is a trick. */
async function checkSameImage(files: ArchiveFiles, manifest: Manifest, image: DockerManifestEntry): Promise<void> {
  if (manifest.content.kind !== "image") return;
  const config = await readSmallFile(files, image.config, MAX_CONFIG_BYTES);
  if (!config) throw missingFile(files, image.config);
  if (digestOf(config, algorithmOf(manifest.content.config.digest)) === manifest.content.config.digest) return;
  throw new ImageError(
    "invalid-input",
    `Cannot read "${files.name}": "index.json" and "manifest.json" describe different images`,
  );
}

async function buildImage(
  files: ArchiveFiles,
  entry: DockerManifestEntry,
  options: IntakeOptions,
): Promise<ArchivedImage> {
  const config = await readSmallFile(files, entry.config, MAX_CONFIG_BYTES);
  if (!config) throw missingFile(files, entry.config);
  const what = `config "${entry.config}" of "${files.name}"`;
  const digest = digestOf(config);
  checkConfigName(entry.config, digest, what);
  const { diffIds } = readImageConfig(config, what);
  if (diffIds.length !== entry.layers.length) {
    throw new ImageError(
      "invalid-input",
      `Invalid ${what}: it names ${diffIds.length} layers, and "manifest.json" ${entry.layers.length}`,
    );
  }
  const layers = await takeLayers(files, entry.layers, diffIds, options);
  const manifest = jsonBytes({
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociManifest,
    config: { mediaType: MEDIA_TYPES.ociConfig, digest, size: config.byteLength },
    layers: diffIds.map((diffId) => layers.get(diffId)!.descriptor),
  });
  const root = readManifest(manifest, `manifest built from "${files.name}"`);
  return new BuiltImage(files.name, root, { config, digest, layers });
}

/** Makes blobs of the layers, each diff id once: images repeat the empty layer. */
async function takeLayers(
  files: ArchiveFiles,
  names: readonly string[],
  diffIds: readonly Digest[],
  options: IntakeOptions,
): Promise<ReadonlyMap<Digest, StoredLayer>> {
  const wanted = new Map(diffIds.map((diffId, position) => [diffId, names[position]!]));
  const taken = new Map<Digest, StoredLayer>();
  try {
    await mapPool(
      wanted,
      Math.min(MAX_LAYERS_AT_ONCE, navigator.hardwareConcurrency),
      async ([diffId, name], signal) => {
        taken.set(diffId, await takeLayer(files, name, diffId, { ...options, signal }));
      },
      options.signal,
    );
    return taken;
  } catch (error) {
    for (const layer of taken.values()) await layer[Symbol.asyncDispose]();
    throw error;
  }
}

/** A config is named by its digest; a name that is none says nothing. */
function checkConfigName(file: string, digest: Digest, what: string): void {
  const claimed = /(?:^|[/:])([0-9a-f]{64})(?:\.json)?$/.exec(file)?.[1];
  if (claimed === undefined || digest.endsWith(claimed)) return;
  throw new ImageError("digest-mismatch", `Cannot use ${what}: its bytes have digest "${digest}"`);
}
