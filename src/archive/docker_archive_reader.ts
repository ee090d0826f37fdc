import { ImageError } from "../errors.ts";
import { type BlobReader, type ByteRange, bytesReader } from "../bytes/blob_reader.ts";
import { mapPool } from "../bytes/pool.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { algorithmOf, blobPath, type Digest, digestOf } from "../oci/digest.ts";
import { type Manifest, readManifest } from "../oci/manifest.ts";
import { layerCompression, MEDIA_TYPES } from "../oci/media_types.ts";
import { type ArchiveFiles, missingFile, rangeWithin, readSmallFile } from "./archive_files.ts";
import { chooseDockerImage, type DockerManifestEntry, readDockerManifest } from "./docker_manifest.ts";
import { MAX_CONFIG_BYTES, readImageConfig } from "./image_config.ts";
import { ORIGINAL_DIGEST } from "./image_names.ts";
import { jsonBytes } from "./layout_writer.ts";
import { type IntakeOptions, type StoredLayer, takeLayer } from "./layer_intake.ts";
import { chooseEntry, indexAsRoot, readLayoutIndex, readLayoutManifest } from "./layout_reader.ts";

/** One image out of an archive or layout, opened for reading. Closing it removes what was spooled, not the archive. */
export interface ArchivedImage extends AsyncDisposable {
  readonly root: Manifest;
  /** Whether `root` is as the archive has it, and not built here from Docker's list of layers. */
  readonly isOriginal: boolean;
  /** A manifest that the index names. Throws `not-found`. */
  manifest(child: Descriptor): Promise<Manifest>;
  /** Opens a blob's bytes or a range of them. Throws `not-found`. */
  openBlob(blob: Descriptor, range?: ByteRange): Promise<BlobReader>;
  /** Whether a blob or manifest is there: `docker save` may leave out platforms that an index names. */
  has(descriptor: Descriptor): Promise<boolean>;
}

/** How many layers are made into blobs at once: reading, hashing and writing overlap. */
const LAYERS_AT_ONCE = 2;

/**
 * Opens the image of an OCI layout (folder or archive), every byte of it as it is.
 *
 * `wanted`: see {@linkcode chooseEntry}. Throws `not-found`, `usage`, `invalid-input`, `digest-mismatch`.
 */
export async function openLayoutImage(files: ArchiveFiles, wanted: string | undefined): Promise<ArchivedImage> {
  const index = await readLayoutIndex(files);
  if (!index) {
    const isDocker = await files.sizeOf("manifest.json") !== undefined;
    throw new ImageError(
      "invalid-input",
      `Cannot read "${files.name}": it is no OCI image layout, "index.json" is missing`,
      isDocker ? { hint: "Use docker-archive: for what docker save has written" } : {},
    );
  }
  const entry = chooseEntry(index.entries, wanted, files.name);
  return new LayoutImage(files, entry ? await readLayoutManifest(files, entry) : indexAsRoot(index, files.name));
}

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
    await mapPool(wanted, LAYERS_AT_ONCE, async ([diffId, name], signal) => {
      taken.set(diffId, await takeLayer(files, name, diffId, { ...options, signal }));
    }, options.signal);
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

class LayoutImage implements ArchivedImage {
  readonly root: Manifest;
  readonly isOriginal = true;
  readonly #files: ArchiveFiles;

  constructor(files: ArchiveFiles, root: Manifest) {
    this.#files = files;
    this.root = root;
  }

  manifest(child: Descriptor): Promise<Manifest> {
    return readLayoutManifest(this.#files, child);
  }

  openBlob(blob: Descriptor, range?: ByteRange): Promise<BlobReader> {
    return this.#files.open(blobPath(blob.digest), range);
  }

  async has(descriptor: Descriptor): Promise<boolean> {
    return await this.#files.sizeOf(blobPath(descriptor.digest)) !== undefined;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

class BuiltImage implements ArchivedImage {
  readonly root: Manifest;
  readonly isOriginal = false;
  readonly #name: string;
  readonly #blobs: ReadonlyMap<Digest, StoredLayer>;
  readonly #config: { readonly digest: Digest; readonly bytes: Uint8Array<ArrayBuffer> };

  constructor(
    name: string,
    root: Manifest,
    parts: {
      readonly config: Uint8Array<ArrayBuffer>;
      readonly digest: Digest;
      readonly layers: ReadonlyMap<Digest, StoredLayer>;
    },
  ) {
    this.#name = name;
    this.root = root;
    this.#config = { digest: parts.digest, bytes: parts.config };
    this.#blobs = new Map([...parts.layers.values()].map((layer) => [layer.descriptor.digest, layer]));
  }

  manifest(child: Descriptor): Promise<Manifest> {
    if (child.digest === this.root.descriptor.digest) return Promise.resolve(this.root);
    return Promise.reject(this.#missing(child));
  }

  // deno-lint-ignore require-await
  async openBlob(blob: Descriptor, range?: ByteRange): Promise<BlobReader> {
    if (blob.digest === this.#config.digest) {
      const { start, length } = rangeWithin(range, this.#config.bytes.byteLength);
      return bytesReader(this.#config.bytes.subarray(start, start + length));
    }
    const layer = this.#blobs.get(blob.digest);
    if (!layer) throw this.#missing(blob);
    return layer.open(range);
  }

  has({ digest }: Descriptor): Promise<boolean> {
    return Promise.resolve(digest === this.#config.digest || this.#blobs.has(digest));
  }

  #missing({ digest }: Descriptor): ImageError {
    return new ImageError("not-found", `Cannot read "${digest}" of "${this.#name}": it is not there`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const layer of this.#blobs.values()) await layer[Symbol.asyncDispose]();
  }
}
