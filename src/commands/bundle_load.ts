import { ImageError } from "../errors.ts";
import type { Bundle, BundleEntry } from "../archive/bundle_reader.ts";
import { type CopyEvent, copyImage } from "../image/copy_image.ts";
import type { ImageSource } from "../image/places.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import { type LoadTarget, locationIn } from "../oci/collection.ts";
import type { ImageLocation } from "../oci/location.ts";
import type { BundleLocation } from "../oci/locations/bundle.ts";
import { linkingTarget } from "../transports/bundle_places.ts";
import { BundleSource } from "../transports/bundle_source.ts";
import { openBundle } from "../transports/open_bundle.ts";
import { openSource, openTarget } from "../transports/open.ts";
import type { Session } from "../transports/session.ts";
import { attempt } from "./attempt.ts";
import { type BlobCounts, blobCounts } from "./blob_counts.ts";
import type { ImagePlace } from "./copy.ts";
import { leftOutOf, loadBundleGraph, uniqueBlobs } from "./bundle_contents.ts";
import { findNeeds } from "./bundle_needs.ts";
import type { BundleFailure } from "./bundle_save.ts";

/** How `bundle load` goes about it. */
export interface BundleLoadOptions {
  /** The names of the images to load; none means all. */
  readonly images?: readonly string[];
  /** Go on with the others when an image fails. */
  readonly keepGoing?: boolean;
  /** Replace protected tags. */
  readonly force?: boolean;
  /** Make a store in a folder that holds something else. */
  readonly create?: boolean;
  readonly onEvent?: ((event: CopyEvent) => void) | undefined;
  /** Told of each part of the bundle before it is checked. */
  readonly onPart?: ((path: string) => void) | undefined;
  /** Told of each image before it is loaded. */
  readonly onImage?: ((name: string, target: string, place: ImagePlace) => void) | undefined;
}

/** What became of an image; the JSON of docs/json.md. */
export interface LoadedImageReport extends BlobCounts {
  readonly name: string;
  readonly reference: string;
  readonly digest: string;
  readonly referrers_copied: number;
}

/** The outcome of `bundle load`. */
export interface BundleLoadOutcome {
  readonly images: readonly LoadedImageReport[];
  readonly failures: readonly BundleFailure[];
}

/** An image of the bundle and where it goes. */
export interface PlannedImage {
  readonly entry: BundleEntry;
  readonly location: ImageLocation;
  readonly blobs: readonly Descriptor[];
  /** Those of them that are not in the bundle. */
  readonly leftOut: readonly Descriptor[];
}

/** Loads the images of a bundle into a store or registry; what is there already is skipped. */
export async function bundleLoadCommand(
  session: Session,
  location: BundleLocation,
  target: LoadTarget,
  options: BundleLoadOptions = {},
): Promise<BundleLoadOutcome> {
  await using bundle = await openBundle(session, location, { checkParts: true, onPart: options.onPart });
  const landed = chooseLanding(bundle, target, bundle.choose(options.images ?? []));
  const planned = await planImages(bundle, landed, session.signal);
  const holders = await findNeeds(session, target, { bundle, images: planned });
  const images: LoadedImageReport[] = [];
  const failures: BundleFailure[] = [];
  for (const [index, image] of planned.entries()) {
    options.onImage?.(image.entry.name, image.location.text, { number: index + 1, count: planned.length });
    const step = () => loadImage(session, bundle, image, { ...options, holders });
    const outcome = options.keepGoing ? await attempt(step) : { value: await step() };
    if ("error" in outcome) failures.push({ reference: image.location.text, error: outcome.error });
    else images.push(outcome.value);
    if ("value" in outcome && "collection" in target && target.collection.kind === "registry") {
      // Other repositories of the registry can take these over.
      const holder = await openSource(session, image.location);
      for (const blob of image.blobs) if (!holders.has(blob.digest)) holders.set(blob.digest, holder);
    }
  }
  return { images, failures };
}

/** An image of the bundle, and its place at the target. */
type Landing = Pick<PlannedImage, "entry" | "location">;

/** Finds each image's place at the target. */
function chooseLanding(bundle: Bundle, target: LoadTarget, entries: readonly BundleEntry[]): readonly Landing[] {
  if (entries.length === 0) throw new ImageError("not-found", `Cannot load "${bundle.name}": it holds no image`);
  if ("image" in target) {
    const location = target.image;
    if (new Set(entries.map(({ descriptor }) => descriptor.digest)).size > 1) {
      throw new ImageError(
        "usage",
        `Cannot load ${entries.length} images as "${location.text}": its tag can mean only one`,
        {
          hint: "Choose one with --image, or name the store or registry without a tag",
        },
      );
    }
    return [{ entry: entries[0]!, location }];
  }
  const byReference = new Map<string, Landing>();
  for (const entry of entries) {
    if (!entry.landing) {
      throw new ImageError("usage", `Cannot load "${entry.name}": its name is not the name of an image`, {
        hint: "Choose it with --image, and name a target with a tag",
      });
    }
    const location = locationIn(target.collection, entry.landing);
    const known = byReference.get(location.text)?.entry;
    if (known && known.descriptor.digest !== entry.descriptor.digest) {
      throw new ImageError(
        "conflict",
        `Cannot load "${known.name}" and "${entry.name}": both would be "${location.text}"`,
        {
          hint: "Load each with --image and a target of its own",
        },
      );
    }
    byReference.set(location.text, { entry, location });
  }
  return [...byReference.values()];
}

async function planImages(
  bundle: Bundle,
  landed: readonly Landing[],
  signal: AbortSignal | undefined,
): Promise<readonly PlannedImage[]> {
  const planned: PlannedImage[] = [];
  for (const each of landed) {
    const blobs = uniqueBlobs((await loadBundleGraph(bundle, each.entry, signal)).graphs);
    planned.push({ ...each, blobs, leftOut: await leftOutOf(bundle, blobs) });
  }
  return planned;
}

async function loadImage(
  session: Session,
  bundle: Bundle,
  image: PlannedImage,
  options: BundleLoadOptions & { readonly holders: Map<Digest, ImageSource> },
): Promise<LoadedImageReport> {
  const source = new BundleSource(bundle, image.entry, options.holders);
  await using opened = await openTarget(session, image.location, { ...options, source });
  const target = linkingTarget(opened, options.holders);
  const result = await copyImage(source, target, {
    includeReferrers: true,
    includeForeign: false,
    ...session.copyOptions,
    onEvent: options.onEvent,
  });
  return {
    name: image.entry.name,
    reference: image.location.text,
    digest: result.root.descriptor.digest,
    ...blobCounts(result),
    referrers_copied: result.referrers.length,
  };
}
