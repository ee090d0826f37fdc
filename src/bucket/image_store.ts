import { ImageError, isImageError } from "../errors.ts";
import type { BlobReader, ByteRange } from "../bytes/blob_reader.ts";
import { mapPool } from "../bytes/pool.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { blobPath, type Digest } from "../oci/digest.ts";
import { type Manifest, MAX_MANIFEST_BYTES, readManifest } from "../oci/manifest.ts";
import { layerCompression } from "../oci/media_types.ts";
import { isDigestTag, referrersTag } from "../oci/referrers.ts";
import type { RawLayer } from "../image/places.ts";
import type { ObjectStore, WriteCondition } from "../objects/object_store.ts";
import { type ChunkDecoder, openRawLayer } from "./chunked_layer.ts";
import { openLayer, readRecipeOnce, type RecipeCache } from "./find_layer.ts";
import { isMultiplied, proveRawLayer } from "./prove_layer.ts";
import { openWrappedLayer, wrappedCompression } from "./wrapped_layer.ts";
import {
  checkBucketDigest,
  compareTags,
  type ImageTag,
  listedNames,
  parseTagKey,
  tagKey,
  TAGS_PREFIX,
} from "./keys.ts";

/** How many tags are read at once when a digest is looked for. */
const PARALLEL_TAGS = 16;

/** How a blob is opened. */
export interface OpenBlobOptions {
  /** Names the blob in errors, with the image that it is of. */
  readonly what?: string | undefined;
  /** Gives the diff id that the image's config has for the layer; asked only where the layer lies in chunks. */
  readonly diffId?: (() => Promise<Digest | undefined>) | undefined;
}

/** A tag as it is now. */
export interface StoredTag {
  readonly manifest: Manifest;
  /** For a conditional write; see {@linkcode WriteCondition}. */
  readonly etag: string;
}

/** Images in a bucket: what lies where, over any object store. */
export class ImageStore {
  readonly objects: ObjectStore;
  /** Recipes read so far: the ranges of one layer need the same one. */
  readonly #recipes: RecipeCache = new Map();

  /** An image store in the given objects. */
  constructor(objects: ObjectStore) {
    this.objects = objects;
  }

  /** What a tag means now; undefined when there is no such tag. Throws `invalid-input` when it is no manifest. */
  async readTag(image: string, tag: string): Promise<StoredTag | undefined> {
    const found = await this.objects.read(tagKey(image, tag), MAX_MANIFEST_BYTES);
    if (!found) return undefined;
    return { manifest: readManifest(found.bytes, `manifest of "${this.#nameOf(image, tag)}"`), etag: found.etag };
  }

  /**
   * The manifest with a digest: the blob of that name, else the tag of the image whose bytes have it (a root lies at its
   * tags only). Throws `not-found`.
   */
  async readDigest(image: string, digest: Digest): Promise<Manifest> {
    const blob = await this.#readBlobManifest({ mediaType: "", digest, size: -1 });
    if (blob) return blob;
    let manifest: Manifest | undefined;
    await mapPool(await this.listTags(image), PARALLEL_TAGS, async ({ tag }) => {
      if (manifest) return;
      const stored = await this.readTag(image, tag).catch((error) => {
        if (isImageError(error, "invalid-input")) return undefined;
        throw error;
      });
      if (stored?.manifest.descriptor.digest === digest) manifest = stored.manifest;
    });
    if (!manifest) {
      throw new ImageError("not-found", `Cannot find "${digest}" in image "${image}" of "${this.objects.name}"`);
    }
    return manifest;
  }

  /** A manifest that another one names. Throws `not-found`, `digest-mismatch`. */
  async readChild(child: Descriptor): Promise<Manifest> {
    const manifest = await this.#readBlobManifest(child);
    if (!manifest) throw new ImageError("not-found", `There is no blob "${child.digest}" in "${this.objects.name}"`);
    return manifest;
  }

  /** Opens a blob's bytes as the manifest means them, stored whole or in chunks, or a range of them. Throws `not-found`. */
  async openBlob(blob: Descriptor, range?: ByteRange, options: OpenBlobOptions = {}): Promise<BlobReader> {
    checkBucketDigest(blob.digest);
    return await openLayer(this.objects, blob, { ...options, range, recipes: this.#recipes });
  }

  /**
   * Opens the raw tar of a layer that lies in chunks, each chunk and the whole checked; undefined for any other layer.
   *
   * Throws `invalid-input` for a recipe that breaks a rule or makes another layer.
   */
  async openRawLayer(
    layer: Descriptor,
    diffId: Digest,
    options: {
      readonly what?: string | undefined;
      readonly decode?: ChunkDecoder | undefined;
      readonly signal?: AbortSignal | undefined;
    } = {},
  ): Promise<RawLayer | undefined> {
    checkBucketDigest(layer.digest);
    if (layerCompression(layer.mediaType) !== "zstd") return undefined;
    const recipe = await readRecipeOnce(this.objects, layer, { what: options.what, recipes: this.#recipes });
    if (!recipe) return undefined;
    const { what, signal } = options;
    const compression = await wrappedCompression(this.objects, recipe, { what, signal, diffId });
    if (compression) return await openWrappedLayer(this.objects, recipe, { ...options, diffId, compression });
    if (isMultiplied(recipe)) await proveRawLayer(this.objects, recipe, { ...options, diffId });
    return { sizeBytes: recipe.rawSizeBytes, content: openRawLayer(this.objects, recipe, { ...options, diffId }) };
  }

  /** Writes a manifest under its digest. */
  async writeManifest(manifest: Manifest): Promise<void> {
    await this.objects.write(blobPath(checkBucketDigest(manifest.descriptor.digest)), manifest.bytes);
  }

  /** Makes a tag mean this manifest, if the condition holds. Throws `conflict`. */
  async writeTag(image: string, tag: string, manifest: Manifest, condition?: WriteCondition): Promise<void> {
    await this.objects.write(tagKey(image, tag), manifest.bytes, condition ? { condition } : {});
  }

  /** All tags of an image, sorted. Not those of images below it (`app` and `app/x`). */
  async listTags(image: string): Promise<readonly ImageTag[]> {
    const tags = await this.list(`${image}/`);
    return tags.filter((each) => each.image === image);
  }

  /** The tags of an image that were written last, the newest first. */
  async newestTags(image: string, count: number): Promise<readonly string[]> {
    const tags: { readonly tag: string; readonly modifiedAt: Date }[] = [];
    const names = listedNames(this.objects.name);
    for await (const page of this.objects.list(`${TAGS_PREFIX}${image}/`)) {
      for (const { key, modifiedAt } of page) {
        const parsed = parseTagKey(key);
        if (parsed?.image !== image || isDigestTag(parsed.tag)) continue;
        names.add(parsed.tag);
        tags.push({ tag: parsed.tag, modifiedAt });
      }
    }
    tags.sort((left, right) => right.modifiedAt.getTime() - left.modifiedAt.getTime());
    return tags.slice(0, count).map((each) => each.tag);
  }

  /**
   * All tags of all images whose names start with `prefix` (empty, or ending in `/`); sorted by image, then tag.
   *
   * Throws `invalid-input` when there are more than can be held.
   */
  async list(prefix: string): Promise<readonly ImageTag[]> {
    const tags: ImageTag[] = [];
    const names = listedNames(this.objects.name);
    for await (const page of this.objects.list(TAGS_PREFIX + prefix)) {
      for (const { key } of page) {
        const tag = parseTagKey(key);
        if (!tag) continue;
        names.add(tag.image, tag.tag);
        tags.push(tag);
      }
    }
    return tags.sort(compareTags);
  }

  /** The manifests that refer to a subject. */
  async referrers(image: string, subject: Digest): Promise<readonly Descriptor[]> {
    const stored = await this.readTag(image, referrersTag(subject));
    return stored?.manifest.content.kind === "index" ? stored.manifest.content.manifests : [];
  }

  async #readBlobManifest(child: Descriptor): Promise<Manifest | undefined> {
    const found = await this.objects.read(blobPath(checkBucketDigest(child.digest)), MAX_MANIFEST_BYTES);
    if (!found) return undefined;
    const what = `manifest "${child.digest}" of "${this.objects.name}"`;
    return child.size < 0
      ? readManifest(found.bytes, what, { digest: child.digest })
      : readManifest(found.bytes, what, { expected: child });
  }

  #nameOf(image: string, tag: string): string {
    return `${this.objects.name}${this.objects.name.startsWith("local://") ? "//" : "/"}${image}:${tag}`;
  }
}
