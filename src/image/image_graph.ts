import { ImageError } from "../errors.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import { blobsOf, type Manifest } from "../oci/manifest.ts";
import { manifestKind } from "../oci/media_types.ts";
import { type ManifestTotals, type WalkedManifest, walkIndex } from "./index_walk.ts";
import type { ImageSource } from "./places.ts";

/** One manifest of an image, and what people call it. */
export interface GraphManifest {
  readonly manifest: Manifest;
  /** `linux/arm64/v8`, `attestation of linux/amd64`, or empty for the root of a single image. */
  readonly label: string;
  /** 0 for the root; whatever names a manifest is less deep. */
  readonly depth: number;
}

/** One blob that a copy moves. */
export interface GraphBlob {
  readonly blob: Descriptor;
  readonly role: "config" | "layer" | "blob";
  /** The labels of the manifests that hold it; the first is named in errors. */
  readonly labels: readonly string[];
}

/** Everything below a root: each manifest and each blob once. */
export interface ImageGraph {
  /** Depth first, the root first. */
  readonly manifests: readonly GraphManifest[];
  /** In the order of the manifests: config, then layers. */
  readonly blobs: readonly GraphBlob[];
  /** Layers that must not be distributed and lie elsewhere; not among `blobs`. */
  readonly foreign: readonly Descriptor[];
}

/** How {@linkcode loadGraph} goes about it. */
export interface GraphOptions {
  /** Whether layers that must not be distributed are copied all the same. */
  readonly includeForeign?: boolean;
  /** Shared by the graphs of an image and of what refers to it: the limits hold for all of them together. */
  readonly totals?: ManifestTotals | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads every manifest below a root, each checked against its descriptor; see {@linkcode walkIndex}.
 *
 * Throws `not-found` when one is missing (its platform is named), `invalid-input` when there are too many.
 */
export async function loadGraph(source: ImageSource, root: Manifest, options: GraphOptions = {}): Promise<ImageGraph> {
  const reads = ({ mediaType }: Descriptor) => mediaType === "" || manifestKind(mediaType) !== undefined;
  const top = await walkIndex(source, root, { reads, totals: options.totals, signal: options.signal });
  const manifests = depthFirst(top);
  const known = new Set(manifests.map(({ manifest }) => manifest.descriptor.digest));
  const entryBlobs = manifests.flatMap(({ entries }) => entries)
    .filter(({ descriptor }) => !reads(descriptor) && !known.has(descriptor.digest))
    .map(({ descriptor, label }): GraphBlob => ({ blob: descriptor, role: "blob", labels: [label] }));
  return { manifests, ...collectBlobs(manifests, entryBlobs, options.includeForeign ?? false) };
}

/** A manifest and all that were read below it. */
function depthFirst(top: WalkedManifest): readonly WalkedManifest[] {
  return [top, ...top.entries.flatMap(({ child }) => child ? depthFirst(child) : [])];
}

function collectBlobs(
  manifests: readonly GraphManifest[],
  entryBlobs: readonly GraphBlob[],
  includeForeign: boolean,
): Omit<ImageGraph, "manifests"> {
  const blobs = new Map<Digest, GraphBlob & { labels: string[] }>();
  const foreign = new Map<Digest, Descriptor>();
  const add = (blob: Descriptor, role: GraphBlob["role"], label: string) => {
    const known = blobs.get(blob.digest);
    if (!known) blobs.set(blob.digest, { blob, role, labels: [label] });
    else if (known.blob.size !== blob.size) {
      throw new ImageError(
        "invalid-input",
        `Invalid image: "${blob.digest}" has size ${known.blob.size} in one manifest and ${blob.size} in another`,
      );
    } else if (!known.labels.includes(label)) known.labels.push(label);
  };
  for (const { manifest: { content }, label } of manifests) {
    const found = blobsOf(content);
    for (const blob of found.blobs) {
      add(blob, content.kind === "image" ? (blob === content.config ? "config" : "layer") : "blob", label);
    }
    for (const blob of found.foreign) {
      if (includeForeign) add(blob, "layer", label);
      else foreign.set(blob.digest, blob);
    }
  }
  for (const { blob, role, labels } of entryBlobs) add(blob, role, labels[0] ?? "");
  return { blobs: [...blobs.values()], foreign: [...foreign.values()] };
}
