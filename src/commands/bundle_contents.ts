import type { Bundle, BundleEntry } from "../archive/bundle_reader.ts";
import type { HeldBlob, HeldBlobs } from "../archive/bundle_needs.ts";
import { type ImageGraph, loadGraph } from "../image/image_graph.ts";
import { ManifestTotals } from "../image/index_walk.ts";
import type { ImageSource } from "../image/places.ts";
import { findReferrers } from "../image/referrers.ts";
import { platformsOf } from "../image/select_platforms.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import { blobsOf, isAttestation, isRunnable, type Manifest } from "../oci/manifest.ts";
import { MEDIA_TYPES } from "../oci/media_types.ts";
import { formatPlatform } from "../oci/platform.ts";
import { BundleSource } from "../transports/bundle_source.ts";
import { sizeOfBlobs } from "./blob_counts.ts";

/** One platform of an image in a bundle. */
export interface BundlePlatformReport {
  readonly platform: string;
  readonly digest: string;
  /** Sum of the stored sizes of config and layers, in bytes. */
  readonly size: number;
}

/** An image of a bundle; the JSON of docs/json.md. */
export interface BundleImageReport {
  readonly name: string;
  readonly digest: string;
  readonly media_type: string;
  readonly platforms: readonly BundlePlatformReport[];
  readonly attestations: number;
  readonly referrers: number;
  /** Sum of the stored sizes of all blobs, each counted once. */
  readonly size: number;
  /** How much of `size` the bundle leaves out. */
  readonly bytes_left_out: number;
}

/** What a bundle holds; the JSON of docs/json.md, which `--since` reads. */
export interface BundleDocument {
  readonly images: readonly BundleImageReport[];
  /** Configs and layers that the bundle holds, each once. */
  readonly blobs: readonly HeldBlob[];
  /** Those that must be at the target already. */
  readonly relies_on: readonly HeldBlob[];
}

/** An image and what belongs to it. */
export interface ImageContent {
  readonly name: string;
  /** Its root first, then all that is below it or refers to it. */
  readonly manifests: readonly Manifest[];
  readonly blobs: readonly Descriptor[];
  readonly leftOut: readonly Descriptor[];
  /** The platform of a single image. */
  readonly platform: string | undefined;
}

/** An image of a bundle without its manifests: what is held for each of many. */
export interface BundleContent {
  readonly report: BundleImageReport;
  /** All of its blobs, those that the bundle leaves out too. */
  readonly blobs: readonly BareBlob[];
  readonly leftOut: ReadonlySet<Digest>;
}

/** What names a blob, and no more. */
type BareBlob = Pick<Descriptor, "mediaType" | "digest" | "size">;

/** The platform of a single image; undefined for an index or an artifact. */
export async function singlePlatform(source: ImageSource, root: Manifest): Promise<string | undefined> {
  const { content } = root;
  const types: readonly string[] = [MEDIA_TYPES.ociConfig, MEDIA_TYPES.dockerConfig];
  if (content.kind !== "image" || !types.includes(content.config.mediaType)) return undefined;
  const [platform] = await platformsOf(source, root);
  return platform && formatPlatform(platform);
}

/** Describes the images of a bundle. `held`: what the other side holds, and under which names. */
export function describeBundle(images: readonly BundleContent[], held: HeldBlobs): BundleDocument {
  const [blobs, needs] = [new Map<Digest, HeldBlob>(), new Map<Digest, HeldBlob>()];
  for (const { report, leftOut, ...image } of images) {
    for (const { digest, size } of image.blobs) {
      const list = leftOut.has(digest) ? needs : blobs;
      const known = list.get(digest)?.images ?? (leftOut.has(digest) ? held.get(digest)?.images ?? [] : []);
      list.set(digest, { digest, size, images: [...new Set([...known, report.name])] });
    }
  }
  return { images: images.map(({ report }) => report), blobs: [...blobs.values()], relies_on: [...needs.values()] };
}

/** Everything that belongs to one image of a bundle that was opened. */
export async function loadBundleGraph(
  bundle: Bundle,
  entry: BundleEntry,
  signal?: AbortSignal,
): Promise<{ readonly source: BundleSource; readonly graphs: readonly ImageGraph[] }> {
  const source = new BundleSource(bundle, entry);
  const options = { signal, totals: new ManifestTotals(source.name) };
  const graph = await loadGraph(source, await source.root(), options);
  return { source, graphs: [graph, ...(await findReferrers(source, graph, options)).graphs] };
}

/** Describes a bundle that was opened. */
export async function describeOpenBundle(bundle: Bundle, signal?: AbortSignal): Promise<BundleDocument> {
  const images: BundleContent[] = [];
  for (const entry of bundle.entries) {
    const { source, graphs } = await loadBundleGraph(bundle, entry, signal);
    const manifests = graphs.flatMap((graph) => graph.manifests.map((each) => each.manifest));
    const blobs = uniqueBlobs(graphs);
    const leftOut = await leftOutOf(bundle, blobs);
    const platform = await singlePlatform(source, manifests[0]!);
    images.push(describeImage({ name: entry.name, manifests, blobs, leftOut, platform }));
  }
  return describeBundle(images, bundle.needs);
}

/** What the other side holds once it has loaded a bundle. */
export function heldBlobs(document: BundleDocument): HeldBlobs {
  return new Map([...document.blobs, ...document.relies_on].map((blob) => [blob.digest, blob]));
}

/** Those of the blobs that a bundle does not hold. */
export async function leftOutOf(bundle: Bundle, blobs: readonly Descriptor[]): Promise<readonly Descriptor[]> {
  const isThere = await Promise.all(blobs.map((blob) => bundle.has(blob)));
  return blobs.filter((_, index) => !isThere[index]);
}

/** The blobs of several graphs, each once and as a bare descriptor: annotations can be as large as the manifest. */
export function uniqueBlobs(graphs: readonly ImageGraph[]): readonly BareBlob[] {
  const blobs = graphs.flatMap((graph) => graph.blobs.map((each) => bareBlob(each.blob)));
  return [...new Map(blobs.map((blob) => [blob.digest, blob])).values()];
}

/** Keeps of an image what a bundle's description needs. */
export function describeImage(image: ImageContent): BundleContent {
  return {
    report: imageReport(image),
    blobs: image.blobs.map(bareBlob),
    leftOut: new Set(image.leftOut.map(({ digest }) => digest)),
  };
}

function bareBlob({ mediaType, digest, size }: Descriptor): BareBlob {
  return { mediaType, digest, size };
}

function imageReport({ name, manifests, blobs, leftOut, platform }: ImageContent): BundleImageReport {
  const root = manifests[0]!;
  const sizes = new Map(
    manifests.map(({ descriptor, content }) => [descriptor.digest, sizeOfBlobs(blobsOf(content).blobs)]),
  );
  const entries = manifests.flatMap(({ content }) => content.kind === "index" ? content.manifests : []);
  const platforms = entries.filter((entry) => isRunnable(entry) && sizes.has(entry.digest)).map((entry) => ({
    platform: formatPlatform(entry.platform!),
    digest: entry.digest,
    size: sizes.get(entry.digest) ?? 0,
  }));
  const own = platform === undefined
    ? []
    : [{ platform, digest: root.descriptor.digest, size: sizes.get(root.descriptor.digest) ?? 0 }];
  return {
    name,
    digest: root.descriptor.digest,
    media_type: root.descriptor.mediaType,
    platforms: [...own, ...platforms],
    attestations: entries.filter(isAttestation).length,
    referrers: manifests.filter(({ content }, index) => index > 0 && content.subject).length,
    size: sizeOfBlobs(blobs),
    bytes_left_out: sizeOfBlobs(leftOut),
  };
}
