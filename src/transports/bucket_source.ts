import { ImageError, isImageError } from "../errors.ts";
import type { BlobReader, ByteRange } from "../bytes/blob_reader.ts";
import { ChunkWorkers } from "../bucket/chunk_workers.ts";
import type { ChunkDecoder } from "../bucket/chunked_layer.ts";
import type { ImageStore } from "../bucket/image_store.ts";
import { LegacyImage } from "../bucket/legacy_v1.ts";
import { readSignatures } from "../bucket/signatures.ts";
import { readLayerStates, wholeState } from "../bucket/layer_states.ts";
import { mapPool } from "../bytes/pool.ts";
import type { ImageSource, LayerState, RawLayer, SignatureRecord, Withheld } from "../image/places.ts";
import { readSmallBlob } from "../image/select_platforms.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import type { Manifest } from "../oci/manifest.ts";
import { isImageConfig, LayerDiffIds } from "./layer_diff_ids.ts";

/** Layers looked up at once, where each has to be. */
const PARALLEL_LOOKUPS = 16;

/** Threads that unpack chunks: as many as chunks are read ahead of a layer. */
const MAX_UNPACKERS = 4;

/** Which image of a bucket a place is. */
export interface BucketImage {
  readonly store: ImageStore;
  readonly image: string;
  readonly tag: string | undefined;
  readonly digest: Digest | undefined;
  /** The reference as the user wrote it. */
  readonly name: string;
}

/** Reads one image of a bucket. */
export class BucketSource implements ImageSource {
  readonly name: string;
  readonly parallelRanges: number;
  readonly image: BucketImage;
  /** See {@linkcode ImageSource.withheld}. */
  readonly withheld: Set<Withheld> = new Set();
  /** The image in the layout of the first version, where it lies in that one. */
  #legacy: LegacyImage | undefined;
  #root: Digest | undefined;
  readonly #diffIds = new LayerDiffIds((config) => readSmallBlob(this, config));
  #workers: ChunkWorkers | undefined;

  /** A source for one image; nothing is read yet. */
  constructor(image: BucketImage) {
    this.image = image;
    this.name = image.name;
    this.parallelRanges = image.store.objects.parallelRanges;
  }

  /** See {@linkcode ImageSource.root}. */
  async root(): Promise<Manifest> {
    const root = await this.#readRoot();
    this.#root = root.descriptor.digest;
    this.#diffIds.note(root);
    return root;
  }

  async #readRoot(): Promise<Manifest> {
    const { store, image, tag, digest } = this.image;
    if (tag === undefined) {
      if (digest === undefined) {
        throw new ImageError("invalid-reference", `Invalid reference "${this.name}": it names no tag`);
      }
      return await store.readDigest(image, digest);
    }
    const stored = await store.readTag(image, tag);
    if (!stored) {
      this.#legacy = await LegacyImage.open(store.objects, { image, tag, digest });
      if (!this.#legacy) throw await this.#notFound(tag);
      return this.#legacy.root;
    }
    if (digest !== undefined && stored.manifest.descriptor.digest !== digest) {
      throw new ImageError(
        "digest-mismatch",
        `Cannot use "${this.name}": the tag is "${stored.manifest.descriptor.digest}" now`,
      );
    }
    return stored.manifest;
  }

  /** See {@linkcode ImageSource.manifest}. */
  async manifest(child: Descriptor): Promise<Manifest> {
    const manifest = await this.#legacy?.manifest(child) ?? await this.image.store.readChild(child);
    this.#diffIds.note(manifest);
    return manifest;
  }

  /** See {@linkcode ImageSource.openBlob}. */
  async openBlob(blob: Descriptor, range?: ByteRange): Promise<BlobReader> {
    if (this.#legacy) return await this.#legacy.openBlob(blob, range);
    // A config has none, and reading one must never wait for another.
    const diffId = isImageConfig(blob) ? undefined : () => this.diffIdOf(blob);
    return await this.image.store.openBlob(blob, range, { what: this.labelOf(blob), diffId });
  }

  /** See {@linkcode ImageSource.openRawLayer}. Layers in chunks are unpacked chunk by chunk, on several cores. */
  async openRawLayer(layer: Descriptor, diffId: Digest, signal?: AbortSignal): Promise<RawLayer | undefined> {
    if (this.#legacy) return undefined;
    const options = { what: this.labelOf(layer), decode: this.#decoder(), signal };
    return await this.image.store.openRawLayer(layer, diffId, options);
  }

  /** The diff id of a layer of the manifests read so far, as its image's config has it; undefined where none has. */
  async diffIdOf(layer: Descriptor): Promise<Digest | undefined> {
    return await this.#diffIds.of(layer.digest);
  }

  /** What a blob of this image is called in errors. */
  labelOf(blob: Descriptor): string {
    return `${isImageConfig(blob) ? "config" : "layer"} "${blob.digest}" of "${this.name}"`;
  }

  /** See {@linkcode ImageSource.storedLayers}. */
  async storedLayers(layers: readonly Descriptor[]): Promise<ReadonlyMap<Digest, LayerState>> {
    const usable = layers.filter((layer) => layer.digest.startsWith("sha256:"));
    const legacy = this.#legacy;
    if (!legacy) return await readLayerStates(this.image.store.objects, usable);
    const state = async (layer: Descriptor) => [layer.digest, wholeState(layer, await legacy.findBlob(layer))] as const;
    return new Map(await mapPool(usable, PARALLEL_LOOKUPS, state));
  }

  /** See {@linkcode ImageSource.referrers}. */
  async referrers(subject: Digest): Promise<readonly Descriptor[]> {
    const { store, image } = this.image;
    return await this.#unlessDenied("referrers", () => store.referrers(image, subject)) ?? [];
  }

  /** See {@linkcode ImageSource.tagged}. */
  async tagged(tag: string): Promise<Manifest | undefined> {
    const { store, image } = this.image;
    return (await this.#unlessDenied("referrers", () => store.readTag(image, tag)))?.manifest;
  }

  /** See {@linkcode ImageSource.signatures}. */
  async signatures(): Promise<readonly SignatureRecord[]> {
    const { store, image, tag } = this.image;
    if (tag === undefined || this.#legacy) return [];
    const records = await this.#unlessDenied("signatures", () => readSignatures(store.objects, image, tag));
    return (records ?? []).map((each) => ({
      key_ref: each.keyRef,
      key_id: each.keyId,
      signed_at: each.signedAt,
      digest: each.digest,
      current: each.digest === this.#root,
    }));
  }

  /** Reads what only goes with the image; who may not list a bucket gets no other answer for what is not there. */
  async #unlessDenied<T>(what: Withheld, read: () => Promise<T>): Promise<T | undefined> {
    try {
      return await read();
    } catch (error) {
      if (!isImageError(error, "denied")) throw error;
      this.withheld.add(what);
      return undefined;
    }
  }

  /** Whether the blobs lie where every image of the store has them, so that they can be copied object by object. */
  get isShared(): boolean {
    return this.#legacy === undefined;
  }

  /** Ends the threads that unpacked chunks. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#workers?.[Symbol.asyncDispose]();
  }

  /** Unpacks on other cores, where enough of them are left beside this one and whoever takes the layers. */
  #decoder(): ChunkDecoder | undefined {
    const spare = Math.min(MAX_UNPACKERS, navigator.hardwareConcurrency - 2);
    if (spare < 1) return undefined;
    const workers = this.#workers ??= new ChunkWorkers(spare);
    return (...args) => workers.decode(...args);
  }

  async #notFound(tag: string): Promise<ImageError> {
    const { store, image } = this.image;
    const others = await store.listTags(image).catch(() => []);
    const shown = others.slice(0, 8).map((each) => each.tag).join(", ");
    return new ImageError(
      "not-found",
      `Cannot find "${this.name}": there is no tag "${tag}" of image "${image}" in "${store.objects.name}"`,
      {
        hint: others.length > 0
          ? `Use one of its tags: ${shown}${others.length > 8 ? ", …" : ""}`
          : `List what is there with: s3lo list ${store.objects.name}`,
      },
    );
  }
}
