import { ImageError } from "../errors.ts";
import type { BundleItem, BundleName } from "../archive/bundle_names.ts";
import { type HeldBlobs, parseBundleDocument } from "../archive/bundle_needs.ts";
import { BundleWriter, type WrittenImage, writtenImage } from "../archive/bundle_writer.ts";
import { mapPool } from "../bytes/pool.ts";
import { type CopyEvent, copyImage } from "../image/copy_image.ts";
import type { ImageSource } from "../image/places.ts";
import { type Selection, selectPlatforms } from "../image/select_platforms.ts";
import { wholePart } from "../image/whole_part.ts";
import { parsePlatforms, type Platform } from "../oci/platform.ts";
import { checkSides } from "../transports/check_sides.ts";
import { type ImageLocation, isInRepository } from "../oci/location.ts";
import { bundleAt } from "../oci/locations/bundle.ts";
import { BundleTarget } from "../transports/bundle_target.ts";
import { bundleNameOf, openBundle, openBundleOutput, readBundleList, readFile } from "../transports/open_bundle.ts";
import { openSource } from "../transports/open.ts";
import type { Session } from "../transports/session.ts";
import { attempt } from "./attempt.ts";
import { type BlobCounts, blobCounts } from "./blob_counts.ts";
import type { ImagePlace } from "./copy.ts";
import {
  type BundleContent,
  type BundleDocument,
  type BundleImageReport,
  describeBundle,
  describeImage,
  describeOpenBundle,
  heldBlobs,
  singlePlatform,
} from "./bundle_contents.ts";
import { type LeftOutReport, leftOutReport } from "./left_out.ts";

/** Images looked up at once. */
const PARALLEL_LOOKUPS = 4;

/** How `bundle save` goes about it. */
export interface BundleSaveOptions {
  /** Lists of images, `-` for standard input. */
  readonly from?: readonly string[];
  /** Platforms as the user wrote them; none means all. */
  readonly platforms?: readonly string[];
  readonly includeReferrers?: boolean;
  readonly includeForeign?: boolean;
  /** A bundle that the other side has loaded, or the JSON that describes it. */
  readonly since?: string | undefined;
  /** Cut the file into parts of so many bytes. */
  readonly partBytes?: number | undefined;
  /** Leave out images that fail. */
  readonly keepGoing?: boolean;
  readonly onEvent?: ((event: CopyEvent) => void) | undefined;
  /** Told of each image before its bytes are read. */
  readonly onImage?: ((source: string, name: string, place: ImagePlace) => void) | undefined;
}

/** An image of the bundle and where it came from. */
export interface SavedImageReport extends BundleImageReport, LeftOutReport, BlobCounts {
  readonly source: string;
  /** The root that the source has, where platforms were chosen or not all are there. */
  readonly source_digest?: string;
  readonly foreign_layers_skipped: number;
  /** Cosign's tags of the image (`--include-referrers`), which a bundle cannot hold. */
  readonly referrer_tags_dropped: number;
}

/** What `bundle save` did; the JSON of docs/json.md. */
export interface BundleSaveReport extends BundleDocument {
  readonly file: string;
  readonly parts?: readonly string[];
  /** Length of the tar. */
  readonly bytes_written: number;
  readonly images: readonly SavedImageReport[];
}

/** The outcome of `bundle save`. */
export interface BundleSaveOutcome {
  readonly report: BundleSaveReport;
  readonly failures: readonly BundleFailure[];
}

/** An image that failed. */
export interface BundleFailure {
  readonly reference: string;
  readonly error: ImageError;
}

/** Writes images from any places into one file, blobs that they share once. */
export async function bundleSaveCommand(
  session: Session,
  file: string,
  images: readonly BundleItem[],
  options: BundleSaveOptions = {},
): Promise<BundleSaveOutcome> {
  const all = await allItems(session, images, options.from ?? []);
  const held = options.since === undefined ? new Map() : await readHeld(session, options.since);
  const platforms = parsePlatforms(options.platforms ?? []);
  const failures: BundleFailure[] = [];
  const guard = async <T>(item: BundleItem, step: () => Promise<T>): Promise<T | undefined> => {
    if (!options.keepGoing) return await step();
    const outcome = await attempt(step);
    if (!("error" in outcome)) return outcome.value;
    failures.push({ reference: item.reference, error: outcome.error });
    return undefined;
  };
  const items = await nameItems(all, (item) => guard(item, () => namedItem(item)));
  checkSides(session, { source: items.map(({ location }) => location), target: [] });
  // What cannot be found shows before anything is written. A local archive is opened when its turn comes.
  await using opened = new AsyncDisposableStack();
  const looked = await mapPool(items, PARALLEL_LOOKUPS, async (item) => ({
    item,
    image: isInRepository(item.location)
      ? await guard(item, async () => await openImage(opened, session, item, platforms))
      : "later" as const,
  }), session.signal);
  if (!looked.some(({ image }) => image)) throw failures[0]!.error;
  const output = await openBundleOutput(session, file, options.partBytes);
  await using writer = new BundleWriter(output);
  const saved: SavedImage[] = [];
  const found = looked.filter(({ image }) => image);
  for (const [index, { item, image }] of found.entries()) {
    if (!image) continue;
    const place = { number: index + 1, count: found.length };
    const before = writer.sizeBytes;
    const done = await guard(item, async () => {
      await using own = new AsyncDisposableStack();
      const ready = image === "later" ? await openImage(own, session, item, platforms) : image;
      return await saveImage(session, writer, { item, place, ...ready }, { ...options, held });
    });
    if (done) saved.push(done);
    else if (writer.sizeBytes !== before) throw failures.at(-1)!.error;
  }
  if (saved.length === 0) throw failures[0]!.error;
  const document = describeBundle(saved.map((each) => each.content), held);
  await writer.finish(saved.map((each) => each.written), document.relies_on);
  return { report: reportOf(file, writer, output.paths, saved, document), failures };
}

/** An image to save, with the name that it gets. */
interface NamedItem extends BundleItem {
  readonly location: ImageLocation;
  readonly bundleName: BundleName;
}

/** An image that was found. */
interface OpenedImage {
  readonly source: ImageSource;
  readonly sourceDigest: string;
  readonly selection: Selection;
  /** What the source does not hold whole. */
  readonly missing: LeftOutReport;
}

/** An image that was written. */
interface SavedImage {
  readonly written: WrittenImage;
  readonly content: BundleContent;
  readonly source: string;
  readonly sourceDigest: string;
  readonly counts: BlobCounts;
  readonly foreign: number;
  readonly leftOutTags: number;
  readonly missing: LeftOutReport;
}

async function allItems(
  session: Session,
  named: readonly BundleItem[],
  lists: readonly string[],
): Promise<readonly BundleItem[]> {
  const items = [...named];
  for (const path of lists) items.push(...await readBundleList(session, path));
  if (items.length === 0) {
    throw new ImageError("usage", "No images to save were named", { hint: "Name them, or pass a list with --from" });
  }
  return items;
}

/** Finds each image's name; one that is named twice is saved once. Throws `conflict` when two would have the same name. */
async function nameItems(
  items: readonly BundleItem[],
  nameItem: (item: BundleItem) => Promise<NamedItem | undefined>,
): Promise<readonly NamedItem[]> {
  const byName = new Map<string, NamedItem>();
  for (const item of items) {
    const named = await nameItem(item);
    if (!named) continue;
    const { bundleName } = named;
    const known = byName.get(bundleName.ref);
    if (known && known.reference !== item.reference) {
      throw new ImageError(
        "conflict",
        `Cannot save "${item.reference}": "${known.reference}" is called "${bundleName.ref}" in the bundle too`,
        { hint: `Give one of them another name: "${item.reference} as NAME:TAG"` },
      );
    }
    byName.set(bundleName.ref, named);
  }
  return [...byName.values()];
}

async function namedItem({ location, ...item }: BundleItem): Promise<NamedItem> {
  if (location instanceof ImageError) throw location;
  return { ...item, location, bundleName: await bundleNameOf(location, item.name) };
}

/** What the other side holds: everything of an earlier bundle. */
async function readHeld(session: Session, path: string): Promise<HeldBlobs> {
  if (path.endsWith(".json")) return parseBundleDocument(await readFile(path), `"${path}"`);
  await using bundle = await openBundle(session, bundleAt([path]));
  return heldBlobs(await describeOpenBundle(bundle, session.signal));
}

async function openImage(
  stack: AsyncDisposableStack,
  session: Session,
  item: NamedItem,
  platforms: readonly Platform[],
): Promise<OpenedImage> {
  const source = stack.use(await openSource(session, item.location));
  const root = await source.root();
  const part = await wholePart(source, root, session.signal);
  const selection = platforms.length > 0
    ? await selectPlatforms(source, part.root, platforms)
    : { root: part.root, platforms: [], changed: false };
  const missing = platforms.length > 0 ? {} : leftOutReport(part.leftOut);
  return { source, sourceDigest: root.descriptor.digest, selection, missing };
}

async function saveImage(
  session: Session,
  writer: BundleWriter,
  image: OpenedImage & { readonly item: NamedItem; readonly place: ImagePlace },
  options: BundleSaveOptions & { readonly held: HeldBlobs },
): Promise<SavedImage> {
  const { item, source, selection, sourceDigest } = image;
  options.onImage?.(source.name, item.bundleName.ref, image.place);
  const platform = await singlePlatform(source, selection.root);
  await using target = new BundleTarget(writer, item.bundleName, options.held);
  const result = await copyImage(source, target, {
    root: selection.root,
    includeReferrers: options.includeReferrers ?? false,
    includeForeign: options.includeForeign ?? false,
    ...session.copyOptions,
    onEvent: options.onEvent,
  });
  const { manifests, blobs, leftOut, name } = target.image;
  return {
    written: writtenImage(name, manifests),
    content: describeImage({ name: name.ref, manifests, blobs, leftOut, platform }),
    source: source.name,
    sourceDigest,
    counts: blobCounts(result),
    foreign: result.foreignBlobs.length,
    leftOutTags: result.leftOutTags.length,
    missing: image.missing,
  };
}

function reportOf(
  file: string,
  writer: BundleWriter,
  parts: readonly string[] | undefined,
  saved: readonly SavedImage[],
  document: BundleDocument,
): BundleSaveReport {
  const images = document.images.map((image, index) => {
    const { source, sourceDigest, counts, foreign, leftOutTags, missing } = saved[index]!;
    return {
      ...image,
      source,
      ...(sourceDigest === image.digest ? {} : { source_digest: sourceDigest }),
      ...counts,
      foreign_layers_skipped: foreign,
      referrer_tags_dropped: leftOutTags,
      ...missing,
    };
  });
  return { file, ...(parts ? { parts } : {}), bytes_written: writer.sizeBytes, ...document, images };
}
