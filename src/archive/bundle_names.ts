import { ImageError, isImageError } from "../errors.ts";
import type { ArchiveLocation } from "../oci/locations/archive.ts";
import type { DaemonLocation } from "../oci/locations/daemon.ts";
import { type ImageLocation, parseLocation } from "../oci/location.ts";
import { checkTag, DEFAULT_TAG, isPortableName, nameProblem } from "../oci/locations/names.ts";
import { parseRegistryImage, type RegistryLocation, withoutScheme } from "../oci/locations/registry.ts";
import { CONTAINERD_NAME, type LayoutName, parseImageName, REF_NAME } from "./image_names.ts";

/** The annotation with an image's path in its store, where its name alone would be read as one with a registry's host. */
export const STORE_PATH = "io.s3lo.image.path";

/** What an image is called in a bundle. */
export interface BundleName extends LayoutName {
  readonly full: string;
  /** See {@linkcode STORE_PATH}. */
  readonly storePath?: string;
}

/** Where an image of a bundle lands below a store or registry. */
export interface LandingPath {
  readonly image: string;
  readonly tag: string;
}

/** An image that is to be saved: where it is, and the name it gets where the user gives one. */
export interface BundleItem {
  /** As it was written. */
  readonly reference: string;
  /** Where it is; what is wrong with the reference is told when its turn comes, and hinders no other. */
  readonly location: ImageLocation | ImageError;
  readonly name?: string;
}

/** Reads `REF` or `REF as NAME`. Throws `usage`. */
export function parseBundleItem(text: string): BundleItem {
  const match = /^(.+?)\s+as\s+(\S+)$/.exec(text.trim());
  const reference = match ? match[1]! : text.trim();
  if (reference === "") throw new ImageError("usage", "An image to save has no reference");
  return { reference, location: readLocation(reference), ...(match ? { name: match[2]! } : {}) };
}

function readLocation(reference: string): ImageLocation | ImageError {
  try {
    return parseLocation(reference);
  } catch (error) {
    if (!isImageError(error, "invalid-reference")) throw error;
    return error;
  }
}

/** Reads a list of images to save: one on a line, as {@linkcode parseBundleItem} reads it; blank lines and `#` comments. */
export function parseBundleList(text: string): readonly BundleItem[] {
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  return lines.filter((line) => line !== "" && !line.startsWith("#")).map((line) => parseBundleItem(line));
}

/** A name that the user gave, or that a registry reference has: `app:v1` or `ghcr.io/o/app:v1`. Throws `invalid-reference`. */
export function givenBundleName(text: string): BundleName {
  const hasTag = parseRegistryImage(text).tag !== undefined;
  const bare = withoutScheme(text).replace(/@.*$/, "");
  return { ref: hasTag ? bare : `${bare}:${DEFAULT_TAG}`, full: parseImageName(bare).full };
}

/** The name of an image of a registry: the whole one, with the host. Throws `usage` where it has only a digest. */
export function registryBundleName({ text, registry, repository, tag, digest }: RegistryLocation): BundleName {
  if (tag === undefined && digest !== undefined) throw nameless(text);
  const full = `${registry}/${repository}:${tag ?? DEFAULT_TAG}`;
  return { ref: full, full };
}

/**
 * The name of an image of a bucket or folder: the one that it has there. Throws `usage` without a tag, and for a name that
 * only a bucket takes.
 */
export function storeBundleName(text: string, image: string, tag: string | undefined): BundleName {
  if (tag === undefined || !isPortableName(image, tag)) throw nameless(text);
  const ref = `${image}:${tag}`;
  const { full } = parseImageName(ref);
  return { ref, full, ...(hasHost(image) ? { storePath: ref } : {}) };
}

/** The name of an image of an archive or daemon: the one after its path. Throws `usage` where that is no image name. */
export function archiveBundleName({ text, name }: ArchiveLocation | DaemonLocation): BundleName {
  if (name === undefined || /^@|^sha256:|@sha256:/.test(name) || !/[/:]/.test(name)) throw nameless(text);
  return givenBundleName(name);
}

/** What people call an entry of a layout: its full name, as far as it has one; undefined when it has none. */
export function entryName(annotations: Readonly<Record<string, string>> = {}): string | undefined {
  const [ref, full] = [annotations[REF_NAME], annotations[CONTAINERD_NAME]];
  return (ref !== undefined && /[/:]/.test(ref) ? ref : full) || ref || undefined;
}

/**
 * Where an entry of a layout lands: its path in the store that it came from, or its name without the registry's host
 * (`ghcr.io/o/app:v1` as `o/app:v1`, `docker.io/library/alpine:3` as `library/alpine:3`). Undefined when it has no name that
 * says so.
 */
export function landingPath(annotations: Readonly<Record<string, string>> = {}): LandingPath | undefined {
  const own = annotations[STORE_PATH];
  if (own !== undefined) return parsePath(own);
  const name = entryName(annotations);
  if (name === undefined || !/[/:]/.test(name)) return undefined;
  try {
    const { repository, tag, digest } = parseRegistryImage(name);
    const image = /^[^/:@]+(?:[:@]|$)/.test(name) ? repository.replace(/^library\//, "") : repository;
    return tag === undefined && digest !== undefined ? undefined : { image, tag: tag ?? DEFAULT_TAG };
  } catch {
    return undefined;
  }
}

/** Where an image of which only the name is known may have landed: without the host, or, if it came from a store, with it. */
export function possibleLandings(name: string): readonly LandingPath[] {
  const paths = [landingPath({ [REF_NAME]: name }), parsePath(name)].flatMap((path) => path ?? []);
  return [...new Map(paths.map((path) => [`${path.image}:${path.tag}`, path])).values()];
}

/** The annotations of an entry with this name, beyond those of every layout. */
export function bundleAnnotations(name: BundleName): Readonly<Record<string, string>> {
  return name.storePath === undefined ? {} : { [STORE_PATH]: name.storePath };
}

function parsePath(text: string): LandingPath | undefined {
  const colon = text.lastIndexOf(":");
  const [image, tag] = [text.slice(0, colon), text.slice(colon + 1)];
  if (colon < 0 || nameProblem(image)) return undefined;
  try {
    return { image, tag: checkTag(tag) };
  } catch {
    return undefined;
  }
}

/** Whether the first part of an image's path would be read as a registry's host. */
function hasHost(image: string): boolean {
  const { repository } = parseRegistryImage(image);
  return repository !== image && repository !== `library/${image}`;
}

function nameless(text: string): ImageError {
  return new ImageError(
    "usage",
    `Cannot save "${text}": its reference holds no name that it could have in the bundle`,
    {
      hint: `Give it one: "${text} as NAME:TAG"`,
    },
  );
}
