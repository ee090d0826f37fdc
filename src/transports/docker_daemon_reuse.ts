import { isImageError } from "../errors.ts";
import { readImageConfig } from "../oci/image_config.ts";
import { type ImageName, isSameName } from "../archive/image_names.ts";
import { mapPool } from "../bytes/pool.ts";
import type { EngineClient } from "../engine/engine_client.ts";
import type { EngineImage, EngineImageSummary } from "../engine/engine_image.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import { blobsOf, type ImageManifest, type Manifest } from "../oci/manifest.ts";

/** The manifests that are about to be written, known before the first blob moves. */
export interface DaemonPlan {
  /** What the name will stand for. */
  readonly root: Manifest;
  /** The image manifests below, or the root itself. */
  readonly images: readonly Manifest[];
}

/** What a daemon holds of a plan. */
export interface HeldContent {
  /** The planned image as the daemon describes it, whole or not; undefined when it does not know it. */
  readonly image: EngineImage | undefined;
  /** Whether it is there with everything that it needs. */
  readonly isWhole: boolean;
  /** Blobs that need not be sent. */
  readonly blobs: ReadonlySet<Digest>;
}

/** Finds a manifest by its digest in the place that the image comes from; undefined when it is not there. */
export type FindManifest = (digest: Digest) => Promise<Manifest | undefined>;

/** Reads an image's config from the place that the image comes from. */
export type ReadConfig = (config: Descriptor) => Promise<Uint8Array>;

/** How many of the daemon's images are looked at, and how many of them at once. */
const MAX_LOOKED_AT = 300;
const PARALLEL_REQUESTS = 8;

/** How many manifests of older versions are asked for in the source. */
const MAX_SOURCE_LOOKUPS = 8;

/** What is searched for, and where it is going to be. */
export interface FindHeldOptions {
  readonly plan: DaemonPlan;
  readonly name: ImageName;
  readonly readConfig?: ReadConfig | undefined;
  readonly findManifest?: FindManifest | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * What the daemon holds already of an image, as far as its API tells.
 *
 * Classic stores are asked for layers by their chain of diff IDs: they look a layer up by it before they open its file.
 * The containerd store and podman name the manifests that they hold whole; which blobs those have says the plan, or the
 * source where it knows them (older versions of the same repository).
 */
export async function findHeldContent(client: EngineClient, options: FindHeldOptions): Promise<HeldContent> {
  const image = await findPlannedImage(client, options);
  if (image && isWholeImage(client, image, options.plan)) {
    return { image, isWhole: true, blobs: new Set(options.plan.images.flatMap(blobDigests)) };
  }
  const part = { image, isWhole: false };
  if (client.info.store === "classic") return { ...part, blobs: await heldLayersByChain(client, options) };
  const blobs = await heldBlobsByManifest(client, options);
  // Podman takes layers that it has from its store, and the config from the archive only.
  if (client.info.store === "podman") configsOf(options.plan).forEach((digest) => blobs.delete(digest));
  return { ...part, blobs };
}

/** The ID of the image that a name stands for in the daemon; undefined where it stands for none. */
export async function imageIdOfName(
  client: EngineClient,
  name: string,
  signal: AbortSignal | undefined,
): Promise<Digest | undefined> {
  try {
    return (await client.inspectImage(name, signal)).id;
  } catch (error) {
    if (isImageError(error, "not-found")) return undefined;
    throw error;
  }
}

/** The planned image, where the daemon has any of it under its ID. */
async function findPlannedImage(
  client: EngineClient,
  { plan, signal }: FindHeldOptions,
): Promise<EngineImage | undefined> {
  const id = imageIdOf(client, plan.root);
  if (id === undefined) return undefined;
  try {
    const image = await client.inspectImage(id, signal);
    return image.id === id ? image : undefined;
  } catch (error) {
    if (isImageError(error, "not-found")) return undefined;
    throw error;
  }
}

/** Whether the daemon has all of the planned image. */
function isWholeImage(client: EngineClient, image: EngineImage, plan: DaemonPlan): boolean {
  if (client.info.store !== "containerd") return true;
  const complete = new Set(
    image.manifests.filter((entry) => entry.isComplete).map((entry) => entry.descriptor.digest),
  );
  return plan.images.every(({ descriptor }) => complete.has(descriptor.digest));
}

/** The ID that an image gets in this daemon; undefined for an index where only images have one. */
export function imageIdOf(client: EngineClient, root: Manifest): Digest | undefined {
  if (client.info.store === "containerd") return root.descriptor.digest;
  return root.content.kind === "image" ? root.content.config.digest : undefined;
}

/** The layers at the bottom of the image that some image of a classic store has in the same order. */
async function heldLayersByChain(client: EngineClient, options: FindHeldOptions): Promise<ReadonlySet<Digest>> {
  const content = options.plan.images[0]?.content;
  if (!options.readConfig || content?.kind !== "image") return new Set();
  const { diffIds } = readImageConfig(await options.readConfig(content.config), `config "${content.config.digest}"`);
  // Without one diff ID for each layer nothing can be said about any of them.
  if (diffIds.length !== content.layers.length) return new Set();
  const images = await client.listImages({ signal: options.signal });
  const shared = await mapPool(images.slice(0, MAX_LOOKED_AT), PARALLEL_REQUESTS, async (image, signal) => {
    try {
      return sharedLength(diffIds, (await client.inspectImage(image.id, signal)).diffIds);
    } catch (error) {
      if (isImageError(error, "not-found")) return 0; // removed since the list was made
      throw error;
    }
  }, options.signal);
  return heldLayers(content, Math.max(0, ...shared));
}

/** Digests of the lowest `count` layers, without those that are needed again higher up. */
function heldLayers(content: ImageManifest, count: number): ReadonlySet<Digest> {
  const above = new Set(content.layers.slice(count).map((layer) => layer.digest));
  return new Set(content.layers.slice(0, count).map((layer) => layer.digest).filter((digest) => !above.has(digest)));
}

async function heldBlobsByManifest(client: EngineClient, options: FindHeldOptions): Promise<Set<Digest>> {
  const { plan, name, findManifest, signal } = options;
  if (client.info.store === "containerd" && !client.knowsPlatforms) return new Set();
  // Listing everything with its manifests can take the daemon seconds. A glob's characters cannot be given literally.
  const repository = name.familiar.slice(0, -name.tag.length - 1);
  const filter = client.info.store === "containerd" && !repository.includes("[") ? { repository } : {};
  const images = await client.listImages({ ...filter, signal });
  const complete = new Set(images.flatMap(completeManifests));
  const planned = plan.images.filter(({ descriptor }) => complete.has(descriptor.digest));
  const held = new Set(planned.flatMap(blobDigests));
  if (!findManifest) return held;
  const related = images.filter((image) => image.names.some((text) => isSameRepository(text, name)));
  const digests = new Set(related.flatMap(completeManifests));
  for (const digest of [...digests].slice(0, MAX_SOURCE_LOOKUPS)) {
    const manifest = await findManifest(digest).catch(() => undefined);
    if (manifest) blobDigests(manifest).forEach((blob) => held.add(blob));
  }
  return held;
}

/** Manifests that the daemon holds with all their blobs. */
function completeManifests(image: EngineImageSummary): Digest[] {
  if (image.manifests.length > 0) {
    return image.manifests.filter((entry) => entry.isComplete).map((entry) => entry.descriptor.digest);
  }
  return [...image.digests];
}

/** Whether a name in the daemon is of the same repository, whatever its tag. */
function isSameRepository(text: string, name: ImageName): boolean {
  const colon = text.lastIndexOf(":");
  return isSameName(`${text.slice(0, colon)}:${name.tag}`, name.full);
}

function blobDigests(manifest: Manifest): Digest[] {
  return blobsOf(manifest.content).blobs.map((blob) => blob.digest);
}

function configsOf(plan: DaemonPlan): Digest[] {
  return plan.images.flatMap(({ content }) => content.kind === "image" ? [content.config.digest] : []);
}

function sharedLength(left: readonly Digest[], right: readonly Digest[]): number {
  const difference = left.findIndex((digest, index) => digest !== right[index]);
  return difference < 0 ? left.length : difference;
}
