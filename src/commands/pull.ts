import { ImageError } from "../errors.ts";
import { type CopyEvent, copyImage } from "../image/copy_image.ts";
import type { ImageSource, ImageTarget } from "../image/places.ts";
import { chooseForMachine, type PlatformDoubt } from "../image/choose_platform.ts";
import { selectPlatforms } from "../image/select_platforms.ts";
import { wholePart } from "../image/whole_part.ts";
import { artifactType, isArtifact } from "../oci/container_image.ts";
import type { Manifest } from "../oci/manifest.ts";
import { formatPlatform, namesPlatform, parsePlatforms, type Platform } from "../oci/platform.ts";
import { type ImageLocation, isInRepository } from "../oci/location.ts";
import type { ArchivePlace } from "../oci/locations/archive.ts";
import { DEFAULT_TAG, isPortableName, tagOf } from "../oci/locations/names.ts";
import { choosePullPlatform, type PullPlatform } from "../transports/docker_daemon_platform.ts";
import { openArchiveTarget, openDaemonTargetFor, openSource } from "../transports/open.ts";
import { openSiblings } from "../transports/open_siblings.ts";
import type { Session } from "../transports/session.ts";
import { type BlobCounts, blobCounts, totalBytes } from "./blob_counts.ts";
import { type LeftOutReport, leftOutReport } from "./left_out.ts";

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
  readonly file?: Omit<ArchivePlace, "name"> | undefined;
  readonly onEvent?: ((event: CopyEvent) => void) | undefined;
}

/** What `pull` did; the JSON of docs/json.md. */
export interface PullReport extends LeftOutReport, BlobCounts {
  readonly reference: string;
  readonly image_tag: string;
  /** Whether neither the user nor the reference has named the tag, so that it is `latest`. */
  readonly image_tag_assumed?: true;
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
  /** Why the image may not run there; see {@linkcode PlatformDoubt}. */
  readonly platform_doubt?: PlatformDoubt;
  /** Sum of the sizes of config and layers. */
  readonly bytes: number;
}

/** Brings an image from any place into the daemon, or into a file or folder. */
export async function pullCommand(
  session: Session,
  location: ImageLocation,
  options: PullOptions,
): Promise<PullReport> {
  await using source = await openSource(session, location);
  const naming = options.name === undefined ? defaultName(location) : { name: options.name, isAssumed: false };
  const choice = await choosePlatform(session, options);
  const part = await wholePart(source, await source.root(), session.signal);
  const chosen = await select(source, part.root, choice, options);
  const opened = await openPullTarget(session, { ...naming, location }, source, options);
  await using target = opened.target;
  const result = await copyImage(source, target, {
    root: chosen.root,
    ...session.copyOptions,
    onEvent: options.onEvent,
  });
  const counts = blobCounts(result);
  const id = opened.imageId();
  return {
    reference: source.name,
    image_tag: naming.name,
    ...(naming.isAssumed ? { image_tag_assumed: true } : {}),
    digest: result.root.descriptor.digest,
    ...(id === undefined ? {} : { image_id: id }),
    ...(options.file ? { file: options.file.path, format: options.file.kind } : {}),
    ...(chosen.platform ? { platform: formatPlatform(chosen.platform) } : {}),
    ...(choice && chosen.platform ? { platform_chosen_by: choice.chosenBy } : {}),
    ...(chosen.doubt ? { platform_doubt: chosen.doubt } : {}),
    ...(choice ? {} : leftOutReport(part.leftOut)),
    bytes: totalBytes(counts),
    ...counts,
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

/** What is pulled: the manifest of the platform, or the root where all are wanted. */
async function select(
  source: ImageSource,
  root: Manifest,
  choice: PullPlatform | undefined,
  { file }: PullOptions,
): Promise<{ readonly root: Manifest; readonly platform?: Platform | undefined; readonly doubt?: PlatformDoubt }> {
  if (!choice) return { root };
  if (isArtifact(root.content)) {
    if (file && choice.chosenBy !== "requested") return { root };
    throw new ImageError(
      "unsupported",
      `Cannot pull "${source.name}": it is an artifact (${artifactType(root.content)}) and no image to run`,
      { hint: "Write it to a file with --file, or keep it as it is with --all-platforms" },
    );
  }
  // One that nobody asked for by name may be another platform that the machine runs.
  if (choice.chosenBy !== "requested") return await chooseForMachine(source, root, choice.platform);
  const selection = await selectPlatforms(source, root, [choice.platform]);
  const [platform] = selection.platforms;
  return platform && namesPlatform(platform)
    ? { root: selection.root, platform }
    : { root: selection.root, doubt: "unnamed" };
}

/** Where the image goes, and the ID that it has there in the end. */
interface PullTarget {
  readonly target: ImageTarget;
  readonly imageId: () => string | undefined;
}

async function openPullTarget(
  session: Session,
  { name, isAssumed, location }: PullName & { readonly location: ImageLocation },
  source: ImageSource,
  options: PullOptions,
): Promise<PullTarget> {
  const { file } = options;
  if (file) {
    const place = { ...file, text: file.path };
    return { target: await openArchiveTarget(session, place, [name]), imageId: () => undefined };
  }
  const siblings = isInRepository(location) ? await openSiblings(session, location) : [];
  const target = await openDaemonTargetFor(session, name, { source, siblings, keepsOther: isAssumed });
  return { target, imageId: () => target.imageId };
}

/** What the image is called. */
interface PullName {
  readonly name: string;
  /** Whether its tag is nobody's choice: a name that stands for another image then stays with that. */
  readonly isAssumed: boolean;
}

/** `image:tag` of the reference, as `docker images` shows it. */
function defaultName(location: ImageLocation): PullName {
  if (!isInRepository(location)) {
    throw new ImageError("usage", `Pass a name for "${location.text}"`, { hint: "s3lo pull REF NAME:TAG" });
  }
  const named = tagOf(location);
  const tag = named ?? DEFAULT_TAG;
  const isAssumed = named === undefined;
  if (location.kind === "registry") {
    const image = `${location.registry}/${location.repository}`.replace(/^docker\.io\/(?:library\/)?/, "");
    return { name: `${image}:${tag}`, isAssumed };
  }
  const image = location.kind === "s3" ? location.image : location.readings[0].image;
  if (!isPortableName(image, tag)) {
    throw new ImageError("usage", `Pass a name for "${location.text}": Docker's names are stricter`, {
      hint: "s3lo pull REF NAME:TAG",
    });
  }
  return { name: `${image}:${tag}`, isAssumed };
}
