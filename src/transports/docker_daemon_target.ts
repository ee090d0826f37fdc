import { ImageError } from "../errors.ts";
import { LAYOUT_BYTES, layoutEntries, layoutIndex } from "../archive/layout_writer.ts";
import { type ImageName, type LayoutName, layoutNames, parseImageName } from "../archive/image_names.ts";
import { type BlobReader, bytesReader } from "../bytes/blob_reader.ts";
import { prefetched } from "../bytes/prefetch.ts";
import type { EngineClient } from "../engine/engine_client.ts";
import { compareVersions } from "../engine/engine_info.ts";
import type { BlobContent, ImageTarget, LinkResult, TargetLimits } from "../image/places.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { blobPath, type Digest, hexOf } from "../oci/digest.ts";
import { jsonBytes } from "../oci/json.ts";
import type { Manifest } from "../oci/manifest.ts";
import { layerCompression } from "../oci/media_types.ts";
import type { Platform } from "../oci/platform.ts";
import { artifactType, isArtifact } from "../oci/container_image.ts";
import { finishKeptLoad, isUnpacked, loadingName, platformToUnpack } from "./docker_daemon_load.ts";
import { openRawLayer } from "./docker_daemon_raw_layer.ts";
import {
  type DaemonPlan,
  findHeldContent,
  type FindManifest,
  type HeldContent,
  imageIdOf,
  imageIdOfName,
  type ReadConfig,
} from "./docker_daemon_reuse.ts";
import { TarStream } from "./docker_daemon_stream.ts";
import { LayerDiffIds } from "./layer_diff_ids.ts";

/** How a daemon is written to. */
export interface DaemonTargetOptions {
  /** Reads a config from the source: by it a classic store is asked for layers that it holds, which then are not sent. */
  readonly readConfig?: ReadConfig | undefined;
  /** Finds manifests of older versions in the source, to learn which blobs another daemon holds of them. */
  readonly findManifest?: FindManifest | undefined;
  /** Whether a name that stands for another image is left to that, and the copy refused. */
  readonly keepsOther?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** How many blobs may be under way: one is sent, the others wait with their first bytes read. */
const CONCURRENT_BLOBS = 4;

/** How far a waiting blob is read ahead: 8 buffers of 1 MiB. */
const PREFETCH = { bufferBytes: 1024 * 1024, count: 8 };

/** The first API version (Docker 23.0) whose classic store reads layers compressed with zstd. */
const ZSTD_API_VERSION = "1.42";

/**
 * Opens an image name in the daemon for writing.
 *
 * Throws `invalid-reference` for what is no name with a tag.
 */
export function openDaemonTarget(client: EngineClient, name: string, options: DaemonTargetOptions = {}): DaemonTarget {
  return new DaemonTarget(client, parseImageName(name), options);
}

/**
 * An image name in the daemon. Blobs flow into one load request as they come: as an OCI layout where the daemon keeps
 * manifests (containerd store, podman), else as a docker-archive. Nothing is stored here; leaving the scope before
 * `publish` cuts the request off, and the daemon drops what it got.
 */
export class DaemonTarget implements ImageTarget {
  readonly name: string;
  readonly limits: TargetLimits;
  readonly #client: EngineClient;
  readonly #name: ImageName;
  readonly #options: DaemonTargetOptions;
  readonly #tar: TarStream;
  readonly #written = new Set<Digest>();
  readonly #manifests = new Map<Digest, Manifest>();
  readonly #diffIds: LayerDiffIds | undefined;
  #plan: DaemonPlan | undefined;
  #platform: Platform | undefined;
  #held: HeldContent = { image: undefined, isWhole: false, blobs: new Set() };
  #leftOut = false;
  #loading: Promise<readonly string[]> | undefined;
  #imageId: Digest | undefined;

  /** Use {@linkcode openDaemonTarget}. */
  constructor(client: EngineClient, name: ImageName, options: DaemonTargetOptions) {
    this.#client = client;
    this.#name = name;
    this.#options = options;
    this.#tar = new TarStream({ endsAfterMismatch: client.info.store === "containerd" });
    this.#diffIds = options.readConfig && new LayerDiffIds(options.readConfig);
    this.name = name.full;
    this.limits = {
      concurrentBlobs: CONCURRENT_BLOBS,
      takesInOrder: true,
      acceptsIndex: client.info.store === "containerd",
      holdsReferrers: false,
    };
  }

  /** The ID that the image has in the daemon; undefined before `publish`. */
  get imageId(): Digest | undefined {
    return this.#imageId;
  }

  async plan(manifests: readonly Manifest[]): Promise<void> {
    const [root] = manifests;
    const images = manifests.filter((manifest) => manifest.content.kind !== "index");
    this.#plan = root && { root, images };
    if (root) await this.#check(root);
    for (const image of images) this.#diffIds?.note(image);
    this.#platform = root && await platformToUnpack(this.#client, root, this.#options.readConfig);
  }

  /** Refuses what this daemon cannot keep, or not under this name. */
  async #check(root: Manifest): Promise<void> {
    const { store } = this.#client.info;
    if (store !== "containerd" && isArtifact(root.content)) {
      const what = `it is an artifact (${artifactType(root.content)})`;
      throw new ImageError("unsupported", `Cannot load "${this.name}": ${what}, and this daemon keeps images only`, {
        hint: "Write it to a file or copy it to a registry instead",
      });
    }
    if (!this.#options.keepsOther) return;
    const id = await imageIdOfName(this.#client, this.#name.full, this.#options.signal);
    if (id === undefined || id === imageIdOf(this.#client, root)) return;
    throw new ImageError(
      "conflict",
      `Cannot call the image "${this.#name.familiar}", as nobody named a tag: another image has that name`,
      { hint: "Pass a name of your own: s3lo pull REF NAME:TAG" },
    );
  }

  /** Finds what the daemon holds of the image that was planned. */
  async findBlobs(blobs: readonly Descriptor[]): Promise<ReadonlySet<Digest>> {
    const plan = this.#plan;
    if (plan) this.#held = await findHeldContent(this.#client, { ...this.#options, plan, name: this.#name });
    const held = blobs.map((blob) => blob.digest).filter((digest) => this.#held.blobs.has(digest));
    this.#leftOut = held.length > 0;
    return new Set(held);
  }

  linkBlob(): Promise<LinkResult> {
    return Promise.resolve(false);
  }

  async writeBlob(content: BlobContent): Promise<void> {
    const { blob } = content;
    if (this.#written.has(blob.digest)) return;
    this.#written.add(blob.digest);
    this.#start();
    if (this.#mustDecompress(blob)) {
      const raw = await openRawLayer(content, await this.#diffIds?.of(blob.digest));
      await using reader = raw.content;
      await this.#tar.add({ path: this.#layerPath(blob), sizeBytes: raw.sizeBytes, content: reader });
    } else {
      await using reader = prefetched(await content.open(), PREFETCH);
      await this.#tar.add({ path: blobPath(blob.digest), sizeBytes: blob.size, content: reader });
    }
  }

  /** Keeps the manifest until the blobs are through: an image that the daemon has already needs its name only. */
  writeManifest(manifest: Manifest): Promise<void> {
    this.#manifests.set(manifest.descriptor.digest, manifest);
    return Promise.resolve();
  }

  async publish(root: Manifest): Promise<void> {
    const { signal } = this.#options;
    const { image, isWhole } = this.#held;
    const id = imageIdOf(this.#client, root);
    if (!this.#loading && image && isWhole && isUnpacked(image) && image.id === id) {
      const { full, tag } = this.#name;
      await this.#client.tagImage(id, full.slice(0, -tag.length - 1), tag, signal);
      this.#imageId = id;
      return;
    }
    await this.#finishTar(root);
    const loading = this.#loading!;
    this.#imageId = this.#client.info.store === "containerd" && id !== undefined
      ? await finishKeptLoad(this.#client, loading, {
        name: this.#name,
        id,
        before: image,
        leftOut: this.#leftOut,
        sent: new Set(this.#manifests.keys()),
        signal,
      })
      : await this.#checkLoaded(loading, id);
    this.#loading = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#loading) return;
    this.#tar.fail(new ImageError("aborted", `Stopped loading "${this.name}" before it was complete`));
    await this.#loading.catch(() => {});
  }

  /** Whether the daemon keeps manifests as they are; then it is sent an OCI layout. */
  get #keepsManifests(): boolean {
    return this.#client.info.store !== "classic";
  }

  /** Starts the request; its failure reaches whoever adds to the tar. */
  #start(): void {
    if (this.#loading) return;
    const { signal } = this.#options;
    this.#loading = this.#client.loadImage(this.#tar.body, { platform: this.#platform, signal }).catch((error) => {
      this.#tar.fail(error);
      throw error;
    });
    this.#loading.catch(() => {});
  }

  async #finishTar(root: Manifest): Promise<void> {
    this.#start();
    if (this.#keepsManifests) {
      this.#manifests.set(root.descriptor.digest, root);
      for (const { descriptor, bytes } of this.#manifests.values()) {
        await this.#addBytes(blobPath(descriptor.digest), bytes);
      }
      await this.#addBytes("oci-layout", LAYOUT_BYTES);
      await this.#addBytes("index.json", layoutIndex(layoutEntries(root.descriptor, this.#loadingNames())));
    }
    // Podman falls back to it where it cannot read a manifest, for example one that mixes Docker's and OCI's media types.
    if (this.#client.info.store !== "containerd") await this.#addBytes("manifest.json", this.#archiveManifest(root));
    this.#tar.end();
  }

  #loadingNames(): LayoutName[] {
    if (this.#client.info.store !== "containerd") return [{ ref: this.#name.tag, full: this.#name.full }];
    const name = loadingName(this.#client, this.#name.full, this.#held.image);
    return name === undefined ? [] : layoutNames(undefined, [name]);
  }

  /** The docker-archive's list of one image. Throws `unsupported` for an index. */
  #archiveManifest(root: Manifest): Uint8Array {
    if (root.content.kind !== "image") {
      throw new ImageError("unsupported", `Cannot load "${this.name}": this daemon keeps one platform of an image`, {
        hint: "Choose one with --platform",
      });
    }
    const { config, layers } = root.content;
    return jsonBytes([{
      Config: blobPath(config.digest),
      RepoTags: [this.#name.full],
      Layers: layers.map((layer) => this.#layerPath(layer)),
    }]);
  }

  #layerPath(layer: Descriptor): string {
    return this.#mustDecompress(layer) ? `${hexOf(layer.digest)}.tar` : blobPath(layer.digest);
  }

  #mustDecompress(blob: Descriptor): boolean {
    const { store, apiVersion } = this.#client.info;
    return store === "classic" && layerCompression(blob.mediaType) === "zstd" &&
      compareVersions(apiVersion, ZSTD_API_VERSION) < 0;
  }

  async #addBytes(path: string, bytes: Uint8Array): Promise<void> {
    const content: BlobReader = bytesReader(bytes);
    await this.#tar.add({ path, sizeBytes: bytes.byteLength, content });
  }

  /** Makes sure that the name stands for the image that was sent. */
  async #checkLoaded(loading: Promise<unknown>, expected: Digest | undefined): Promise<Digest> {
    await loading;
    const image = await this.#client.inspectImage(this.#name.full, this.#options.signal);
    if (expected === undefined || image.id === expected) return image.id;
    throw new ImageError(
      "conflict",
      `Cannot load "${this.name}": the daemon has image "${image.id}" by that name, not "${expected}"`,
    );
  }
}
