import type { BlobReader, ByteRange } from "../bytes/blob_reader.ts";
import { isImageError } from "../errors.ts";
import type { ObjectStore } from "../objects/object_store.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { blobPath, type Digest } from "../oci/digest.ts";
import { type Manifest, MAX_MANIFEST_BYTES, readManifest } from "../oci/manifest.ts";
import { MEDIA_TYPES } from "../oci/media_types.ts";

/**
 * The key of a tag as the Go tool v1.0 wrote it, at the root of the bucket: `<image>/<tag>/manifest.json`.
 *
 * `image` and `tag` are checked names. Keys are built whole and never used as prefixes: `app/v1` must not take `app/v10`.
 */
function legacyManifestKey(image: string, tag: string): string {
  return `${image}/${tag}/manifest.json`;
}

/** The key of a blob that belongs to such a tag alone: `<image>/<tag>/blobs/sha256/<hex>`. */
function legacyBlobKey(image: string, tag: string, blob: Digest): string {
  return `${image}/${tag}/${blobPath(blob)}`;
}

/** The key of the copy of the image's config beside such a tag's manifest: `<image>/<tag>/config.json`. */
function legacyConfigKey(image: string, tag: string): string {
  return `${image}/${tag}/config.json`;
}

/** Whether names can be those of a v1.0 tag: what lies below the top-level folders of later layouts never is one. */
export function isLegacyName(image: string): boolean {
  return !LATER_FOLDERS.has(image.split("/", 1)[0] ?? "");
}

/** The top-level folders of later layouts. */
export const LATER_FOLDERS: ReadonlySet<string> = new Set(["blobs", "chunks", "indexes", "manifests", "recipes"]);

/**
 * One image in the v1.0 layout, read-only: nothing of it is shared with other tags.
 *
 * Like every source it hands out bytes as they are stored; manifests below the root are checked against their descriptors
 * here, blobs by the copier.
 */
export class LegacyImage {
  /** What the tag's `manifest.json` holds. */
  readonly root: Manifest;
  readonly #store: ObjectStore;
  readonly #image: string;
  readonly #tag: string;

  private constructor(store: ObjectStore, image: string, tag: string, root: Manifest) {
    this.#store = store;
    this.#image = image;
    this.#tag = tag;
    this.root = root;
  }

  /**
   * Opens a v1.0 tag; undefined when there is none.
   *
   * `digest`: what the manifest must be, where the reference says so. Throws `digest-mismatch`, `invalid-input`.
   */
  static async open(
    store: ObjectStore,
    name: { readonly image: string; readonly tag: string; readonly digest?: Digest | undefined },
  ): Promise<LegacyImage | undefined> {
    const { image, tag, digest } = name;
    if (!isLegacyName(image)) return undefined;
    const object = await store.read(legacyManifestKey(image, tag), MAX_MANIFEST_BYTES);
    if (!object) return undefined;
    const root = readManifest(object.bytes, `manifest of "${store.name}/${image}:${tag}"`, { digest });
    return new LegacyImage(store, image, tag, root);
  }

  /** Looks a blob up; its length as stored, or undefined when the tag's folder lacks it. */
  async findBlob(blob: Descriptor): Promise<number | undefined> {
    return (await this.#store.head(legacyBlobKey(this.#image, this.#tag, blob.digest)))?.sizeBytes;
  }

  /**
   * Opens a blob's bytes as stored, or a range of them. Throws `not-found`.
   *
   * A config that is missing among the blobs is read from its copy beside the manifest.
   */
  async openBlob(blob: Descriptor, range?: ByteRange): Promise<BlobReader> {
    try {
      return await this.#store.open(legacyBlobKey(this.#image, this.#tag, blob.digest), range);
    } catch (error) {
      if (!isImageError(error, "not-found") || !isConfig(blob)) throw error;
      return await this.#store.open(legacyConfigKey(this.#image, this.#tag), range).catch(() => {
        throw error;
      });
    }
  }

  /** A manifest that the root (an index) names, checked against its descriptor. Throws `not-found`, `digest-mismatch`. */
  async manifest(child: Descriptor): Promise<Manifest | undefined> {
    const object = await this.#store.read(legacyBlobKey(this.#image, this.#tag, child.digest), MAX_MANIFEST_BYTES);
    return object && readManifest(object.bytes, `manifest "${child.digest}"`, { expected: child });
  }
}

function isConfig(blob: Descriptor): boolean {
  return blob.mediaType === MEDIA_TYPES.ociConfig || blob.mediaType === MEDIA_TYPES.dockerConfig;
}
