import { isImageError } from "../errors.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import { readImageConfig } from "../oci/image_config.ts";
import { blobsOf, type ImageManifest, type Manifest } from "../oci/manifest.ts";
import { ManifestTotals, walkIndex } from "./index_walk.ts";
import type { ImageSource, ImageTarget } from "./places.ts";
import { readSmallBlob } from "./select_platforms.ts";

/** How many images of a repository are looked at: the one under the tag itself and a few others. */
const MAX_LOOKED_AT = 8;

/** How many entries of an index are read: platforms and what attests to them. */
const MAX_ENTRIES = 32;

/** An image that the target's repository holds. */
interface HeldImage {
  readonly manifest: Manifest;
  readonly content: ImageManifest;
  /** Where its config can be read. */
  readonly source: ImageSource;
}

/**
 * What a target's repository holds already: the answers let a daemon's unchanged image be pushed without being exported,
 * and its unchanged layers without being compressed.
 *
 * Images are found under the tags given; every answer is checked against what is really stored, so a tag that is damaged
 * only costs the saving.
 */
export class HeldContent {
  readonly #sources: readonly ImageSource[];
  readonly #target: ImageTarget;
  /** The indexes that were met; their images are looked up one by one. */
  readonly #indexes = new Map<Digest, Manifest>();
  #images: Promise<readonly HeldImage[]> | undefined;
  #layers: Promise<ReadonlyMap<Digest, Descriptor>> | undefined;

  /** `sources`: images of the target's repository, the likeliest first; they stay the caller's. */
  constructor(sources: readonly ImageSource[], target: ImageTarget) {
    this.#sources = sources;
    this.#target = target;
  }

  /** The manifest of an image with this config that is held with all its blobs; undefined when there is none. */
  async findImage(config: Digest): Promise<Manifest | undefined> {
    for (const { manifest, content } of await this.#held()) {
      if (content.config.digest === config && await this.#holdsAll(blobsOf(content).blobs)) return manifest;
    }
    return undefined;
  }

  /** The stored form of a layer whose tar has this digest, if it is held. */
  async findLayer(diffId: Digest): Promise<Descriptor | undefined> {
    const layer = (await (this.#layers ??= this.#readLayers())).get(diffId);
    return layer && await this.#holdsAll([layer]) ? layer : undefined;
  }

  /** An index that is held, or the manifest of an image that is held with all its blobs. */
  async findManifest(digest: Digest): Promise<Manifest | undefined> {
    const found = (await this.#held()).find((each) => each.manifest.descriptor.digest === digest);
    if (found) return await this.#holdsAll(blobsOf(found.content).blobs) ? found.manifest : undefined;
    return this.#indexes.get(digest);
  }

  /** Whether a blob of the images that were looked at is held. */
  async hasBlob(digest: Digest): Promise<boolean> {
    for (const { content } of await this.#held()) {
      const blob = blobsOf(content).blobs.find((each) => each.digest === digest);
      if (blob) return await this.#holdsAll([blob]);
    }
    return false;
  }

  async #holdsAll(blobs: readonly Descriptor[]): Promise<boolean> {
    const found = await this.#target.findBlobs(blobs);
    return blobs.every((blob) => found.has(blob.digest));
  }

  #held(): Promise<readonly HeldImage[]> {
    return this.#images ??= this.#readImages();
  }

  async #readImages(): Promise<readonly HeldImage[]> {
    const images: HeldImage[] = [];
    const totals = new ManifestTotals(this.#target.name);
    for (const source of this.#sources.slice(0, MAX_LOOKED_AT)) {
      for (const manifest of await imagesOf(source, totals)) {
        if (manifest.content.kind === "image") images.push({ manifest, content: manifest.content, source });
        else this.#indexes.set(manifest.descriptor.digest, manifest);
      }
      if (images.length >= MAX_ENTRIES) break;
    }
    return images;
  }

  /** Layers by their diff ids, as the configs of the held images pair them. */
  async #readLayers(): Promise<ReadonlyMap<Digest, Descriptor>> {
    const layers = new Map<Digest, Descriptor>();
    for (const { content, source } of await this.#held()) {
      const diffIds = await diffIdsOf(source, content);
      if (diffIds.length !== content.layers.length) continue;
      for (const [index, diffId] of diffIds.entries()) {
        if (!layers.has(diffId)) layers.set(diffId, content.layers[index]!);
      }
    }
    return layers;
  }
}

/** Looks manifests up by digest among the images of some sources, which are read on the first look and stay the caller's. */
export function manifestFinder(sources: readonly ImageSource[]): (digest: Digest) => Promise<Manifest | undefined> {
  let reading: Promise<readonly Manifest[]> | undefined;
  return async (digest) => {
    const totals = new ManifestTotals("the images that are held");
    const reads = sources.slice(0, MAX_LOOKED_AT);
    reading ??= Promise.all(reads.map((source) => imagesOf(source, totals))).then((found) => found.flat());
    return (await reading).find((manifest) => manifest.descriptor.digest === digest);
  };
}

/** The index and the images that a source holds; none when it cannot be read, since looking is only to save work. */
async function imagesOf(source: ImageSource, totals: ManifestTotals): Promise<readonly Manifest[]> {
  try {
    const root = await source.root();
    const wanted = new Set(root.content.kind === "index" ? root.content.manifests.slice(0, MAX_ENTRIES) : []);
    const { entries } = await walkIndex(source, root, { reads: (entry) => wanted.has(entry), totals });
    return [root, ...entries.flatMap(({ child }) => child ? [child.manifest] : [])];
  } catch (error) {
    if (isImageError(error) && error.code !== "aborted") return [];
    throw error;
  }
}

async function diffIdsOf(source: ImageSource, content: ImageManifest): Promise<readonly Digest[]> {
  try {
    return readImageConfig(await readSmallBlob(source, content.config), `config of "${source.name}"`).diffIds;
  } catch (error) {
    if (isImageError(error) && error.code !== "aborted") return [];
    throw error;
  }
}
