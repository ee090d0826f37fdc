import { ImageError, isImageError } from "../errors.ts";
import { type CopyEvent, copyImage } from "../image/copy_image.ts";
import { HeldContent } from "../image/held_content.ts";
import type { ImageSource, ImageTarget } from "../image/places.ts";
import { readChild } from "../image/index_walk.ts";
import { platformsOf, selectPlatforms } from "../image/select_platforms.ts";
import { type WholePart, wholePart } from "../image/whole_part.ts";
import { type ImageLocation, isInRepository } from "../oci/location.ts";
import type { ArchivePlace } from "../oci/locations/archive.ts";
import { isAttestation, isRunnable, type Manifest } from "../oci/manifest.ts";
import { formatPlatform, parsePlatforms, type Platform } from "../oci/platform.ts";
import { openArchive, openDaemon, openTarget } from "../transports/open.ts";
import { openSiblings } from "../transports/open_siblings.ts";
import type { Session } from "../transports/session.ts";
import { type BlobCounts, blobCounts, totalBytes } from "./blob_counts.ts";
import { leftOutReport } from "./left_out.ts";

/** How `push` goes about it. */
export interface PushOptions {
  /** Read a file or folder and no daemon; `image` then names the image in it, if there are several. */
  readonly file?: Omit<ArchivePlace, "name"> | undefined;
  readonly platforms?: readonly string[];
  /** Keep the index and its attestations even around a single platform. */
  readonly allPlatforms?: boolean;
  readonly force?: boolean;
  readonly create?: boolean;
  readonly onEvent?: ((event: CopyEvent) => void) | undefined;
}

/** What `push` did; the JSON of docs/json.md. */
export interface PushReport extends BlobCounts {
  readonly reference: string;
  readonly digest: string;
  readonly media_type: string;
  readonly platforms: readonly string[];
  readonly attestations: number;
  /** Platforms of the image that the daemon or file does not hold whole, and that stayed behind. */
  readonly platforms_missing: readonly string[];
  /** The same for attestations of platforms that were pushed. */
  readonly attestations_missing?: number;
  /** Whether the manifest was built here, because the daemon or archive had none. */
  readonly manifest_built: boolean;
  /** Sum of the stored sizes of configs and layers. */
  readonly bytes: number;
}

/** Brings an image from the daemon, or out of a file or folder, to a bucket or registry. */
export async function pushCommand(
  session: Session,
  image: string | undefined,
  location: ImageLocation,
  options: PushOptions = {},
): Promise<PushReport> {
  const platforms = parsePlatforms(options.platforms ?? []);
  await using target = await openTarget(session, location, options);
  const opened = await openPushSource(session, image, location, target, options);
  await using source = opened.source;
  const original = await source.root();
  const part = await wholePart(source, original, session.signal);
  const chosen = platforms.length > 0
    ? await selectPlatforms(source, part.root, platforms)
    : { root: options.allPlatforms ? part.root : await onlyWholeImage(source, part) };
  const result = await copyImage(source, target, {
    root: chosen.root,
    ...session.copyOptions,
    onEvent: options.onEvent,
  });
  const { content, descriptor } = result.root;
  const counts = blobCounts(result);
  return {
    reference: target.name,
    digest: descriptor.digest,
    media_type: descriptor.mediaType,
    platforms: (await platformsIn(opened, result.root)).map(formatPlatform).filter((text) => text !== ""),
    attestations: content.kind === "index" ? content.manifests.filter(isAttestation).length : 0,
    platforms_missing: [],
    // Of platforms that were chosen none is missing.
    ...(platforms.length > 0 ? {} : leftOutReport(part.leftOut)),
    manifest_built: !opened.source.isOriginal || (chosen.root === part.root && part.root !== original),
    bytes: totalBytes(counts),
    ...counts,
  };
}

/** What is pushed, and what is known of it beside its bytes. */
interface PushSource {
  /** Its manifest is the daemon's or file's own, or was built. */
  readonly source: ImageSource & { readonly isOriginal: boolean };
  /** The platform of an image that is no index, where it is known without reading the config. */
  readonly platform?: Platform;
}

async function openPushSource(
  session: Session,
  image: string | undefined,
  location: ImageLocation,
  target: ImageTarget,
  options: PushOptions,
): Promise<PushSource> {
  const { file } = options;
  if (file) {
    const place = { ...file, text: file.path, ...(image === undefined ? {} : { name: image }) };
    return {
      source: await openArchive(session, place).catch((error) => Promise.reject(unclear(error, image))),
    };
  }
  if (image === undefined) throw new ImageError("usage", "Missing IMAGE, the name in the daemon");
  const [platform, ...more] = parsePlatforms(options.platforms ?? []);
  const held = new HeldContent(isInRepository(location) ? await openSiblings(session, location) : [], target);
  const source = await openDaemon(session, image, {
    // Several platforms are chosen from what the daemon holds; one needs no more than itself.
    ...(platform && more.length === 0 ? { platform } : {}),
    allPlatforms: (options.allPlatforms ?? false) || more.length > 0,
    known: {
      findImage: (config) => held.findImage(config),
      findLayer: (diffId) => held.findLayer(diffId),
      findManifest: (digest) => held.findManifest(digest),
      hasBlob: (digest) => held.hasBlob(digest),
    },
  });
  return { source, platform: platform ?? source.image.platform };
}

/** An archive of several images names them, and after its path they are named for other commands. */
function unclear(error: unknown, image: string | undefined): unknown {
  if (image !== undefined || !isImageError(error, "usage") || error.hint === undefined) return error;
  const hint = "Name one of them before REF: s3lo push --file PATH IMAGE REF";
  return new ImageError(error.code, error.message, { hint, cause: error });
}

/** The one image that is whole of an index that is not, as a daemon would push it; else what is whole of it. */
async function onlyWholeImage(source: ImageSource, { root, leftOut }: WholePart): Promise<Manifest> {
  if (leftOut.length === 0 || root.content.kind !== "index") return root;
  const [only, ...more] = root.content.manifests.filter(isRunnable);
  return only && more.length === 0 ? await readChild(source, only) : root;
}

/** The platforms of what was pushed. The config of an unchanged image is not read: it would have to be exported. */
async function platformsIn({ source, platform }: PushSource, root: Manifest): Promise<readonly Platform[]> {
  return platform && root.content.kind === "image" ? [platform] : await platformsOf(source, root);
}
