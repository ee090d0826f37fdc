import { ImageError } from "../errors.ts";
import { copyChunkedLayer } from "../bucket/chunk_copy.ts";
import { CHUNK_FORMAT, recipeKey } from "../bucket/chunk_keys.ts";
import { ChunkPresence } from "../bucket/chunk_presence.ts";
import { findStoredBlobs } from "../bucket/find_blobs.ts";
import { checkBucketDigest } from "../bucket/keys.ts";
import { readSettings, stampChunkFormat } from "../bucket/settings.ts";
import { TagWriter } from "../bucket/tag_writer.ts";
import type { BlobContent, ImageSource, ImageTarget, LinkResult } from "../image/places.ts";
import type { ObjectStore } from "../objects/object_store.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { blobPath, type Digest } from "../oci/digest.ts";
import type { Manifest } from "../oci/manifest.ts";
import { layerCompression } from "../oci/media_types.ts";
import { type BucketImage, BucketSource } from "./bucket_source.ts";

/** How a bucket is written to. */
export interface BucketTargetOptions {
  /** Whether a protected tag may be replaced all the same. */
  readonly force?: boolean;
  readonly concurrentBlobs: number;
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
  #chunkFormat: Promise<ChunkFormats> | undefined;
  #presence: ChunkPresence | undefined;

  /** A target for one tag; nothing is written yet. */
  constructor(image: BucketImage & { readonly tag: string }, options: BucketTargetOptions) {
    this.#image = image;
    this.name = image.name;
    this.limits = { concurrentBlobs: options.concurrentBlobs, acceptsIndex: true };
    this.#tag = new TagWriter(image.store, image, {
      name: image.name,
      force: options.force ?? false,
      log: options.log,
    });
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
    await this.#tag.read();
    await this.#tag.check(root);
  }

  /** See {@linkcode ImageTarget.findBlobs}. */
  async findBlobs(blobs: readonly Descriptor[]): Promise<ReadonlySet<Digest>> {
    for (const blob of blobs) checkBucketDigest(blob.digest);
    return await findStoredBlobs(this.#image.store.objects, blobs);
  }

  /** See {@linkcode ImageTarget.linkBlob}. Chunks stay chunks; a blob that lies whole is copied by the store itself. */
  async linkBlob(content: BlobContent, source: ImageSource): Promise<LinkResult> {
    if (!(source instanceof BucketSource) || !source.isShared) return false;
    const [from, to] = [source.image.store.objects, this.#image.store.objects];
    const { blob } = content;
    if (layerCompression(blob.mediaType) === "zstd") {
      const copied = await this.#linkChunks(blob, from);
      if (copied) return copied;
    }
    // Where reading costs nothing the bytes are checked first; a far store's copy is checked by length, and by whoever reads.
    if (from.isLocal && to.isLocal) await drain(content);
    const key = blobPath(blob.digest);
    return await to.copyFrom(from, key, key, blob.size, { isBlob: true }) && "linked";
  }

  async #linkChunks(layer: Descriptor, from: ObjectStore): Promise<LinkResult> {
    const to = this.#image.store.objects;
    if (await from.head(recipeKey(layer.digest)) === undefined) return false;
    this.#chunkFormat ??= this.#prepareChunks(from, to);
    const formats = await this.#chunkFormat;
    const presence = this.#presence ??= new ChunkPresence(to);
    const copied = await copyChunkedLayer(from, to, { layer, ...formats, presence });
    if (!copied) return false;
    if (copied.streamedBytes > 0) return "moved";
    return copied.chunksCopied > 0 || copied.kind === "whole" ? "linked" : "present";
  }

  /** Finds out in which format chunks are cut on both sides, and notes it in a target that has none yet. */
  async #prepareChunks(from: ObjectStore, to: ObjectStore): Promise<ChunkFormats> {
    const [source, target] = await Promise.all([readSettings(from), readSettings(to)]);
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
      openRest: (held) => content.open(held.sizeBytes, held),
    }, { isBlob: true });
  }

  /** See {@linkcode ImageTarget.writeManifest}. */
  async writeManifest(manifest: Manifest): Promise<void> {
    await this.#image.store.writeManifest(manifest);
    await this.#image.store.addReferrer(this.#image.image, manifest);
  }

  /** See {@linkcode ImageTarget.publish}. */
  async publish(root: Manifest): Promise<void> {
    if (root.content.subject) await this.#image.store.addReferrer(this.#image.image, root);
    await this.#tag.write(root);
  }

  /** Nothing is held open; what was written and not published is unreferenced and does no harm. */
  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

/** Reads a blob to its end, for the check that is at the end. */
async function drain(content: BlobContent): Promise<void> {
  await using reader = await content.open();
  let buffer = new Uint8Array(1024 * 1024);
  for (let piece = await reader.read(buffer); piece.byteLength > 0; piece = await reader.read(buffer)) {
    buffer = new Uint8Array(piece.buffer);
  }
}
