import { ImageError } from "../errors.ts";
import { type BlobReader, readAll } from "../bytes/blob_reader.ts";
import { rawTarReader } from "../bytes/decompress.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { blobPath, type Digest, digestOf } from "../oci/digest.ts";
import { type ImageConfig, MAX_CONFIG_BYTES, readImageConfig } from "../oci/image_config.ts";
import { jsonBytes } from "../oci/json.ts";
import type { ImageManifest, Manifest } from "../oci/manifest.ts";
import { isForeignLayer, layerCompression, MEDIA_TYPES } from "../oci/media_types.ts";
import type { OpenedTar } from "./blob_queue.ts";
import { dockerLayoutName, ORIGINAL_DIGEST, parseImageName } from "./image_names.ts";
import { LAYOUT_BYTES, layoutEntries, layoutIndex } from "./layout_writer.ts";
import { believableTarSize, measureTar } from "./tar_length.ts";
import { bytesMember, type TarMember, tarReader } from "./tar_writer.ts";
import { spool } from "./temporary_file.ts";
import { verifiedReader } from "../bytes/verified_reader.ts";

/** What goes into a docker archive. */
export interface DockerArchiveImage {
  /** The manifest of one image, no index. */
  readonly manifest: Manifest;
  /** Names as `docker tag` takes them; none for an image without a name. */
  readonly names: readonly string[];
}

/** How a docker archive is written. */
export interface DockerArchiveOptions {
  /**
   * Opens a zstd layer's tar, checked against its diff id, where that can be had without unpacking here and its length is
   * known; undefined for any other layer.
   */
  readonly openRaw?: ((layer: Descriptor, diffId: Digest) => Promise<OpenedTar | undefined>) | undefined;
  /** Told of a layer that is not going to be opened: its tar is that of another one, packed differently. */
  readonly onSkipped?: ((layer: Descriptor) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Opens a blob's bytes as stored, checked while they are read as a copier's are. */
export type OpenBlob = (blob: Descriptor) => Promise<BlobReader>;

/**
 * One image as a docker archive that `docker load`, `podman load`, `ctr images import` and k3s take: a tar that is an OCI
 * image layout and has Docker's `manifest.json` as well, so that old and new readers find one they know.
 *
 * Blobs are opened one by one in the order of the archive: config, then layers from the lowest; never the same one twice.
 * The archive is made while it is read; closing the reader closes what is open underneath. The same image and names give
 * the same bytes.
 *
 * Layers are stored as they are, except zstd ones: there are readers that do not know zstd, such as Docker before 23, so
 * they are decompressed, checked against their diff ids, and the archive's manifest is a new one, with the same config. A
 * tar header needs the decompressed length, which streams of several frames do not tell, so such a layer is written to a
 * temporary file (compressed) and measured, unless `openRaw` or the annotation that we give to layers of our own knows.
 *
 * Throws `unsupported` when the manifest is no image with layers that are tars, `invalid-input` when its config does not
 * fit it, `invalid-reference` for a bad name; the reader throws `digest-mismatch`, and whatever `openBlob` does.
 */
export async function dockerArchive(
  image: DockerArchiveImage,
  openBlob: OpenBlob,
  options: DockerArchiveOptions = {},
): Promise<BlobReader> {
  const writer = new DockerArchiveWriter(image, openBlob, options);
  const config = await writer.readConfig();
  return tarReader(writer.members(config, writer.layers(config)));
}

/**
 * Checks that a root can be a docker archive, and the names for it; gives the content of the root.
 *
 * Throws `unsupported` and `invalid-reference`.
 */
export function checkDockerArchive(
  [root]: readonly Manifest[],
  names: readonly string[],
): ImageManifest | undefined {
  for (const name of names) parseImageName(name);
  if (!root) return undefined;
  if (root.content.kind !== "image") throw unsupported("it is no manifest of a single image");
  for (const layer of root.content.layers) {
    if (isForeignLayer(layer.mediaType)) throw unsupported(`layer "${layer.digest}" may not be distributed`);
    if (layerCompression(layer.mediaType) === undefined) {
      throw unsupported(`"${layer.mediaType}" is no layer of a container image`);
    }
  }
  return root.content;
}

/** One layer on its way into the archive. */
interface Layer {
  readonly stored: Descriptor;
  /** The digest of the bytes in the archive: the diff id where the layer is decompressed. */
  readonly written: Digest;
  readonly isDecompressed: boolean;
}

class DockerArchiveWriter {
  readonly #image: DockerArchiveImage;
  readonly #content: ImageManifest;
  readonly #open: OpenBlob;
  readonly #options: DockerArchiveOptions;

  constructor(image: DockerArchiveImage, openBlob: OpenBlob, options: DockerArchiveOptions) {
    this.#content = checkDockerArchive([image.manifest], image.names)!;
    this.#image = image;
    this.#open = openBlob;
    this.#options = options;
  }

  async readConfig(): Promise<Uint8Array<ArrayBuffer>> {
    const { config } = this.#content;
    await using reader = await this.#open(config);
    return await readAll(reader, MAX_CONFIG_BYTES, `config "${config.digest}"`);
  }

  async *members(config: Uint8Array<ArrayBuffer>, layers: readonly Layer[]): AsyncGenerator<TarMember> {
    const sizes = new Map<Digest, number>();
    yield bytesMember(blobPath(this.#content.config.digest), config);
    const opened = new Set<Digest>();
    for (const layer of layers) {
      const { stored } = layer;
      if (sizes.has(layer.written)) {
        // Whoever gives the layers may hold this one ready, and give no further one before it is taken.
        if (!opened.has(stored.digest)) this.#options.onSkipped?.(stored);
        continue;
      }
      opened.add(stored.digest);
      if (!layer.isDecompressed) {
        sizes.set(layer.written, stored.size);
        yield { name: blobPath(stored.digest), sizeBytes: stored.size, open: () => this.#open(stored) };
        continue;
      }
      await using tar = await this.#decompressed(layer);
      sizes.set(layer.written, tar.sizeBytes);
      yield tar;
    }
    yield* this.#metadata(layers, sizes);
  }

  layers(config: Uint8Array<ArrayBuffer>): Layer[] {
    const { layers } = this.#content;
    const what = `config "${this.#content.config.digest}"`;
    const { diffIds }: ImageConfig = readImageConfig(config, what);
    if (diffIds.length !== layers.length) {
      throw new ImageError(
        "invalid-input",
        `Invalid ${what}: it names ${diffIds.length} layers, and the manifest ${layers.length}`,
      );
    }
    return layers.map((stored, position) => {
      const isDecompressed = layerCompression(stored.mediaType) === "zstd";
      return { stored, written: isDecompressed ? diffIds[position]! : stored.digest, isDecompressed };
    });
  }

  async #decompressed(layer: Layer): Promise<TarMember & AsyncDisposable> {
    const { stored, written } = layer;
    const what = `layer "${stored.digest}"`;
    const member = (sizeBytes: number, open: () => Promise<BlobReader>) => ({
      name: blobPath(written),
      sizeBytes,
      open: async () => {
        const tar = rawTarReader(await open(), "zstd", { what });
        return verifiedReader(tar, { digest: written, size: sizeBytes }, `the tar of ${what}`);
      },
    });
    const raw = await this.#options.openRaw?.(stored, written);
    if (raw) {
      const { sizeBytes, content } = raw;
      const open = () => Promise.resolve(content);
      return { name: blobPath(written), sizeBytes, open, [Symbol.asyncDispose]: () => content[Symbol.asyncDispose]() };
    }
    const known = believableTarSize(stored);
    if (known !== undefined) {
      return { ...member(known, () => this.#open(stored)), [Symbol.asyncDispose]: () => Promise.resolve() };
    }
    const { signal } = this.#options;
    await using compressed = await this.#open(stored);
    const file = await spool(compressed, what, { signal });
    try {
      const open = () => Promise.resolve(file.reader(0, file.sizeBytes));
      const tar = rawTarReader(await open(), "zstd", { what });
      const sizeBytes = await measureTar(tar, what, { diffId: written, signal });
      return { ...member(sizeBytes, open), [Symbol.asyncDispose]: () => file[Symbol.asyncDispose]() };
    } catch (error) {
      await file[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Everything that is not a blob of the image; `sizes` are those of the layers in the archive. */
  #metadata(layers: readonly Layer[], sizes: ReadonlyMap<Digest, number>): TarMember[] {
    const names = this.#image.names.map((name) => parseImageName(name));
    const dockerManifest = [{
      Config: blobPath(this.#content.config.digest),
      // Full names: podman puts short ones under "localhost/", Docker reads both alike.
      RepoTags: names.map((name) => name.full),
      Layers: layers.map((layer) => blobPath(layer.written)),
    }];
    return [...this.#layoutMembers(layers, sizes), bytesMember("manifest.json", jsonBytes(dockerManifest))];
  }

  #layoutMembers(layers: readonly Layer[], sizes: ReadonlyMap<Digest, number>): TarMember[] {
    const { manifest, names } = this.#image;
    const isKept = !layers.some((layer) => layer.isDecompressed);
    const bytes = isKept ? manifest.bytes : this.#newManifest(layers, sizes);
    const root = isKept
      ? manifest.descriptor
      : { mediaType: MEDIA_TYPES.ociManifest, digest: digestOf(bytes), size: bytes.byteLength };
    const annotations = isKept ? {} : { [ORIGINAL_DIGEST]: manifest.descriptor.digest };
    return [
      bytesMember(blobPath(root.digest), bytes),
      bytesMember("index.json", layoutIndex(layoutEntries(root, names.map(dockerLayoutName), annotations))),
      bytesMember("oci-layout", LAYOUT_BYTES),
    ];
  }

  #newManifest(layers: readonly Layer[], sizes: ReadonlyMap<Digest, number>): Uint8Array<ArrayBuffer> {
    const { digest, size } = this.#content.config;
    const descriptors = layers.map(({ stored, written, isDecompressed }) =>
      isDecompressed
        ? { mediaType: MEDIA_TYPES.ociLayer, digest: written, size: sizes.get(written) ?? stored.size }
        : { mediaType: stored.mediaType, digest: stored.digest, size: stored.size }
    );
    return jsonBytes({
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.ociManifest,
      config: { mediaType: MEDIA_TYPES.ociConfig, digest, size },
      layers: descriptors,
      ...(Object.keys(this.#content.annotations).length > 0 ? { annotations: this.#content.annotations } : {}),
    });
  }
}

function unsupported(why: string): ImageError {
  return new ImageError("unsupported", `Cannot write a docker archive: ${why}`);
}
