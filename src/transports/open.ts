import { ImageError } from "../errors.ts";
import { type ArchiveReference, parseArchiveReference } from "../archive/archive_reference.ts";
import type { ImageSource, ImageTarget } from "../image/places.ts";
import { manifestFinder } from "../image/held_content.ts";
import { readSmallBlob } from "../image/select_platforms.ts";
import { parseReference } from "../oci/reference.ts";
import type { ArchivedSource } from "./archived_source.ts";
import type { DaemonSourceOptions } from "./docker_daemon_content.ts";
import type { DaemonSource } from "./docker_daemon_source.ts";
import type { DaemonTarget } from "./docker_daemon_target.ts";
import { bucketImage, type OpenBucketOptions } from "./open_bucket.ts";
import type { Session } from "./session.ts";

/** Scheme of an image in the container daemon, named as skopeo names it. */
const DAEMON_SCHEME = "docker-daemon:";

/** Whether a text names an image in a bucket, folder or registry, and no archive, layout or daemon. */
export function isRepositoryText(text: string): boolean {
  return !text.startsWith(DAEMON_SCHEME) && parseArchiveReference(text) === undefined;
}

/** How a target is opened. */
export interface OpenTargetOptions extends OpenBucketOptions {
  /** Where the image comes from: a daemon is asked by its config for layers that it has. */
  readonly source?: ImageSource;
}

/** Opens any reference for reading. The only place, with {@linkcode openTarget}, that knows all kinds of places. */
export async function openSource(session: Session, text: string): Promise<ImageSource> {
  if (text.startsWith(DAEMON_SCHEME)) {
    // An index is kept with all that is there of it, as from any other place.
    return await openDaemon(session, text.slice(DAEMON_SCHEME.length), { allPlatforms: true });
  }
  const archive = parseArchiveReference(text);
  if (archive) return await openArchive(session, archive, text);
  const reference = parseReference(text);
  if (reference.kind === "registry") {
    const { openRegistrySource } = await import("./registry.ts");
    return openRegistrySource(
      reference,
      await session.registry(),
      session.registryAccess(reference.registry, "source"),
    );
  }
  const { BucketSource } = await import("./bucket_source.ts");
  return new BucketSource(await bucketImage(session, reference, text, { access: "read" }));
}

/** Opens any reference for writing. */
export async function openTarget(
  session: Session,
  text: string,
  options: OpenTargetOptions = {},
): Promise<ImageTarget> {
  if (text.startsWith(DAEMON_SCHEME)) {
    return await openDaemonTargetFor(session, text.slice(DAEMON_SCHEME.length), { source: options.source });
  }
  const archive = parseArchiveReference(text);
  if (archive) return await openArchiveTarget(session, archive, text);
  const reference = parseReference(text);
  if (reference.kind === "registry") {
    const { openRegistryTarget } = await import("./registry.ts");
    return openRegistryTarget(
      reference,
      await session.registry(),
      session.registryAccess(reference.registry, "target"),
    );
  }
  const { BucketTarget } = await import("./bucket_target.ts");
  const image = await bucketImage(session, reference, text, { access: "write", create: options.create ?? false });
  const { tag } = image;
  if (tag === undefined) {
    throw new ImageError(
      "invalid-reference",
      `Invalid target "${text}": a bucket keeps an image under a tag, not under a digest alone`,
      { hint: "Add a tag before the @, or instead of it" },
    );
  }
  return new BucketTarget({ ...image, tag }, {
    force: options.force ?? false,
    verifies: options.verify ?? false,
    concurrentBlobs: session.concurrentBlobs,
    signal: session.signal,
    retry: session.retry,
    log: session.options.log,
  });
}

/** Opens an image of the daemon for reading. */
export async function openDaemon(
  session: Session,
  name: string,
  options: DaemonSourceOptions = {},
): Promise<DaemonSource> {
  const { openDaemonSource } = await import("./docker_daemon_source.ts");
  const { compression, level } = session.options.compression ?? {};
  return await openDaemonSource(await session.engine(), name, {
    compression,
    level,
    signal: session.signal,
    onPhase: session.options.onPhase,
    ...options,
  });
}

/** What a name in the daemon is written from, and how. */
export interface DaemonTargetFor {
  readonly source?: ImageSource | undefined;
  readonly siblings?: readonly ImageSource[];
  /** Whether a name that stands for another image is left to that, and the copy refused. */
  readonly keepsOther?: boolean;
}

/**
 * Opens a name in the daemon for writing what `source` holds. `siblings`: other images of its repository, by which a daemon
 * that keeps manifests is found to have layers already.
 */
export async function openDaemonTargetFor(
  session: Session,
  name: string,
  { source, siblings = [], keepsOther = false }: DaemonTargetFor,
): Promise<DaemonTarget> {
  const { openDaemonTarget } = await import("./docker_daemon_target.ts");
  return openDaemonTarget(await session.engine(), name, {
    ...(source ? { readConfig: (config) => readSmallBlob(source, config) } : {}),
    ...(siblings.length > 0 ? { findManifest: manifestFinder(siblings) } : {}),
    keepsOther,
    signal: session.signal,
  });
}

/** Opens an archive or layout for reading. */
export async function openArchive(
  session: Session,
  reference: ArchiveReference,
  text: string,
): Promise<ArchivedSource> {
  const { streams, compression, onPhase } = session.options;
  const options = { ...streams, ...compression, signal: session.signal, onPhase };
  if (reference.kind === "oci") {
    const { openOciLayoutSource } = await import("./oci_layout.ts");
    return await openOciLayoutSource(reference, text);
  }
  if (reference.kind === "oci-archive") {
    const { openOciArchiveSource } = await import("./oci_archive.ts");
    return await openOciArchiveSource(reference, text, options);
  }
  const { openDockerArchiveSource } = await import("./docker_archive.ts");
  return await openDockerArchiveSource(reference, text, options);
}

/** Opens an archive or layout for writing; `names` are image names for loaders beside the one in the reference. */
export async function openArchiveTarget(
  session: Session,
  reference: ArchiveReference,
  text: string,
  names: readonly string[] = [],
): Promise<ImageTarget> {
  const options = { ...session.options.streams, names };
  if (reference.kind === "oci") {
    const { openOciLayoutTarget } = await import("./oci_layout.ts");
    return openOciLayoutTarget(reference, text, options);
  }
  if (reference.kind === "oci-archive") {
    const { openOciArchiveTarget } = await import("./oci_archive.ts");
    return await openOciArchiveTarget(reference, text, options);
  }
  const { openDockerArchiveTarget } = await import("./docker_archive.ts");
  return await openDockerArchiveTarget(reference, text, { ...options, signal: session.signal });
}
