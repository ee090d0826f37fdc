import { ImageError } from "../errors.ts";
import type { ArchiveReference } from "../archive/archive_reference.ts";
import { type CopyEvent, copyImage, type CopyResult } from "../image/copy_image.ts";
import type { ImageSource, ImageTarget } from "../image/places.ts";
import { selectPlatforms } from "../image/select_platforms.ts";
import type { Manifest } from "../oci/manifest.ts";
import { formatPlatform, parsePlatforms, type Platform } from "../oci/platform.ts";
import { isPortableName, parseReference, tagOf } from "../oci/reference.ts";
import { choosePullPlatform, type PullPlatform } from "../transports/docker_daemon_platform.ts";
import { isRepositoryText, openArchiveTarget, openDaemonTargetFor, openSource } from "../transports/open.ts";
import { openSiblings } from "../transports/open_siblings.ts";
import type { Session } from "../transports/session.ts";
import { sizeOfBlobs } from "./sizes.ts";

/** How `pull` goes about it. */
export interface PullOptions {
  /** The platform of this machine. */
  readonly host: Platform;
  /** The name that the image gets; by default that of the reference. */
  readonly name?: string | undefined;
  /** The platform as the user wrote it; by default the daemon's, or the host's for a file. */
  readonly platform?: string | undefined;
  /** Keep the whole index. */
  readonly allPlatforms?: boolean;
  /** Write a file or folder and no daemon. */
  readonly file?: Omit<ArchiveReference, "name"> | undefined;
  readonly onEvent?: ((event: CopyEvent) => void) | undefined;
}

/** What `pull` did; the JSON of docs/json.md. */
export interface PullReport {
  readonly ref: string;
  readonly image_tag: string;
  /** The manifest (or with all platforms the index) that was pulled. */
  readonly digest: string;
  /** The ID in the daemon; absent for a file. */
  readonly image_id?: string;
  readonly file?: string;
  readonly format?: string;
  /** Absent when the whole index was pulled. */
  readonly platform?: string;
  /** Why it is that one. */
  readonly platform_chosen_by?: PullPlatform["chosenBy"];
  /** Sum of the sizes of config and layers. */
  readonly bytes: number;
  readonly bytes_moved: number;
  /** What the daemon had already. */
  readonly bytes_skipped: number;
  readonly blobs_moved: number;
  readonly blobs_skipped: number;
}

/** Brings an image from any place into the daemon, or into a file or folder. */
export async function pullCommand(session: Session, reference: string, options: PullOptions): Promise<PullReport> {
  await using source = await openSource(session, reference);
  const name = options.name ?? defaultName(reference);
  const choice = await choosePlatform(session, options);
  const root = await source.root();
  const chosen = choice ? await select(source, root, choice) : { root, platform: undefined };
  const opened = await openPullTarget(session, { name, reference }, source, options);
  await using target = opened.target;
  const result = await copyImage(source, target, {
    root: chosen.root,
    ...session.copyOptions,
    onEvent: options.onEvent,
  });
  const id = opened.imageId();
  return {
    ref: source.name,
    image_tag: name,
    digest: result.root.descriptor.digest,
    ...(id === undefined ? {} : { image_id: id }),
    ...(options.file ? { file: options.file.path, format: options.file.kind } : {}),
    ...(chosen.platform ? { platform: formatPlatform(chosen.platform) } : {}),
    ...(choice && chosen.platform ? { platform_chosen_by: choice.chosenBy } : {}),
    ...counts(result),
  };
}

/** The platform to take; undefined for all. A daemon is asked for its own when the user names none. */
async function choosePlatform(session: Session, options: PullOptions): Promise<PullPlatform | undefined> {
  if (options.allPlatforms) return undefined;
  const [requested, ...more] = parsePlatforms(
    options.platform === undefined ? [] : [options.platform],
    options.host.architecture,
  );
  if (more.length > 0) {
    throw new ImageError("usage", "pull takes one --platform, or --all-platforms", { hint: "copy takes several" });
  }
  if (options.file) {
    return requested ? { platform: requested, chosenBy: "requested" } : { platform: options.host, chosenBy: "host" };
  }
  return choosePullPlatform((await session.engine()).info, options.host, requested);
}

/** The manifest of the platform. A platform that nobody asked for may be another one that the machine runs. */
async function select(
  source: ImageSource,
  root: Manifest,
  choice: PullPlatform,
): Promise<{ root: Manifest; platform: Platform | undefined }> {
  const otherArchitectures = choice.chosenBy !== "requested";
  const selection = await selectPlatforms(source, root, [choice.platform], { otherArchitectures });
  return { root: selection.root, platform: selection.platforms[0] };
}

/** Where the image goes, and the ID that it has there in the end. */
interface PullTarget {
  readonly target: ImageTarget;
  readonly imageId: () => string | undefined;
}

async function openPullTarget(
  session: Session,
  { name, reference }: { readonly name: string; readonly reference: string },
  source: ImageSource,
  options: PullOptions,
): Promise<PullTarget> {
  const { file } = options;
  if (file) return { target: await openArchiveTarget(session, file, file.path, [name]), imageId: () => undefined };
  const siblings = isRepositoryText(reference) ? await openSiblings(session, reference) : [];
  const target = await openDaemonTargetFor(session, name, { source, siblings });
  return { target, imageId: () => target.imageId };
}

/** `image:tag` of the reference, as `docker images` shows it. */
function defaultName(text: string): string {
  if (!isRepositoryText(text)) {
    throw new ImageError("usage", `Give the name that "${text}" shall have`, { hint: "s3lo pull REF NAME:TAG" });
  }
  const reference = parseReference(text);
  const tag = tagOf(reference) ?? "latest";
  if (reference.kind === "registry") {
    return `${reference.registry}/${reference.repository}:${tag}`.replace(/^docker\.io\/(?:library\/)?/, "");
  }
  const image = reference.kind === "s3" ? reference.image : reference.readings[0].image;
  if (!isPortableName(image, tag)) {
    throw new ImageError("usage", `Give the name that "${text}" shall have: Docker's names are stricter`, {
      hint: "s3lo pull REF NAME:TAG",
    });
  }
  return `${image}:${tag}`;
}

function counts(
  result: CopyResult,
): Pick<PullReport, "bytes" | "bytes_moved" | "bytes_skipped" | "blobs_moved" | "blobs_skipped"> {
  const moved = [...result.movedBlobs, ...result.linkedBlobs];
  return {
    bytes: sizeOfBlobs(moved) + sizeOfBlobs(result.presentBlobs),
    bytes_moved: sizeOfBlobs(moved),
    bytes_skipped: sizeOfBlobs(result.presentBlobs),
    blobs_moved: moved.length,
    blobs_skipped: result.presentBlobs.length,
  };
}
