import { ImageError } from "../errors.ts";
import { type BlobReader, readAll } from "../bytes/blob_reader.ts";
import { rawTarReader } from "../bytes/decompress.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { blobPath, type Digest, digestOf } from "../oci/digest.ts";
import type { ImageManifest, Manifest } from "../oci/manifest.ts";
import { isForeignLayer, layerCompression, MEDIA_TYPES } from "../oci/media_types.ts";
import type { OpenedTar } from "./blob_queue.ts";
import { type ImageConfig, MAX_CONFIG_BYTES, readImageConfig } from "./image_config.ts";
import { dockerLayoutName, ORIGINAL_DIGEST, parseImageName } from "./image_names.ts";
import { jsonBytes, LAYOUT_BYTES, layoutEntries, layoutIndex } from "./layout_writer.ts";
import { TAR_SIZE } from "./layer_compression.ts";
import { bytesMember, type TarMember, tarReader, tarSizeBytes } from "./tar_writer.ts";
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
   * What happens to zstd layers. `decompress` (the default) is for readers that do not know zstd, such as Docker before
   * 23; the archive's manifest then is a new one, with the same config. `keep` leaves all bytes as they are.
   */
  readonly zstd?: "decompress" | "keep";
  /** Layers that the reader has already (Docker's classic store, by its chain of diff ids); left out of the archive. */
  readonly isPresent?: ((layer: Descriptor, position: number) => boolean) | undefined;
  /** The length of a compressed layer's tar, where it is known; saves spooling a zstd layer. */
  readonly tarSizeOf?: ((layer: Descriptor) => Promise<number | undefined>) | undefined;
  /**
   * Opens a zstd layer's tar, checked against its diff id, where that can be had without unpacking here and its length is
   * known; undefined for any other layer.
   */
  readonly openRaw?: ((layer: Descriptor, diffId: Digest) => Promise<OpenedTar | undefined>) | undefined;
  /** Whether `openBlob` gives bytes that are checked already, as a copier's are. Default false. */
  readonly isVerified?: boolean;
  /** Where zstd layers are spooled; see `spool`. */
  readonly temporaryFolder?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A docker archive that is made while it is read. */
export interface DockerArchive {
  /** The bytes; closing the reader closes what is open underneath. */
  readonly reader: BlobReader;
  /** Length of all of it; undefined when the length of a layer shows only on its turn. */
  readonly sizeBytes: number | undefined;
  /** The manifest inside: the given one, or undefined when a new one is made because layers were decompressed. */
  readonly manifest: Manifest | undefined;
}

/** Opens a blob's bytes as stored. */
export type OpenBlob = (blob: Descriptor) => Promise<BlobReader>;

/**
 * One image as a docker archive that `docker load`, `podman load`, `ctr images import` and k3s take: a tar that is an OCI
 * image layout and has Docker's `manifest.json` as well, so that old and new readers find one they know.
 *
 * Blobs are opened one by one in the order of the archive: config, then layers from the lowest; never the same one twice.
 * Each is checked before its last bytes are handed out. The same image and names give the same bytes. Layers are stored
 * as they are, except zstd ones (see the options): a tar header needs the decompressed length, which streams of several
 * frames do not tell, so such a layer is written to a temporary file (compressed) and measured, unless `openRaw`, `tarSizeOf`
 * or the annotation that we give to layers of our own knows.
 *
 * Throws `unsupported` when the manifest is no image with layers that are tars, `invalid-input` when its config does not
 * fit it, `invalid-reference` for a bad name; the reader throws `digest-mismatch`, and whatever `openBlob` does.
 */
export async function dockerArchive(
  image: DockerArchiveImage,
  openBlob: OpenBlob,
  options: DockerArchiveOptions = {},
): Promise<DockerArchive> {
  const writer = new DockerArchiveWriter(image, openBlob, options);
  const config = await writer.readConfig();
  const members = writer.knownMembers(config);
  return {
    reader: tarReader(writer.members(config)),
    sizeBytes: members && tarSizeBytes(members),
    manifest: members && image.manifest,
  };
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
  readonly isPresent: boolean;
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
    await using reader = await this.#openChecked(config);
    return await readAll(reader, MAX_CONFIG_BYTES, `config "${config.digest}"`);
  }

  /** All members, where every length is known beforehand; undefined where it is not. */
  knownMembers(config: Uint8Array<ArrayBuffer>): TarMember[] | undefined {
    const layers = this.#layers(config);
    if (layers.some((layer) => layer.isDecompressed && !layer.isPresent)) return undefined;
    return [
      bytesMember(blobPath(this.#content.config.digest), config),
      ...this.#unique(layers).map(({ stored }) => this.#storedMember(stored)),
      ...this.#metadata(layers, new Map()),
    ];
  }

  async *members(config: Uint8Array<ArrayBuffer>): AsyncGenerator<TarMember> {
    const layers = this.#layers(config);
    const sizes = new Map<Digest, number>();
    yield bytesMember(blobPath(this.#content.config.digest), config);
    for (const layer of this.#unique(layers)) {
      if (!layer.isDecompressed) {
        yield this.#storedMember(layer.stored);
        continue;
      }
      await using tar = await this.#decompressed(layer);
      sizes.set(layer.written, tar.sizeBytes);
      yield tar;
    }
    yield* this.#metadata(layers, sizes);
  }

  #layers(config: Uint8Array<ArrayBuffer>): Layer[] {
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
      const isDecompressed = layerCompression(stored.mediaType) === "zstd" && this.#options.zstd !== "keep";
      const isPresent = this.#options.isPresent?.(stored, position) ?? false;
      return { stored, written: isDecompressed ? diffIds[position]! : stored.digest, isDecompressed, isPresent };
    });
  }

  /** The layers to write, each once, those that are not there yet. */
  #unique(layers: readonly Layer[]): Layer[] {
    const missing = layers.filter((layer) => !layer.isPresent);
    return [...new Map(missing.map((layer) => [layer.written, layer])).values()];
  }

  #storedMember(layer: Descriptor): TarMember {
    return { name: blobPath(layer.digest), sizeBytes: layer.size, open: () => this.#openChecked(layer) };
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
    const known = await this.#options.tarSizeOf?.(stored) ?? statedTarSize(stored);
    if (known !== undefined) {
      return { ...member(known, () => this.#openChecked(stored)), [Symbol.asyncDispose]: () => Promise.resolve() };
    }
    await using compressed = await this.#openChecked(stored);
    const file = await spool(compressed, what, this.#options);
    try {
      const open = () => Promise.resolve(file.reader(0, file.sizeBytes));
      await using tar = rawTarReader(await open(), "zstd", { what });
      const sizeBytes = await countBytes(tar);
      return { ...member(sizeBytes, open), [Symbol.asyncDispose]: () => file[Symbol.asyncDispose]() };
    } catch (error) {
      await file[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #openChecked(blob: Descriptor): Promise<BlobReader> {
    this.#options.signal?.throwIfAborted();
    const reader = await this.#open(blob);
    return this.#options.isVerified ? reader : verifiedReader(reader, blob, `blob "${blob.digest}"`);
  }

  /** Everything that is not a blob of the image; `sizes` are those of the layers that were decompressed. */
  #metadata(layers: readonly Layer[], sizes: ReadonlyMap<Digest, number>): TarMember[] {
    const names = this.#image.names.map((name) => parseImageName(name));
    const dockerManifest = [{
      Config: blobPath(this.#content.config.digest),
      // Full names: podman puts short ones under "localhost/", Docker reads both alike.
      RepoTags: names.map((name) => name.full),
      Layers: layers.map((layer) => blobPath(layer.written)),
    }];
    // A layout must be whole: with layers left out only Docker's own list remains, which may name what is not there.
    const isWhole = layers.every((layer) => !layer.isPresent);
    return [
      ...(isWhole ? this.#layoutMembers(layers, sizes) : []),
      bytesMember("manifest.json", jsonBytes(dockerManifest)),
    ];
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

async function countBytes(reader: BlobReader): Promise<number> {
  let count = 0;
  let buffer = new Uint8Array(1 << 18);
  while (true) {
    const piece = await reader.read(buffer);
    if (piece.byteLength === 0) return count;
    count += piece.byteLength;
    buffer = new Uint8Array(piece.buffer);
  }
}

/** The length of a layer's tar as its descriptor has it, where we have built the image. */
function statedTarSize(layer: Descriptor): number | undefined {
  const text = layer.annotations?.[TAR_SIZE];
  return text !== undefined && /^[0-9]{1,15}$/.test(text) ? Number(text) : undefined;
}

function unsupported(why: string): ImageError {
  return new ImageError("unsupported", `Cannot write a docker archive: ${why}`);
}
