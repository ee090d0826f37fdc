import { ImageError } from "../errors.ts";
import { mapPool } from "../bytes/pool.ts";
import { type Descriptor, embeddedBytes } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import { attestedDigest, blobsOf, type Manifest, readManifest } from "../oci/manifest.ts";
import { manifestKind } from "../oci/media_types.ts";
import { formatPlatform } from "../oci/platform.ts";
import type { ImageSource } from "./places.ts";

/** How deep indexes may be nested, and how many manifests one image may have: more is a bomb, not an image. */
export const MAX_INDEX_DEPTH = 8;
/** See {@linkcode MAX_INDEX_DEPTH}. */
export const MAX_MANIFESTS = 10_000;

/** How many manifests are fetched at once. */
const PARALLEL_MANIFESTS = 8;

/** One manifest of an image, and what people call it. */
export interface GraphManifest {
  readonly manifest: Manifest;
  /** `linux/arm64/v8`, `attestation of linux/amd64`, or empty for the root of a single image. */
  readonly label: string;
  /** 0 for the root. */
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

/** What {@linkcode loadGraph} may leave out. */
export interface GraphOptions {
  /** Whether layers that must not be distributed are copied all the same. */
  readonly includeForeign?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads every manifest below a root, each checked against its descriptor, children in parallel.
 *
 * Throws `not-found` when one is missing (its platform is named), `invalid-input` when there are too many.
 */
export async function loadGraph(source: ImageSource, root: Manifest, options: GraphOptions = {}): Promise<ImageGraph> {
  const seen = new Set<Digest>([root.descriptor.digest]);
  const entryBlobs: GraphBlob[] = [];
  const visit = async (node: GraphManifest): Promise<GraphManifest[]> => {
    const { content } = node.manifest;
    if (content.kind !== "index") return [node];
    if (node.depth >= MAX_INDEX_DEPTH) {
      throw new ImageError("invalid-input", `Cannot copy "${source.name}": its indexes are nested too deep`);
    }
    const labels = entryLabels(content.manifests);
    const fresh = content.manifests.filter((entry) => !seen.has(entry.digest) && seen.add(entry.digest));
    if (seen.size > MAX_MANIFESTS) {
      throw new ImageError(
        "invalid-input",
        `Cannot copy "${source.name}": it has more than ${MAX_MANIFESTS} manifests`,
      );
    }
    const children = await mapPool(fresh, PARALLEL_MANIFESTS, async (entry) => {
      const label = labels.get(entry.digest) ?? "";
      if (entry.mediaType !== "" && !manifestKind(entry.mediaType)) {
        entryBlobs.push({ blob: entry, role: "blob", labels: [label] });
        return [];
      }
      return await visit({ manifest: await readChild(source, entry, label), label, depth: node.depth + 1 });
    }, options.signal);
    return [node, ...children.flat()];
  };
  const manifests = await visit({ manifest: root, label: "", depth: 0 });
  return { manifests, ...collectBlobs(manifests, entryBlobs, options.includeForeign ?? false) };
}

/** Reads one child manifest: from the descriptor itself when it carries the bytes, else from the source. */
export async function readChild(source: ImageSource, entry: Descriptor, label = ""): Promise<Manifest> {
  const what = `manifest "${entry.digest}"${label ? ` (${label})` : ""} of "${source.name}"`;
  const embedded = embeddedBytes(entry);
  if (embedded) return readManifest(embedded, what, { expected: entry });
  try {
    const child = await source.manifest(entry);
    return readManifest(child.bytes, what, { expected: entry });
  } catch (error) {
    if (!(error instanceof ImageError) || error.code !== "not-found") throw error;
    throw new ImageError("not-found", `Cannot read ${what}: the index names it and it is not there`, {
      hint: error.hint,
      cause: error,
    });
  }
}

/** What people call the entries of an index: their platform, and for attestations the platform that they attest to. */
export function entryLabels(entries: readonly Descriptor[]): ReadonlyMap<Digest, string> {
  const labels = new Map<Digest, string>();
  for (const entry of entries) {
    if (entry.platform && !labels.has(entry.digest)) labels.set(entry.digest, formatPlatform(entry.platform));
  }
  for (const entry of entries) {
    const subject = attestedDigest(entry);
    if (subject) labels.set(entry.digest, `attestation of ${labels.get(subject) ?? subject}`);
  }
  return labels;
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
