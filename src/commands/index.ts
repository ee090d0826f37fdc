import { ImageError, isImageError } from "../errors.ts";
import { type CopyEvent, copyImage, type CopyResult } from "../image/copy_image.ts";
import {
  entriesOf,
  entryFor,
  type IndexEntry,
  indexManifest,
  joinEntries,
  withoutEntries,
} from "../image/join_index.ts";
import { childTarget } from "../image/child_target.ts";
import type { ImageSource, LeftOutEntry } from "../image/places.ts";
import { configPlatform, selectPlatforms } from "../image/select_platforms.ts";
import { wholePart } from "../image/whole_part.ts";
import type { ImageLocation } from "../oci/location.ts";
import { isAttestation, isRunnable, type Manifest } from "../oci/manifest.ts";
import { formatPlatform, parsePlatforms, type Platform, selectPlatform } from "../oci/platform.ts";
import { checkSides } from "../transports/check_sides.ts";
import { openSource } from "../transports/open.ts";
import { type BucketTag, openBucketTag } from "../transports/open_bucket.ts";
import type { Session } from "../transports/session.ts";
import { type BlobCounts, blobCounts } from "./blob_counts.ts";
import { type LeftOutReport, leftOutReport } from "./left_out.ts";

/** How often an index is built anew because somebody else changed it meanwhile. */
const MAX_TRIES = 20;

/** How an index is written. */
export interface IndexCommandOptions {
  /** Of each source only these platforms; none means all. */
  readonly platforms?: readonly string[];
  /** Whether an added image takes the place of the one of its platform. */
  readonly replace?: boolean;
  /** Replace a protected tag. */
  readonly force?: boolean;
  /** Make a store in a folder that holds something else. */
  readonly create?: boolean;
  /** Read and check what one bucket's server would copy to another by itself. */
  readonly verify?: boolean;
  readonly onEvent?: ((event: CopyEvent) => void) | undefined;
}

/** What an index is after a change; the JSON of docs/json.md. */
export interface IndexReport extends LeftOutReport, BlobCounts {
  readonly reference: string;
  readonly digest: string;
  readonly media_type: string;
  readonly platforms: readonly { readonly platform: string; readonly digest: string }[];
  readonly attestations: number;
  /** The digest that the tag had before; undefined when it is new. */
  readonly previous_digest?: string;
}

/** Joins images into a new index under the target's tag, which is replaced if it exists. */
export async function createIndex(
  session: Session,
  target: ImageLocation,
  sources: readonly ImageLocation[],
  options: IndexCommandOptions = {},
): Promise<IndexReport> {
  checkSides(session, { source: sources, target: [target] });
  const place = await openBucketTag(session, target, options);
  await place.tag.read();
  await place.tag.check(undefined);
  const { entries: added, copies, leftOut } = await collect(session, place, sources, options);
  const index = indexManifest(joinEntries([], added, options));
  const previous = await place.tag.read();
  await place.tag.check(index.descriptor.digest);
  await place.tag.write(index);
  return { ...report(place.name, index, previous), ...blobCounts(...copies), ...leftOutReport(leftOut) };
}

/**
 * Adds images to the target's index; a tag that does not exist is made, a single image becomes the first entry. Of several
 * that add at the same time none is lost.
 */
export async function addToIndex(
  session: Session,
  target: ImageLocation,
  sources: readonly ImageLocation[],
  options: IndexCommandOptions = {},
): Promise<IndexReport> {
  checkSides(session, { source: sources, target: [target] });
  const place = await openBucketTag(session, target, options);
  const { entries: added, copies, leftOut } = await collect(session, place, sources, options);
  const changed = await change(place, async (current) => {
    const existing = current ? await entriesOfRoot(place, current) : [];
    return indexManifest(joinEntries(existing, added, options), current);
  });
  return { ...changed, ...blobCounts(...copies), ...leftOutReport(leftOut) };
}

/** Takes platforms out of the target's index, and what attests to them. Throws `not-found` when one is not there. */
export async function removeFromIndex(
  session: Session,
  target: ImageLocation,
  platforms: readonly string[],
  options: IndexCommandOptions = {},
): Promise<IndexReport> {
  const place = await openBucketTag(session, target, options);
  const wanted = parsePlatforms(platforms);
  return await change(place, (current) => {
    if (current?.content.kind !== "index") {
      throw new ImageError(
        "not-found",
        `Cannot change "${place.name}": ${current ? "it is a single image and no index" : "there is no such tag"}`,
      );
    }
    const entries = entriesOf(current);
    const gone = new Set(wanted.map((platform) => chosenDigest(entries, platform, place.name)));
    const left = withoutEntries(entries, (entry) => gone.has(entry.descriptor.digest));
    if (!left.some((entry) => isRunnable(entry.descriptor))) {
      throw new ImageError("conflict", `Cannot change "${place.name}": no platform would be left`, {
        hint: "Delete the tag instead",
      });
    }
    return Promise.resolve(indexManifest(left, current));
  });
}

/** Entries for an index, and what could not be brought for it. */
interface Collected {
  readonly entries: readonly IndexEntry[];
  /** What became of each source's blobs. */
  readonly copies: readonly CopyResult[];
  readonly leftOut: readonly LeftOutEntry[];
}

/** Brings every source's images into the target's store and gives their entries. Blobs are moved by the store, where it can. */
async function collect(
  session: Session,
  place: BucketTag,
  sources: readonly ImageLocation[],
  options: IndexCommandOptions,
): Promise<Collected> {
  const platforms = parsePlatforms(options.platforms ?? []);
  const entries: IndexEntry[] = [];
  const copies: CopyResult[] = [];
  const leftOut: LeftOutEntry[] = [];
  for (const location of sources) {
    await using source = await openSource(session, location);
    const part = await wholePart(source, await source.root(), session.signal);
    const chosen = platforms.length > 0 ? (await selectPlatforms(source, part.root, platforms)).root : part.root;
    if (platforms.length === 0) leftOut.push(...part.leftOut);
    const copy = await copyImage(source, childTarget(place.target, chosen.content.kind !== "index"), {
      root: chosen,
      ...session.copyOptions,
      onEvent: options.onEvent,
    });
    copies.push(copy);
    entries.push(...await entriesOfImage(source, chosen));
  }
  return { entries, copies, leftOut };
}

async function entriesOfImage(source: ImageSource, root: Manifest): Promise<readonly IndexEntry[]> {
  if (root.content.kind === "index") return entriesOf(root);
  const platform = root.content.kind === "image" ? await configPlatform(source, root.content) : undefined;
  if (!platform?.os || !platform.architecture) {
    throw new ImageError("unsupported", `Cannot join "${source.name}": its config names no platform`);
  }
  return [entryFor(root, platform)];
}

/** The entries of what the tag means now; a single image is stored under its digest first, since an index will name it. */
async function entriesOfRoot(place: BucketTag, current: Manifest): Promise<readonly IndexEntry[]> {
  if (current.content.kind !== "index") await place.store.writeManifest(current);
  return await entriesOfImage(place.source, current);
}

/** Replaces the tag's root by what is built of it, again if somebody else replaced it meanwhile. */
async function change(
  place: BucketTag,
  build: (current: Manifest | undefined) => Promise<Manifest>,
): Promise<IndexReport> {
  for (let tries = 1;; tries++) {
    const current = await place.tag.read();
    const index = await build(current);
    if (index.descriptor.digest === current?.descriptor.digest) return report(place.name, index, current);
    await place.tag.check(index.descriptor.digest);
    try {
      await place.tag.replace(index);
      return report(place.name, index, current);
    } catch (error) {
      if (!isImageError(error, "conflict") || tries >= MAX_TRIES) throw error;
    }
  }
}

function chosenDigest(entries: readonly IndexEntry[], platform: Platform, target: string): string {
  const runnable = entries.map((entry) => entry.descriptor).filter(isRunnable);
  const exact = selectPlatform(runnable, platform);
  if (!exact) {
    const there = runnable.flatMap((each) => each.platform ? [formatPlatform(each.platform)] : []).join(", ");
    throw new ImageError(
      "not-found",
      `Cannot find platform ${formatPlatform(platform)} in "${target}" (there: ${there})`,
    );
  }
  return exact.digest;
}

function report(reference: string, index: Manifest, previous: Manifest | undefined): IndexReport {
  const entries = entriesOf(index).map((entry) => entry.descriptor);
  return {
    reference,
    digest: index.descriptor.digest,
    media_type: index.descriptor.mediaType,
    platforms: entries.filter(isRunnable).map((entry) => ({
      platform: formatPlatform(entry.platform!),
      digest: entry.digest,
    })),
    attestations: entries.filter(isAttestation).length,
    ...blobCounts(),
    ...(previous ? { previous_digest: previous.descriptor.digest } : {}),
  };
}
