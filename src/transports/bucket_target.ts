import { ImageError, isImageError } from "../errors.ts";
import type { RetryOptions } from "../bytes/retry.ts";
import { copyChunkedLayer } from "../bucket/chunk_copy.ts";
import { CHUNK_FORMAT, recipeKey } from "../bucket/chunk_keys.ts";
import { ChunkPresence } from "../bucket/chunk_presence.ts";
import { findHeldBlobs } from "../bucket/find_blobs.ts";
import { checkBucketDigest } from "../bucket/keys.ts";
import { ReferrerLists, type ReferrerListsOptions } from "../bucket/referrer_lists.ts";
import { ReliedObjects } from "../bucket/relied_objects.ts";
import { readSettings, stampChunkFormat } from "../bucket/settings.ts";
import { TagWriter } from "../bucket/tag_writer.ts";
import type { BlobContent, ImageSource, ImageTarget, LinkResult } from "../image/places.ts";
import type { ObjectStore } from "../objects/object_store.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { countBytes } from "../bytes/blob_reader.ts";
import { blobPath, type Digest } from "../oci/digest.ts";
import type { Manifest } from "../oci/manifest.ts";
import { layerCompression } from "../oci/media_types.ts";
import { type BucketImage, BucketSource } from "./bucket_source.ts";

/** How a bucket is written to. */
export interface BucketTargetOptions {
  /** Whether a protected tag may be replaced all the same. */
  readonly force?: boolean;
  /** Whether what another bucket's server would copy by itself is read and checked here before. */
  readonly verifies?: boolean;
  readonly concurrentBlobs: number;
  readonly signal?: AbortSignal | undefined;
  /** How patiently the reading of a chunk is tried again. */
  readonly retry?: RetryOptions | undefined;
  readonly log?: ((line: string) => void) | undefined;
}

/** The chunk formats of the two sides of a copy. */
interface ChunkFormats {
  readonly sourceFormat: number;
  readonly targetFormat: number;
}

/** Writes one image into a bucket: blobs under their digests, the tag last. */
export class BucketTarget implements ImageTarget {
  readonly name: string;
  readonly limits: { readonly concurrentBlobs: number; readonly acceptsIndex: boolean };
  readonly #image: BucketImage & { readonly tag: string };
  readonly #tag: TagWriter;
  readonly #writing: ReferrerListsOptions;
  readonly #referrers: ReferrerLists;
  readonly #options: BucketTargetOptions;
  #chunkFormat: Promise<ChunkFormats | undefined> | undefined;
  readonly #presence: ChunkPresence;
  readonly #relied: ReliedObjects;
  #brokenRecipes: ReadonlySet<Digest> = new Set();
  /** Whether the tag means the planned root already: then what it consists of is referred to all the time. */
  #isTagged = false;

  /** A target for one tag; nothing is written yet. */
  constructor(image: BucketImage & { readonly tag: string }, options: BucketTargetOptions) {
    this.#image = image;
    this.#options = options;
    this.name = image.name;
    this.limits = { concurrentBlobs: options.concurrentBlobs, acceptsIndex: true };
    this.#presence = new ChunkPresence(image.store.objects);
    this.#relied = new ReliedObjects(image.store.objects);
    const { force = false, log, signal } = options;
    this.#writing = { name: image.name, force, log, signal };
    this.#tag = new TagWriter(image.store, image, this.#writing);
    this.#referrers = new ReferrerLists(image.store, image.image, this.#writing);
  }

  /** See {@linkcode ImageTarget.plan}. A protected tag that means this root already is fine. Throws `conflict`. */
  async plan(manifests: readonly Manifest[]): Promise<void> {
    const { digest } = this.#image;
    const root = manifests[0]?.descriptor.digest;
    if (digest !== undefined && root !== digest) {
      throw new ImageError("conflict", `Cannot write "${this.name}": what would be written has digest "${root}"`, {
        hint: "Leave the digest out of the target, or copy the image without --platform",
      });
    }
    if (root) checkBucketDigest(root);
    const current = await this.#tag.read();
    this.#isTagged = root !== undefined && current?.descriptor.digest === root;
    await this.#tag.check(root);
  }

  /** See {@linkcode ImageTarget.findBlobs}. */
  async findBlobs(blobs: readonly Descriptor[]): Promise<ReadonlySet<Digest>> {
    for (const blob of blobs) checkBucketDigest(blob.digest);
    const held = await findHeldBlobs(this.#image.store.objects, blobs, this.#presence);
    this.#brokenRecipes = held.brokenRecipes;
    if (!this.#isTagged) this.#relied.note(held.objects);
    return held.present;
  }

  /** See {@linkcode ImageTarget.linkBlob}. Chunks stay chunks; a blob that lies whole is copied by the store itself. */
  async linkBlob(content: BlobContent, source: ImageSource): Promise<LinkResult> {
    if (!(source instanceof BucketSource) || !source.isShared) return false;
    const [from, to] = [source.image.store.objects, this.#image.store.objects];
    const { blob } = content;
    if (layerCompression(blob.mediaType) === "zstd") {
      const copied = await this.#linkChunks(blob, source);
      if (copied !== undefined) return copied;
    }
    const key = blobPath(blob.digest);
    let looked: { readonly sourceEtag?: string } = {};
    // A store on this machine checks what it took; a far one has its server check what can be checked there.
    if (this.#options.verifies && !from.isLocal && !to.isLocal) {
      const found = await from.head(key);
      if (!found) return false;
      await using reader = await content.open();
      await countBytes(reader);
      looked = { sourceEtag: found.etag };
    }
    const options = { isBlob: true, digest: blob.digest, ...looked };
    if (!await to.copyFrom(from, key, key, blob.size, options)) return false;
    await this.#wroteWhole(blob);
    return "linked";
  }

  /** Undefined for a layer that does not lie in chunks; false for one whose chunks cannot be copied as they are. */
  async #linkChunks(layer: Descriptor, source: BucketSource): Promise<LinkResult | undefined> {
    const from = source.image.store.objects;
    const to = this.#image.store.objects;
    if (await from.head(recipeKey(layer.digest)) === undefined) return undefined;
    this.#chunkFormat ??= this.#prepareChunks(from, to);
    const formats = await this.#chunkFormat;
    if (!formats) return false;
    const copied = await copyChunkedLayer(from, to, {
      layer,
      ...formats,
      what: source.labelOf(layer),
      diffId: await source.diffIdOf(layer),
      presence: this.#presence,
      verifies: this.#options.verifies,
      signal: this.#options.signal,
      retry: this.#options.retry,
    });
    if (!copied) return undefined;
    this.#relied.note(copied.objects);
    if (copied.streamedBytes > 0) return "moved";
    return copied.chunksCopied > 0 || copied.kind === "whole" ? "linked" : "present";
  }

  /**
   * Finds out in which format chunks are cut on both sides, and notes it in a target that has none yet. Undefined where the
   * identity may not know: the layer's bytes are right whole, too.
   */
  async #prepareChunks(from: ObjectStore, to: ObjectStore): Promise<ChunkFormats | undefined> {
    const known = await Promise.all([readSettings(from), readSettings(to)]).catch((error) => {
      if (isImageError(error, "denied")) return undefined;
      throw error;
    });
    if (!known) return undefined;
    const [source, target] = known;
    const format = source.chunkFormat ?? CHUNK_FORMAT;
    if (target.chunkFormat === undefined) await stampChunkFormat(to, format);
    return { sourceFormat: format, targetFormat: target.chunkFormat ?? format };
  }

  /** See {@linkcode ImageTarget.writeBlob}. */
  async writeBlob(content: BlobContent): Promise<void> {
    const { digest, size } = content.blob;
    await this.#image.store.objects.writeStream(blobPath(digest), {
      sizeBytes: size,
      digest,
      open: () => content.open(),
      ...(content.countSent ? { countSent: () => content.countSent!() } : {}),
      openRest: (held) => content.open(held.sizeBytes, held),
    }, { isBlob: true });
    await this.#wroteWhole(content.blob);
  }

  async #wroteWhole({ digest, size }: Descriptor): Promise<void> {
    this.#relied.note([{ key: blobPath(digest), sizeBytes: size, modifiedAt: new Date() }]);
    // Readers believe a recipe before a whole blob, and this one leads nowhere.
    if (this.#brokenRecipes.has(digest)) await this.#image.store.objects.remove([recipeKey(digest)]);
  }

  /** See {@linkcode ImageTarget.writeManifest}. */
  async writeManifest(manifest: Manifest): Promise<void> {
    await this.#image.store.writeManifest(manifest);
    const { digest, size } = manifest.descriptor;
    this.#relied.note([{ key: blobPath(digest), sizeBytes: size, modifiedAt: new Date() }]);
    await this.#referrers.add(manifest);
  }

  /** See {@linkcode ImageTarget.writeTagged}. */
  async writeTagged(tag: string, manifest: Manifest): Promise<void> {
    const { store, image } = this.#image;
    const name = `${this.name} (${tag})`;
    const writer = new TagWriter(store, { image, tag }, { ...this.#writing, name });
    await writer.read();
    await writer.check(checkBucketDigest(manifest.descriptor.digest));
    if (manifest.content.subject) await this.writeManifest(manifest);
    await writer.write(manifest);
  }

  /** See {@linkcode ImageTarget.publish}. */
  async publish(root: Manifest): Promise<void> {
    // One that refers to another is found by its digest, and a tag's manifest lies at the tag only.
    if (root.content.subject) await this.writeManifest(root);
    await this.#relied.refresh();
    await this.#tag.write(root);
    await this.#relied.check();
  }

  /** Nothing is held open; what was written and not published is unreferenced and does no harm. */
  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}
