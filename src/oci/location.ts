import { parseEcrHost } from "./ecr_host.ts";
import { isWindowsStoreText, refuseNearMiss } from "./near_misses.ts";
import { type ArchiveLocation, parseArchiveLocation } from "./locations/archive.ts";
import type { BundleLocation } from "./locations/bundle.ts";
import { DAEMON_SCHEME, type DaemonLocation, parseDaemonLocation } from "./locations/daemon.ts";
import { LOCAL_SCHEME, type LocalCollection, type LocalLocation, parseLocalLocation } from "./locations/local.ts";
import { checkStoreTag, checkTag } from "./locations/names.ts";
import {
  DOCKER_SCHEME,
  formatRegistryImage,
  parseRegistryLocation,
  type RegistryCollection,
  type RegistryLocation,
} from "./locations/registry.ts";
import { parseS3Location, S3_SCHEME, type S3Collection, type S3Location } from "./locations/s3.ts";

/**
 * Where an image is, or several in a bundle. Made of text once, where text comes in: by the command line and the library.
 *
 * A kind that is added here does not compile before each question that is asked of all kinds has an answer for it: every
 * `switch` over `kind` in this file, in `collection.ts` and in `transports/open.ts`.
 */
export type Location =
  | RegistryLocation
  | S3Location
  | LocalLocation
  | ArchiveLocation
  | DaemonLocation
  | BundleLocation;

/** Where one image is. */
export type ImageLocation = Exclude<Location, BundleLocation>;

/** An image in a store. */
export type StoreLocation = S3Location | LocalLocation;

/** An image in a place that has repositories, with tags that may be listed. */
export type RepositoryLocation = RegistryLocation | StoreLocation;

/** A whole store, or the part of it whose image names start with a prefix. */
export type StoreCollection = S3Collection | LocalCollection;

/** Where many images are: a store or a part of it, a registry or what is below a path in it. */
export type Collection = StoreCollection | RegistryCollection;

/** How references of each kind begin. That of a registry may be left out. */
export const SCHEMES = {
  s3: S3_SCHEME,
  local: LOCAL_SCHEME,
  oci: "oci:",
  "oci-archive": "oci-archive:",
  "docker-archive": "docker-archive:",
  daemon: DAEMON_SCHEME,
  registry: DOCKER_SCHEME,
} as const satisfies Record<ImageLocation["kind"], string>;

/** The kind whose scheme a text begins with; undefined for none. */
export function schemeOf(text: string): ImageLocation["kind"] | undefined {
  const kinds = Object.keys(SCHEMES) as ImageLocation["kind"][];
  // Where the scheme ends in a colon, slashes behind it are somebody else's spelling.
  return kinds.find((kind) => {
    const scheme = SCHEMES[kind];
    return text.startsWith(scheme) && (scheme.endsWith("//") || !text.startsWith(`${scheme}//`));
  });
}

/**
 * Reads any reference to an image: `s3://bucket/image[:tag][@digest]`, `local://path[//]image[:tag][@digest]`,
 * `oci:folder[:name]`, `oci-archive:` and `docker-archive:file[:name]`, `docker-daemon:name`, and `[docker://]` with what
 * `docker pull` takes.
 *
 * Tag and digest are both kept; neither is filled in (see `tagOf`). Names in a bucket or folder may be more than a registry
 * takes, as the Go tool writes them: upper case, blanks inside, `:` where a tag follows. Throws `invalid-reference`; touches
 * no network and no disk.
 */
export function parseLocation(text: string): ImageLocation {
  const kind = schemeOf(text) ?? "registry";
  if (kind === "registry" || isWindowsStoreText(text)) refuseNearMiss(text, "image");
  switch (kind) {
    case "s3":
      return parseS3Location(text);
    case "local":
      return parseLocalLocation(text);
    case "oci":
    case "oci-archive":
    case "docker-archive":
      return parseArchiveLocation(kind, text);
    case "daemon":
      return parseDaemonLocation(text);
    case "registry":
      return parseRegistryLocation(text);
  }
}

/** How a place is shown: one in a registry in its canonical spelling, any other as it was written. */
export function label(location: Location): string {
  switch (location.kind) {
    case "registry":
      return formatRegistryImage(location);
    case "s3":
    case "local":
    case "oci":
    case "oci-archive":
    case "docker-archive":
    case "daemon":
    case "bundle":
      return location.text;
  }
}

/** Whether a place has repositories with tags, in which other images lie beside this one. */
export function isInRepository(location: Location): location is RepositoryLocation {
  switch (location.kind) {
    case "registry":
    case "s3":
    case "local":
      return true;
    case "oci":
    case "oci-archive":
    case "docker-archive":
    case "daemon":
    case "bundle":
      return false;
  }
}

/** What this program must be allowed to do to reach a place. */
export interface LocationAccess {
  /** Connect to hosts. */
  readonly net: boolean;
  /** Write files even to read it: what is compressed, or comes by a pipe, is unpacked; a socket counts as written. */
  readonly writesToRead: boolean;
  /** Write files to write to it. */
  readonly writesToWrite: boolean;
  /** Have an AWS identity, which may take a program to ask. */
  readonly aws: boolean;
  /** Run the credential helpers that Docker's configuration names. */
  readonly credentialHelpers: boolean;
  /** Ask the system who runs this, and what it is; an AWS identity takes that too. */
  readonly sys: boolean;
}

const NOTHING: LocationAccess = {
  net: false,
  writesToRead: false,
  writesToWrite: false,
  aws: false,
  credentialHelpers: false,
  sys: false,
};

/** What reaching a place takes, of which everything else is given up before a command starts. */
export function access(place: Location | Collection): LocationAccess {
  switch (place.kind) {
    case "registry": {
      const isAmazon = parseEcrHost(place.registry) !== undefined || place.registry === "public.ecr.aws";
      return { ...NOTHING, net: true, credentialHelpers: true, aws: isAmazon };
    }
    case "s3":
      return { ...NOTHING, net: true, aws: true };
    case "local":
    case "oci":
      return { ...NOTHING, writesToWrite: true };
    case "oci-archive":
    case "docker-archive":
    case "bundle":
      return { ...NOTHING, writesToRead: true, writesToWrite: true };
    case "daemon":
      return { ...NOTHING, net: true, writesToRead: true, writesToWrite: true, sys: true };
  }
}

/** Another image of the same repository. Throws `invalid-reference` for a tag that cannot stand there. */
export function withTag<T extends RepositoryLocation>(location: T, tag: string): T {
  const text = `${location.text}:${tag}`;
  return { ...location, tag: location.kind === "registry" ? checkTag(tag, text) : checkStoreTag(tag, text), text };
}
