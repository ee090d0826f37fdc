import { ImageError, messageOf } from "../errors.ts";
import { mapPool } from "../bytes/pool.ts";
import type { Wait } from "../bytes/retry.ts";
import { SharedBuffers } from "../bytes/shared_buffers.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import { type IndexManifest, isRunnable, type Manifest } from "../oci/manifest.ts";
import { formatPlatform } from "../oci/platform.ts";
import { type GraphBlob, type GraphManifest, type ImageGraph, loadGraph } from "./image_graph.ts";
import { ManifestTotals } from "./index_walk.ts";
import type { ImageSource, ImageTarget } from "./places.ts";
import { findReferrers, type TaggedGraph } from "./referrers.ts";
import { SpareBuffers } from "./resuming_reader.ts";
import { SourceBlob } from "./source_blob.ts";

/** What a copy tells while it runs. Events observe; nothing they do changes the copy. */
export type CopyEvent =
  /** All is known: what moves and what is there already. */
  | { readonly kind: "planned"; readonly blobs: readonly Descriptor[]; readonly presentBlobs: readonly Descriptor[] }
  | {
    readonly kind: "blob-started";
    readonly blob: Descriptor;
    readonly role: GraphBlob["role"];
    /** The platforms whose images hold it, as far as that is known. */
    readonly platforms: readonly string[];
  }
  /**
   * Bytes have got to the target: those that it has taken, where it sends them and can tell, else those that were read. Less
   * than nothing where they have to go again. `isHeld`: they were there from an earlier run.
   */
  | { readonly kind: "blob-bytes"; readonly blob: Descriptor; readonly count: number; readonly isHeld?: boolean }
  /** Bytes were read that are still to be sent; told only where "blob-bytes" tells of what the target has taken. */
  | { readonly kind: "blob-read"; readonly blob: Descriptor; readonly count: number }
  /** `linked`: the target took the blob over without its bytes passing through here; `present`: it had it, as it turned out. */
  | {
    readonly kind: "blob-done";
    readonly blob: Descriptor;
    readonly role: GraphBlob["role"];
    readonly platforms: readonly string[];
    readonly how: "moved" | "linked" | "present";
  }
  /** What the copy does where no bytes move: look at the source, ask the target what it has, write manifests and the tag. */
  | { readonly kind: "phase"; readonly phase: "looking" | "comparing" | "publishing" }
  /** A download broke and goes on at `position`. */
  | { readonly kind: "resumed"; readonly blob: Descriptor; readonly position: number; readonly reason: string }
  | { readonly kind: "published"; readonly digest: Digest }
  /** The copy of this image is over, done or failed. */
  | { readonly kind: "ended" };

/** How an image is copied. */
export interface CopyOptions {
  /** What to copy, where it is not the source's own root (a chosen platform, a filtered index). */
  readonly root?: Manifest;
  /** Whether signatures, SBOMs and whatever else refers to the image and its manifests come along. */
  readonly includeReferrers?: boolean;
  /** Whether layers that must not be distributed are copied all the same. */
  readonly includeForeign?: boolean;
  /** Only find out what would move. */
  readonly dryRun?: boolean;
  /** Blobs in flight at once; the target may allow fewer. Default 10. */
  readonly concurrentBlobs?: number;
  /** Wait before a broken download is opened again; it doubles from there. Default 300. */
  readonly retryDelayMs?: number;
  /** Told of every wait before a broken download goes on. */
  readonly onWait?: ((wait: Wait) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: ((event: CopyEvent) => void) | undefined;
}

/** What a copy did, or with `dryRun` would do. */
export interface CopyResult {
  /** The root that the target's reference resolves to now. */
  readonly root: Manifest;
  /** All manifests of the image, the root first, referrers not among them. */
  readonly manifests: readonly GraphManifest[];
  /** Blobs whose bytes passed through here. */
  readonly movedBlobs: readonly Descriptor[];
  /** Blobs that the target took over by itself. */
  readonly linkedBlobs: readonly Descriptor[];
  /** Blobs that the target had already. */
  readonly presentBlobs: readonly Descriptor[];
  /** Layers left out because they must not be distributed. */
  readonly foreignBlobs: readonly Descriptor[];
  /** Manifests that refer to the image and came along. */
  readonly referrers: readonly Descriptor[];
  /** Manifests that refer to the image and that the target cannot hold. */
  readonly leftOutReferrers: readonly Descriptor[];
  /** Tags of what belongs to the image that the target cannot hold, having no tags of its own. */
  readonly leftOutTags: readonly string[];
}

/** Ranges in flight at once, over all blobs that are read in ranges. */
const MAX_RANGES = 7;

/** Length of one range: each holds a buffer of that size. */
const RANGE_BYTES = 4 * 1024 * 1024;

/** Blobs from this size on may be read in ranges. */
const MIN_RANGED_BYTES = 4 * RANGE_BYTES;

/** Blobs in flight at once where nobody says otherwise. */
export const DEFAULT_CONCURRENT_BLOBS = 10;

/**
 * Copies one image: every blob that the target lacks, then the manifests from the leaves up, then, last, the root under the
 * target's reference. Until that last write the reference is what it was before.
 *
 * The only mover of image bytes in s3lo. Throws what source and target throw, with the blob and its platform named, and
 * `unsupported` when the target cannot hold an index.
 */
export async function copyImage(
  source: ImageSource,
  target: ImageTarget,
  options: CopyOptions = {},
): Promise<CopyResult> {
  try {
    return await copyAll(source, target, options);
  } finally {
    options.onEvent?.({ kind: "ended" });
  }
}

async function copyAll(source: ImageSource, target: ImageTarget, options: CopyOptions): Promise<CopyResult> {
  options.onEvent?.({ kind: "phase", phase: "looking" });
  const root = options.root ?? await source.root();
  if (root.content.kind === "index" && !target.limits.acceptsIndex) throw tooMany(source, target, root.content);
  const limited = { ...options, totals: new ManifestTotals(source.name) };
  const graph = await loadGraph(source, root, limited);
  const found = options.includeReferrers ? await findReferrers(source, graph, limited) : { graphs: [], tagged: [] };
  const referrers = target.limits.holdsReferrers === false ? [] : found.graphs;
  const tagged = target.writeTagged ? found.tagged : [];
  const graphs = [graph, ...referrers, ...tagged.map((each) => each.graph)];
  const blobs = [...new Map(graphs.flatMap((each) => each.blobs).map((each) => [each.blob.digest, each])).values()];
  options.onEvent?.({ kind: "phase", phase: "comparing" });
  await target.plan?.(graph.manifests.map((each) => each.manifest), blobs.map((each) => each.blob));
  const children = [
    ...graph.manifests.slice(1),
    ...referrers.flatMap((each) => each.manifests),
    ...tagged.flatMap((each) => each.graph.manifests.slice(1)),
  ];
  const present = await target.findBlobs([
    ...blobs.map((each) => each.blob),
    ...children.map((each) => each.manifest.descriptor),
  ]);
  const missing = blobs.filter((each) => !present.has(each.blob.digest));
  const presentBlobs = blobs.filter((each) => present.has(each.blob.digest)).map((each) => each.blob);
  options.onEvent?.({ kind: "planned", blobs: missing.map((each) => each.blob), presentBlobs });
  const moved = options.dryRun
    ? missing.map(({ blob }): MovedBlob => ({ blob, how: "moved" }))
    : await moveBlobs(source, target, missing, options);
  if (!options.dryRun) {
    options.onEvent?.({ kind: "phase", phase: "publishing" });
    // One that refers to a subject is written even when it is there: the target may not know yet that it refers.
    const unwritten = ({ manifest }: GraphManifest) =>
      !present.has(manifest.descriptor.digest) || manifest.content.subject;
    await writeManifests(target, children.filter(unwritten), options);
    await writeTagged(target, tagged, options);
    options.signal?.throwIfAborted();
    await target.publish(root);
    options.onEvent?.({ kind: "published", digest: root.descriptor.digest });
  }
  const byHow = (how: MovedBlob["how"]) => moved.filter((each) => each.how === how).map((each) => each.blob);
  return {
    root,
    manifests: graph.manifests,
    movedBlobs: byHow("moved"),
    linkedBlobs: byHow("linked"),
    presentBlobs: [...presentBlobs, ...byHow("present")],
    foreignBlobs: graph.foreign,
    referrers: [...referrers, ...tagged.map((each) => each.graph)].map(rootOf),
    leftOutReferrers: referrers.length === 0 ? found.graphs.map(rootOf) : [],
    leftOutTags: target.writeTagged ? [] : found.tagged.map((each) => each.tag),
  };
}

/** The error for an index where only one image has room. */
function tooMany(source: ImageSource, target: ImageTarget, { manifests }: IndexManifest): ImageError {
  const platforms = manifests.filter(isRunnable).map((entry) => formatPlatform(entry.platform!));
  const names = platforms.length > 0
    ? ` of ${platforms.slice(0, 8).join(", ")}${platforms.length > 8 ? ", …" : ""}`
    : "";
  return new ImageError(
    "unsupported",
    `Cannot write "${target.name}": one platform of an image has room there, and "${source.name}" is an index${names}`,
    { hint: `Choose one with --platform${platforms[0] === undefined ? "" : ` ${platforms[0]}`}` },
  );
}

/** A blob and how it got to the target. */
interface MovedBlob {
  readonly blob: Descriptor;
  readonly how: "moved" | "linked" | "present";
}

/** Brings every blob over. */
async function moveBlobs(
  source: ImageSource,
  target: ImageTarget,
  blobs: readonly GraphBlob[],
  options: CopyOptions,
): Promise<readonly MovedBlob[]> {
  const limit = Math.min(options.concurrentBlobs ?? DEFAULT_CONCURRENT_BLOBS, target.limits.concurrentBlobs);
  const rangesOf = rangesFor(blobs, source, target);
  const spares = new SpareBuffers();
  return await mapPool(blobs, limit, async (each, signal) => {
    const { blob, role, labels: platforms } = each;
    options.onEvent?.({ kind: "blob-started", blob, role, platforms });
    try {
      const content = new SourceBlob(source, blob, {
        signal,
        ranges: rangesOf(blob),
        spares,
        ...(options.retryDelayMs === undefined ? {} : { baseDelayMs: options.retryDelayMs }),
        label: blobLabel(each, source),
        host: source.name,
        onWait: options.onWait,
        onBytes: (count, isHeld) =>
          options.onEvent?.({ kind: "blob-bytes", blob, count, ...(isHeld ? { isHeld } : {}) }),
        onRead: (count) => options.onEvent?.({ kind: "blob-read", blob, count }),
        onResume: (error, position) => options.onEvent?.({ kind: "resumed", blob, position, reason: messageOf(error) }),
      });
      const linked = await target.linkBlob(content, source);
      if (!linked) await target.writeBlob(content);
      options.onEvent?.({ kind: "blob-done", blob, role, platforms, how: linked || "moved" });
      return { blob, how: linked || "moved" as const };
    } catch (error) {
      throw blobError(error, each, source, target);
    }
  }, options.signal);
}

/**
 * Tells which blobs are read in several ranges at once, and where those are held. Blobs that are many keep the network busy
 * by themselves, and a stream costs less than ranges do; one that outweighs the others must not be left to one connection.
 * A target that takes blobs in order waits for one at a time: there every large one is read in ranges.
 */
function rangesFor(
  blobs: readonly GraphBlob[],
  source: ImageSource,
  target: ImageTarget,
): (blob: Descriptor) => SharedBuffers | undefined {
  const buffers = new SharedBuffers(Math.min(MAX_RANGES, source.parallelRanges), RANGE_BYTES);
  const sizes = blobs.map((each) => each.blob.size).filter((size) => size >= MIN_RANGED_BYTES);
  const totalBytes = sizes.reduce((sum, size) => sum + size, 0);
  return ({ size }) => {
    if (source.parallelRanges < 2 || size < MIN_RANGED_BYTES) return undefined;
    return target.limits.takesInOrder || 4 * size >= totalBytes ? buffers : undefined;
  };
}

/** Writes manifests from the deepest level up, so that none is there before what it names. */
async function writeManifests(
  target: ImageTarget,
  manifests: readonly GraphManifest[],
  options: CopyOptions,
): Promise<void> {
  const levels = Map.groupBy(manifests, (each) => each.depth);
  for (const depth of [...levels.keys()].sort((left, right) => right - left)) {
    await mapPool(
      levels.get(depth) ?? [],
      target.limits.concurrentBlobs,
      (each) => target.writeManifest(each.manifest),
      options.signal,
    );
  }
}

/** Writes what belongs to the image by the names of its tags. */
async function writeTagged(
  target: ImageTarget,
  tagged: readonly TaggedGraph[],
  options: CopyOptions,
): Promise<void> {
  await mapPool(
    tagged,
    target.limits.concurrentBlobs,
    async ({ tag, graph }) => await target.writeTagged?.(tag, graph.manifests[0]!.manifest),
    options.signal,
  );
}

function rootOf(graph: ImageGraph): Descriptor {
  return graph.manifests[0]!.manifest.descriptor;
}

function blobLabel({ blob, role, labels }: GraphBlob, source: ImageSource): string {
  const platform = labels[0] ? ` of ${labels[0]}` : "";
  return `${role} "${blob.digest}"${platform} in "${source.name}"`;
}

/** Names the blob and whom it belongs to, unless the error does so already. */
function blobError(error: unknown, each: GraphBlob, source: ImageSource, target: ImageTarget): unknown {
  if (!(error instanceof ImageError) || error.code === "aborted" || error.code === "digest-mismatch") return error;
  const platform = each.labels[0] ? ` of ${each.labels[0]}` : "";
  const what = `${each.role} "${each.blob.digest}"${platform}`;
  return new ImageError(error.code, `Cannot copy ${what} from "${source.name}" to "${target.name}": ${error.message}`, {
    hint: error.hint,
    cause: error,
  });
}
