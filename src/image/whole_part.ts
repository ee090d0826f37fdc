import { ImageError } from "../errors.ts";
import { type Descriptor, embeddedBytes } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import { attestedDigest, blobsOf, isAttestation, type Manifest } from "../oci/manifest.ts";
import { manifestKind } from "../oci/media_types.ts";
import { type WalkedEntry, type WalkedManifest, walkIndex } from "./index_walk.ts";
import { entriesOf, type IndexEntry, indexManifest } from "./join_index.ts";
import type { ImageSource, LeftOutEntry } from "./places.ts";

/** What can be taken of an image whose index names more than its place holds. */
export interface WholePart {
  /** The root itself where all is there, else an index of the entries that are whole. */
  readonly root: Manifest;
  /** Entries that are not. What attests to one of them stays behind with it and is not counted. */
  readonly leftOut: readonly LeftOutEntry[];
}

/**
 * The part of an image that its place holds whole, for places whose indexes name more than they hold: `docker save` of an
 * image of many platforms writes the whole index and the one platform that was pulled. Of a nested index that is there in
 * part, the entries that are whole take its place.
 *
 * Throws `not-found` when none is whole.
 */
export async function wholePart(source: ImageSource, root: Manifest, signal?: AbortSignal): Promise<WholePart> {
  if (root.content.kind !== "index" || !source.holds) return { root, leftOut: source.leftOut ?? [] };
  const top = await walkIndex(source, root, { reads: isManifest, skipMissing: true, signal });
  const search = new PartSearch(source, top);
  const kept = await search.wholeEntries(top);
  const { leftOut } = search;
  if (leftOut.length === 0) return { root, leftOut };
  if (kept.length === 0) {
    const names = leftOut.map(({ label }) => label).join(", ");
    throw new ImageError(
      "not-found",
      `Cannot read "${source.name}": it holds nothing whole of what it names: ${names}`,
    );
  }
  return { root: indexManifest(kept, root, `the part of "${source.name}" that is whole`), leftOut };
}

function isManifest({ mediaType }: Descriptor): boolean {
  return mediaType === "" || manifestKind(mediaType) !== undefined;
}

/** Finds out what of a walked index is whole; each manifest and blob is looked up once. */
class PartSearch {
  readonly leftOut: LeftOutEntry[] = [];
  readonly #source: ImageSource;
  readonly #nodes = new Map<Digest, WalkedManifest>();
  readonly #whole = new Map<Digest, Promise<boolean>>();
  readonly #settled = new Set<Digest>();

  constructor(source: ImageSource, top: WalkedManifest) {
    this.#source = source;
    for (const pending = [top]; pending.length > 0;) {
      const node = pending.pop()!;
      this.#nodes.set(node.manifest.descriptor.digest, node);
      pending.push(...node.entries.flatMap(({ child }) => child ?? []));
    }
  }

  async wholeEntries(node: WalkedManifest): Promise<readonly IndexEntry[]> {
    const gone = new Set<Digest>();
    for (const entry of node.entries) if (!await this.#isWhole(entry)) gone.add(entry.descriptor.digest);
    const isOrphan = (entry: Descriptor) => {
      const subject = attestedDigest(entry);
      return subject !== undefined && gone.has(subject);
    };
    const kept: IndexEntry[] = [];
    for (const [position, entry] of entriesOf(node.manifest).entries()) {
      const { descriptor } = entry;
      const child = this.#nodes.get(descriptor.digest);
      if (isOrphan(descriptor)) continue;
      if (!gone.has(descriptor.digest)) {
        kept.push(entry);
        continue;
      }
      // Indexes may name the same thing any number of times: it is taken apart, or missed, once.
      if (this.#settled.has(descriptor.digest)) continue;
      this.#settled.add(descriptor.digest);
      if (child?.manifest.content.kind === "index") kept.push(...await this.wholeEntries(child));
      else {
        const label = node.entries[position]!.label || descriptor.digest;
        this.leftOut.push({ label, isAttestation: isAttestation(descriptor) });
      }
    }
    return kept;
  }

  #isWhole({ descriptor }: WalkedEntry): Promise<boolean> {
    const known = this.#whole.get(descriptor.digest);
    if (known) return known;
    const whole = this.#check(descriptor);
    this.#whole.set(descriptor.digest, whole);
    return whole;
  }

  async #check(descriptor: Descriptor): Promise<boolean> {
    if (!isManifest(descriptor)) return await this.#holds(descriptor);
    const node = this.#nodes.get(descriptor.digest);
    if (!node) return false;
    for (const entry of node.entries) if (!await this.#isWhole(entry)) return false;
    for (const blob of blobsOf(node.manifest.content).blobs) if (!await this.#holds(blob)) return false;
    return true;
  }

  async #holds(blob: Descriptor): Promise<boolean> {
    return embeddedBytes(blob) !== undefined || await this.#source.holds!(blob);
  }
}
