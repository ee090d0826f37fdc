import { ImageError } from "../errors.ts";
import type { ImageSource, ImageTarget } from "../image/places.ts";
import { manifestFinder } from "../image/held_content.ts";
import { readSmallBlob } from "../image/select_platforms.ts";
import { type ImageLocation, label, type StoreLocation } from "../oci/location.ts";
import type { ArchiveLocation } from "../oci/locations/archive.ts";
import type { ArchivedSource } from "./archived_source.ts";
import type { DaemonSourceOptions } from "./docker_daemon_content.ts";
import type { DaemonSource } from "./docker_daemon_source.ts";
import type { DaemonTarget } from "./docker_daemon_target.ts";
import { bucketImage, type OpenBucketOptions } from "./open_bucket.ts";
import type { Session } from "./session.ts";

/** How a target is opened. */
export interface OpenTargetOptions extends OpenBucketOptions {
  /** Where the image comes from: a daemon is asked by its config for layers that it has. */
  readonly source?: ImageSource;
}

/** Opens any place for reading. The only one, with {@linkcode openTarget}, that knows all kinds of places. */
export async function openSource(session: Session, location: ImageLocation): Promise<ImageSource> {
  switch (location.kind) {
    case "registry": {
      const { openRegistrySource } = await import("./registry.ts");
      return openRegistrySource(
        location,
        await session.registry(),
        session.registryAccess(location.registry, "source"),
      );
    }
    case "s3":
    case "local": {
      const { BucketSource } = await import("./bucket_source.ts");
      return new BucketSource(await bucketImage(session, location, { access: "read" }));
    }
    case "oci":
    case "oci-archive":
    case "docker-archive":
      return await openArchive(session, location);
    case "daemon":
      // An index is kept with all that is there of it, as from any other place.
      return await openDaemon(session, location.name, { allPlatforms: true });
  }
}

/** Opens any place for writing. */
export async function openTarget(
  session: Session,
  location: ImageLocation,
  options: OpenTargetOptions = {},
): Promise<ImageTarget> {
  switch (location.kind) {
    case "registry": {
      const { openRegistryTarget } = await import("./registry.ts");
      return openRegistryTarget(
        location,
        await session.registry(),
        session.registryAccess(location.registry, "target"),
      );
    }
    case "s3":
    case "local":
      return await openStoreTarget(session, location, options);
    case "oci":
    case "oci-archive":
    case "docker-archive":
      return await openArchiveTarget(session, location);
    case "daemon":
      return await openDaemonTargetFor(session, location.name, { source: options.source });
  }
}

async function openStoreTarget(
  session: Session,
  location: StoreLocation,
  options: OpenBucketOptions,
): Promise<ImageTarget> {
  const { BucketTarget } = await import("./bucket_target.ts");
  const image = await bucketImage(session, location, { access: "write", create: options.create ?? false });
  const { tag } = image;
  if (tag === undefined) {
    throw new ImageError(
      "invalid-reference",
      `Invalid target "${location.text}": a bucket keeps an image under a tag, not under a digest alone`,
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
export async function openArchive(session: Session, location: ArchiveLocation): Promise<ArchivedSource> {
  const { streams, compression, onPhase } = session.options;
  const options = { ...streams, ...compression, signal: session.signal, onPhase };
  const name = label(location);
  switch (location.kind) {
    case "oci": {
      const { openOciLayoutSource } = await import("./oci_layout.ts");
      return await openOciLayoutSource(location, name);
    }
    case "oci-archive": {
      const { openOciArchiveSource } = await import("./oci_archive.ts");
      return await openOciArchiveSource(location, name, options);
    }
    case "docker-archive": {
      const { openDockerArchiveSource } = await import("./docker_archive.ts");
      return await openDockerArchiveSource(location, name, options);
    }
  }
}

/** Opens an archive or layout for writing; `names` are image names for loaders beside the one in the reference. */
export async function openArchiveTarget(
  session: Session,
  location: ArchiveLocation,
  names: readonly string[] = [],
): Promise<ImageTarget> {
  const options = { ...session.options.streams, names };
  const name = label(location);
  switch (location.kind) {
    case "oci": {
      const { openOciLayoutTarget } = await import("./oci_layout.ts");
      return openOciLayoutTarget(location, name, options);
    }
    case "oci-archive": {
      const { openOciArchiveTarget } = await import("./oci_archive.ts");
      return await openOciArchiveTarget(location, name, options);
    }
    case "docker-archive": {
      const { openDockerArchiveTarget } = await import("./docker_archive.ts");
      return await openDockerArchiveTarget(location, name, { ...options, signal: session.signal });
    }
  }
}
