import { ImageError, isImageError } from "../errors.ts";
import type { BlobReader, ByteRange } from "../bytes/blob_reader.ts";
import { findStoredBlobs } from "../bucket/find_blobs.ts";
import type { ImageStore } from "../bucket/image_store.ts";
import { checkBucketDigest } from "../bucket/keys.ts";
import { readSettings, settingsOf } from "../bucket/settings.ts";
import type { BlobContent, ImageSource, ImageTarget } from "../image/places.ts";
import type { WriteCondition } from "../objects/object_store.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { blobPath, type Digest } from "../oci/digest.ts";
import type { Manifest } from "../oci/manifest.ts";

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

  /** A source for one image; nothing is read yet. */
  constructor(image: BucketImage) {
    this.image = image;
    this.name = image.name;
    this.parallelRanges = image.store.objects.parallelRanges;
  }

  /** See {@linkcode ImageSource.root}. */
  async root(): Promise<Manifest> {
    const { store, image, tag, digest } = this.image;
    if (tag === undefined) {
      if (digest === undefined) {
        throw new ImageError("invalid-reference", `Invalid reference "${this.name}": it names no tag`);
      }
      return await store.readDigest(image, digest);
    }
    const stored = await store.readTag(image, tag);
    if (!stored) throw await this.#notFound(tag);
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
    return await this.image.store.readChild(child);
  }

  /** See {@linkcode ImageSource.openBlob}. */
  async openBlob(blob: Descriptor, range?: ByteRange): Promise<BlobReader> {
    return await this.image.store.openBlob(blob, range);
  }

  /** See {@linkcode ImageSource.referrers}. */
  async referrers(subject: Digest): Promise<readonly Descriptor[]> {
    return await this.image.store.referrers(this.image.image, subject);
  }

  /** Nothing is held open. */
  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
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

/** How a bucket is written to. */
export interface BucketTargetOptions {
  /** Whether a protected tag may be replaced all the same. */
  readonly force?: boolean;
  readonly concurrentBlobs: number;
}

/** Writes one image into a bucket: blobs under their digests, the tag last. */
export class BucketTarget implements ImageTarget {
  readonly name: string;
  readonly limits: { readonly concurrentBlobs: number; readonly acceptsIndex: boolean };
  readonly #image: BucketImage & { readonly tag: string };
  readonly #force: boolean;
  #condition: WriteCondition | undefined;
  /** The tag as it was when the copy was planned; without a digest where it could not be read. */
  #current: { readonly digest?: Digest } | undefined;

  /** A target for one tag; nothing is written yet. */
  constructor(image: BucketImage & { readonly tag: string }, options: BucketTargetOptions) {
    this.#image = image;
    this.name = image.name;
    this.limits = { concurrentBlobs: options.concurrentBlobs, acceptsIndex: true };
    this.#force = options.force ?? false;
  }

  /**
   * Finds out whether the tag may become this root. A protected tag that means it already is fine. Throws `conflict`.
   */
  async plan(manifests: readonly Manifest[]): Promise<void> {
    const { store, image, tag, digest } = this.#image;
    const root = manifests[0]?.descriptor.digest;
    if (digest !== undefined && root !== digest) {
      throw new ImageError("conflict", `Cannot write "${this.name}": what would be written has digest "${root}"`, {
        hint: "Leave the digest out of the target, or copy the image without --platform",
      });
    }
    if (root) checkBucketDigest(root);
    this.#current = await this.#readCurrent(store, image, tag);
    if (this.#force) return;
    if (!settingsOf(await readSettings(store.objects), image).immutable) return;
    if (this.#current === undefined) this.#condition = { absent: true };
    else if (this.#current.digest !== root) throw this.#protected();
  }

  /** See {@linkcode ImageTarget.findBlobs}. */
  async findBlobs(blobs: readonly Descriptor[]): Promise<ReadonlySet<Digest>> {
    for (const blob of blobs) checkBucketDigest(blob.digest);
    return await findStoredBlobs(this.#image.store.objects, blobs);
  }

  /** See {@linkcode ImageTarget.linkBlob}. */
  async linkBlob(blob: Descriptor, source: ImageSource): Promise<boolean> {
    if (!(source instanceof BucketSource)) return false;
    const key = blobPath(blob.digest);
    return await this.#image.store.objects.copyFrom(source.image.store.objects, key, key, blob.size, { isBlob: true });
  }

  /** See {@linkcode ImageTarget.writeBlob}. */
  async writeBlob(content: BlobContent): Promise<void> {
    const { digest, size } = content.blob;
    await this.#image.store.objects.writeStream(blobPath(digest), {
      sizeBytes: size,
      digest,
      open: () => content.open(),
    }, { isBlob: true });
  }

  /** See {@linkcode ImageTarget.writeManifest}. */
  async writeManifest(manifest: Manifest): Promise<void> {
    await this.#image.store.writeManifest(manifest);
    await this.#image.store.addReferrer(this.#image.image, manifest);
  }

  /** See {@linkcode ImageTarget.publish}. */
  async publish(root: Manifest): Promise<void> {
    const { store, image, tag } = this.#image;
    if (root.content.subject) await store.addReferrer(image, root);
    if (this.#current?.digest === root.descriptor.digest) return;
    try {
      await store.writeTag(image, tag, root, this.#condition);
    } catch (error) {
      if (!this.#condition || !isImageError(error, "conflict")) throw error;
      // Somebody else was first. That is fine if they published the same image.
      const winner = await store.readTag(image, tag);
      if (winner?.manifest.descriptor.digest !== root.descriptor.digest) throw this.#protected();
    }
  }

  /** Nothing is held open; what was written and not published is unreferenced and does no harm. */
  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }

  async #readCurrent(store: ImageStore, image: string, tag: string): Promise<{ readonly digest?: Digest } | undefined> {
    try {
      const stored = await store.readTag(image, tag);
      return stored && { digest: stored.manifest.descriptor.digest };
    } catch (error) {
      if (!isImageError(error, "invalid-input")) throw error;
      return {};
    }
  }

  #protected(): ImageError {
    const { image, tag } = this.#image;
    return new ImageError(
      "conflict",
      `Cannot write "${this.name}": tag "${tag}" of "${image}" exists and is immutable`,
      {
        hint: "Use another tag, or --force to replace it",
      },
    );
  }
}
