import { ImageError, isImageError } from "../errors.ts";
import { mapPool } from "../bytes/pool.ts";
import { type Descriptor, embeddedBytes } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import { MAX_INDEX_DEPTH, MAX_MANIFESTS, MAX_MANIFESTS_BYTES, MAX_NAMED_BLOBS, Total } from "../oci/limits.ts";
import { attestedDigest, childrenOf, type Manifest, type ManifestContent, readManifest } from "../oci/manifest.ts";
import { formatPlatform } from "../oci/platform.ts";
import type { ImageSource } from "./places.ts";

/** How many manifests are fetched at once: a far place gives those of an ordinary index in one step. */
const PARALLEL_MANIFESTS = 16;

/** What the manifests of one image add up to, over all walks that share it: those of the image and of its referrers. */
export class ManifestTotals {
  readonly #manifests: Total;
  readonly #entries: Total;
  readonly #bytes: Total;
  readonly #blobs: Total;

  /** `name`: the image's, for errors. */
  constructor(name: string) {
    const action = `Cannot read "${name}"`;
    this.#manifests = new Total(action, MAX_MANIFESTS, "manifests");
    this.#entries = new Total(action, MAX_MANIFESTS, "entries in its indexes");
    this.#bytes = new Total(action, MAX_MANIFESTS_BYTES, "bytes of manifests");
    this.#blobs = new Total(action, MAX_NAMED_BLOBS, "blobs in its manifests");
  }

  /** Counts what a manifest that was read names. Throws `invalid-input`. */
  list(content: ManifestContent): void {
    (content.kind === "index" ? this.#entries : this.#blobs).add(childrenOf(content).length);
  }

  /** Counts a manifest of which the bytes are about to be read. Throws `invalid-input`. */
  read(sizeBytes: number): void {
    this.#manifests.add();
    this.#bytes.add(sizeBytes);
  }
}

/** A manifest that a walk came to. */
export interface WalkedManifest {
  readonly manifest: Manifest;
  /** `linux/arm64/v8`, `attestation of linux/amd64`, or empty for the root of a single image. */
  readonly label: string;
  /** 0 for the root, and for every other one the longest way down to it: whatever names it is less deep. */
  readonly depth: number;
  /** Of an index: its entries in their order. */
  readonly entries: readonly WalkedEntry[];
}

/** One entry of an index. */
export interface WalkedEntry {
  readonly descriptor: Descriptor;
  readonly label: string;
  /** What it names, where that was read here. One that several entries name is read for the first of them only. */
  readonly child?: WalkedManifest;
  /** Whether what it names was read for an entry before this one, or is the root. */
  readonly isRepeated: boolean;
}

/** What a walk reads. */
export interface WalkOptions {
  /** Which entries are read. */
  readonly reads: (entry: Descriptor) => boolean;
  /** Whether an entry whose manifest is not there is left without one, instead of ending the walk. */
  readonly skipMissing?: boolean;
  /** Shared with other walks of the same image. */
  readonly totals?: ManifestTotals | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A node while the walk goes on. */
interface Node extends WalkedManifest {
  depth: number;
  readonly entries: Entry[];
}

interface Entry extends WalkedEntry {
  child?: Node;
  isRepeated: boolean;
}

/**
 * Reads an index and the manifests that it names, and those below: the one way in which indexes are followed.
 *
 * Each digest is read once and checked against its descriptor, a level at a time and a bounded number at once. Throws
 * `invalid-input` where indexes are nested deeper, or list or hold more, than an image does; `not-found` where a manifest is
 * missing (its platform is named).
 */
export async function walkIndex(source: ImageSource, root: Manifest, options: WalkOptions): Promise<WalkedManifest> {
  const totals = options.totals ?? new ManifestTotals(source.name);
  totals.read(root.descriptor.size);
  totals.list(root.content);
  const top = nodeOf(root, "", 0);
  const found = new Map<Digest, Node>([[root.descriptor.digest, top]]);
  const met = new Set<Digest>(found.keys());
  for (let level = [top]; level.length > 0;) {
    const depth = level[0]!.depth + 1;
    const wanted: Entry[] = [];
    for (const entry of level.flatMap((node) => listEntries(node, source))) {
      if (!options.reads(entry.descriptor)) continue;
      entry.isRepeated = met.has(entry.descriptor.digest);
      if (!entry.isRepeated) wanted.push(entry);
      met.add(entry.descriptor.digest);
    }
    const children = await mapPool(wanted, PARALLEL_MANIFESTS, async (entry) => {
      totals.read(entry.descriptor.size);
      const manifest = await readEntry(source, entry, options);
      if (!manifest) return [];
      totals.list(manifest.content);
      entry.child = nodeOf(manifest, entry.label, depth);
      found.set(entry.descriptor.digest, entry.child);
      return manifest.content.kind === "index" ? [entry.child] : [];
    }, options.signal);
    level = children.flat();
  }
  settleDepths(found, source);
  return top;
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
    if (!isImageError(error, "not-found")) throw error;
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

function nodeOf(manifest: Manifest, label: string, depth: number): Node {
  return { manifest, label, depth, entries: [] };
}

/** Fills in the entries of an index. */
function listEntries(node: Node, source: ImageSource): readonly Entry[] {
  const { content } = node.manifest;
  if (content.kind !== "index") return [];
  if (node.depth >= MAX_INDEX_DEPTH) throw tooDeep(source);
  const labels = entryLabels(content.manifests);
  for (const descriptor of content.manifests) {
    node.entries.push({ descriptor, label: labels.get(descriptor.digest) ?? "", isRepeated: false });
  }
  return node.entries;
}

async function readEntry(
  source: ImageSource,
  { descriptor, label }: WalkedEntry,
  { skipMissing = false }: WalkOptions,
): Promise<Manifest | undefined> {
  try {
    return await readChild(source, descriptor, label);
  } catch (error) {
    if (!skipMissing || !isImageError(error, "not-found")) throw error;
    return undefined;
  }
}

/** Puts every manifest below all that name it: one index may name what another one beside it does, too. */
function settleDepths(found: ReadonlyMap<Digest, Node>, source: ImageSource): void {
  const pending = [...found.values()];
  for (let node = pending.pop(); node; node = pending.pop()) {
    for (const { descriptor } of node.entries) {
      const child = found.get(descriptor.digest);
      if (!child || child.depth > node.depth) continue;
      child.depth = node.depth + 1;
      if (child.depth > MAX_INDEX_DEPTH) throw tooDeep(source);
      pending.push(child);
    }
  }
}

function tooDeep(source: ImageSource): ImageError {
  return new ImageError("invalid-input", `Cannot read "${source.name}": its indexes are nested too deep`);
}
