import type { ImageError } from "../errors.ts";
import { type CopyEvent, copyImage, type CopyResult } from "../image/copy_image.ts";
import { type Selection, selectPlatforms } from "../image/select_platforms.ts";
import type { ImageSource } from "../image/places.ts";
import { wholePart } from "../image/whole_part.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { type ImageLocation, withTag } from "../oci/location.ts";
import { isAttestation, isRunnable } from "../oci/manifest.ts";
import { parsePlatforms } from "../oci/platform.ts";
import { checkSides } from "../transports/check_sides.ts";
import { repositoryPair, tagsToCopy } from "../transports/list_images.ts";
import { openSource, openTarget } from "../transports/open.ts";
import type { Session } from "../transports/session.ts";
import { attempt } from "./attempt.ts";
import { type BlobCounts, blobCounts } from "./blob_counts.ts";
import { type LeftOutReport, leftOutReport } from "./left_out.ts";

/** How `copy` goes about it. */
export interface CopyCommandOptions {
  /** Platforms as the user wrote them; none means all. */
  readonly platforms?: readonly string[];
  /** Every tag of the source's repository, under the same name in the target's. */
  readonly allTags?: boolean;
  readonly includeReferrers?: boolean;
  readonly includeForeign?: boolean;
  readonly dryRun?: boolean;
  /** Replace a protected tag. */
  readonly force?: boolean;
  /** Make a store in a folder that holds something else. */
  readonly create?: boolean;
  /** Read and check what one bucket's server would copy to another by itself. */
  readonly verify?: boolean;
  readonly onEvent?: ((event: CopyEvent) => void) | undefined;
  /** Told of each image before its copy starts. */
  readonly onImage?: ((source: string, target: string, place: ImagePlace) => void) | undefined;
}

/** Which of how many images one is. */
export interface ImagePlace {
  /** From 1 on. */
  readonly number: number;
  readonly count: number;
}

/** What `copy` did with one image; the JSON of docs/json.md. */
export interface CopyReport extends LeftOutReport, BlobCounts {
  readonly source: string;
  readonly reference: string;
  readonly digest: string;
  readonly media_type: string;
  /** The root that the source has, where the target got another one (a platform was chosen, or not all are there). */
  readonly source_digest?: string;
  /** Platform images copied, 1 for a single image; attestations are counted apart. */
  readonly platforms: number;
  readonly attestations: number;
  readonly referrers_copied: number;
  readonly foreign_layers_skipped: number;
  readonly signatures_dropped: number;
  /** What refers to the image (`--include-referrers`) and cannot be held by the target. */
  readonly referrers_dropped: number;
  /** What the identity may not see of the source, so that nothing is said of it: `signatures`, `referrers`. */
  readonly unknown?: readonly string[];
  /** Cosign's tags of the image (`--include-referrers`) that the target cannot hold, having no tags. */
  readonly referrer_tags_dropped: number;
  readonly dry_run: boolean;
  /** With `dryRun`: the blobs that would move. */
  readonly would_copy?: readonly { readonly digest: string; readonly size: number; readonly media_type: string }[];
}

/** Where an image is, and where its copy goes. */
export interface CopyPair {
  readonly source: ImageLocation;
  readonly target: ImageLocation;
}

/** The outcome of a copy of one or many images. */
export interface CopyOutcome {
  readonly images: readonly CopyReport[];
  /** Of each image the places, in the same order. */
  readonly pairs: readonly CopyPair[];
  /** With `allTags`: the tags that failed, and why. */
  readonly failures: readonly { readonly reference: string; readonly error: ImageError }[];
}

/** Copies an image, or every tag of a repository, from any place to any other. */
export async function copyCommand(
  session: Session,
  source: ImageLocation,
  target: ImageLocation,
  options: CopyCommandOptions = {},
): Promise<CopyOutcome> {
  const platforms = parsePlatforms(options.platforms ?? []);
  checkSides(session, { source: [source], target: [target] });
  if (!options.allTags) {
    const images = [await copyOne(session, { source, target, number: 1, count: 1 }, platforms, options)];
    return { images, pairs: [{ source, target }], failures: [] };
  }
  const repositories = repositoryPair(source, target);
  const tags = await tagsToCopy(session, repositories);
  const images: CopyReport[] = [];
  const pairs: CopyPair[] = [];
  const failures: { reference: string; error: ImageError }[] = [];
  for (const [index, tag] of tags.entries()) {
    const outcome = await attempt(async () => {
      const pair = { source: withTag(repositories.source, tag), target: withTag(repositories.target, tag) };
      const place = { number: index + 1, count: tags.length };
      return { pair, image: await copyOne(session, { ...pair, ...place }, platforms, options) };
    });
    if ("error" in outcome) {
      failures.push({ reference: `${repositories.target.text}:${tag}`, error: outcome.error });
    } else {
      images.push(outcome.value.image);
      pairs.push(outcome.value.pair);
    }
  }
  return { images, pairs, failures };
}

async function copyOne(
  session: Session,
  image: ImagePlace & CopyPair,
  platforms: ReturnType<typeof parsePlatforms>,
  options: CopyCommandOptions,
): Promise<CopyReport> {
  await using source = await openSource(session, image.source);
  await using target = await openTarget(session, image.target, { ...options, source });
  options.onImage?.(source.name, target.name, image);
  const root = await source.root();
  const part = await wholePart(source, root, session.signal);
  const selection: Selection = platforms.length > 0
    ? await selectPlatforms(source, part.root, platforms)
    : { root: part.root, platforms: [], changed: false };
  // Asked before anything is written: what fails here must not fail after the tag is there.
  const signatures = await signatureCount(source);
  const result = await copyImage(source, target, {
    root: selection.root,
    includeReferrers: options.includeReferrers ?? false,
    includeForeign: options.includeForeign ?? false,
    dryRun: options.dryRun ?? false,
    ...session.copyOptions,
    onEvent: options.onEvent,
  });
  return {
    source: source.name,
    reference: target.name,
    ...(selection.root === root ? {} : { source_digest: root.descriptor.digest }),
    ...(platforms.length > 0 ? {} : leftOutReport(part.leftOut)),
    ...countPlatforms(result),
    ...blobCounts(result),
    ...countOthers(result),
    signatures_dropped: signatures,
    ...withheldReport(source),
    dry_run: options.dryRun ?? false,
    ...(options.dryRun ? { would_copy: result.movedBlobs.map(blobReport) } : {}),
  };
}

function countPlatforms(result: CopyResult): Pick<CopyReport, "digest" | "media_type" | "platforms" | "attestations"> {
  const entries = result.manifests.flatMap(({ manifest: { content } }) =>
    content.kind === "index" ? content.manifests : []
  );
  const isSingle = result.root.content.kind !== "index";
  return {
    digest: result.root.descriptor.digest,
    media_type: result.root.descriptor.mediaType,
    platforms: isSingle ? 1 : entries.filter(isRunnable).length,
    attestations: entries.filter(isAttestation).length,
  };
}

function countOthers(
  result: CopyResult,
): Pick<CopyReport, "referrers_copied" | "referrers_dropped" | "referrer_tags_dropped" | "foreign_layers_skipped"> {
  return {
    referrers_copied: result.referrers.length,
    referrers_dropped: result.leftOutReferrers.length,
    referrer_tags_dropped: result.leftOutTags.length,
    foreign_layers_skipped: result.foreignBlobs.length,
  };
}

function blobReport({ digest, size, mediaType }: Descriptor): { digest: string; size: number; media_type: string } {
  return { digest, size, media_type: mediaType };
}

/** What the source would not tell. */
function withheldReport(source: ImageSource): Pick<CopyReport, "unknown"> {
  const unknown = [...source.withheld ?? []].sort();
  return unknown.length > 0 ? { unknown } : {};
}

/** How many signature records lie beside the source's tag: they are bound to its place and are worth nothing elsewhere. */
async function signatureCount(source: ImageSource): Promise<number> {
  return (await source.signatures?.())?.length ?? 0;
}
