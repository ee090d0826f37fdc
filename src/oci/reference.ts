import { clipped, ImageError, messageOf, printable } from "../errors.ts";
import { type Digest, parseDigest } from "./digest.ts";
import { isWindowsStoreText, refuseNearMiss } from "./near_misses.ts";

/** An image in a registry, as `docker pull` names it. */
export interface RegistryReference {
  readonly kind: "registry";
  /** Host, with its port if it has one: `docker.io`, `localhost:5000`, `[::1]:5000`. */
  readonly registry: string;
  /** Path without the host: `library/alpine`. */
  readonly repository: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

/** An image in an S3 bucket. */
export interface S3Reference {
  readonly kind: "s3";
  readonly bucket: string;
  readonly image: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

/** One way to read a local reference: this folder is the store, the rest is the image's name. */
export interface LocalReading {
  readonly folder: string;
  readonly image: string;
}

/** An image in a store that is a folder. Which part of the path is the store may depend on what exists. */
export interface LocalReference {
  readonly kind: "local";
  /** All ways to read the path, deepest store first; exactly one when `//` decided. */
  readonly readings: readonly [LocalReading, ...LocalReading[]];
  /** Whether `//` decided. */
  readonly explicit: boolean;
  readonly tag?: string;
  readonly digest?: Digest;
}

/** What people type to name an image. */
export type Reference = RegistryReference | S3Reference | LocalReference;

/** A whole store, or the part of it whose image names start with a prefix. */
export type StoreLocation =
  | { readonly kind: "s3"; readonly bucket: string; readonly prefix: string }
  | { readonly kind: "local"; readonly path: string; readonly prefix: string; readonly explicit: boolean };

/** A tag that a reference means when it names neither tag nor digest. */
export const DEFAULT_TAG = "latest";

/** Longest repository or image name, host not counted, as `docker pull` measures it. */
const MAX_NAME_LENGTH = 255;

const PATH_COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
const HOST_LABEL = "(?:[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9])";
const HOST = new RegExp(
  `^(?:${HOST_LABEL}(?:\\.${HOST_LABEL})*|\\[[0-9a-fA-F:]+\\])(?::[0-9]+)?$`,
);
const CONTROL = /\p{Cc}/u;
const S3_BUCKET = /^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$/;

/**
 * Reads any reference: `s3://bucket/image[:tag][@digest]`, `local://path[//]image[:tag][@digest]`, `docker://…` or a
 * registry reference as `docker pull` reads it.
 *
 * Tag and digest are both kept; neither is filled in (see {@linkcode DEFAULT_TAG}). Names in a bucket or folder may be more
 * than a registry takes, as the Go tool writes them: upper case, blanks inside, `:` where a tag follows. Throws
 * `invalid-reference`; touches no network and no disk.
 */
export function parseReference(text: string): Reference {
  if (!isStoreText(text) || isWindowsStoreText(text)) refuseNearMiss(text, "image");
  if (text.startsWith("local://")) return parseLocalReference(text.slice("local://".length), text);
  if (text.startsWith("s3://")) return parseS3Reference(text.slice("s3://".length), text);
  checkCharacters(text, text);
  return parseRegistryReference(text.startsWith("docker://") ? text.slice("docker://".length) : text, text);
}

/**
 * Reads what `list` takes: `s3://bucket[/prefix]` or `local://path[//prefix]`. A prefix ends in `/` or is empty.
 *
 * Throws `invalid-reference`.
 */
export function parseStoreLocation(text: string): StoreLocation {
  if (CONTROL.test(text)) throw invalid(text, "it holds a control character");
  if (text.startsWith("s3://")) {
    const [bucket = "", ...prefix] = text.slice(5).split("/");
    checkBucket(bucket, text);
    return { kind: "s3", bucket, prefix: prefixOf(prefix, text) };
  }
  if (text.startsWith("local://")) {
    const path = text.slice(8);
    if (path === "") throw invalid(text, "the folder is missing");
    if (/^\/+$/.test(path)) return { kind: "local", path: "/", prefix: "", explicit: false };
    const split = splitPoint(path);
    if (split < 0) return { kind: "local", path: trimSlash(path), prefix: "", explicit: false };
    if (split === 0) throw invalid(text, "the folder before // is missing");
    return {
      kind: "local",
      path: path.slice(0, split),
      prefix: prefixOf(path.slice(split + 2).split("/"), text),
      explicit: true,
    };
  }
  refuseNearMiss(text, "store");
  throw invalid(text, "expected s3://bucket or local://path");
}

/** Whether the text names a store and not a registry. */
export function isStoreText(text: string): boolean {
  return text.startsWith("s3://") || text.startsWith("local://");
}

/** A reference in its one canonical spelling; a local one as its first reading. */
export function formatReference(reference: Reference): string {
  const suffix = (reference.tag === undefined ? "" : `:${reference.tag}`) +
    (reference.digest === undefined ? "" : `@${reference.digest}`);
  if (reference.kind === "registry") return `${reference.registry}/${reference.repository}${suffix}`;
  if (reference.kind === "s3") return `s3://${reference.bucket}/${reference.image}${suffix}`;
  const [reading] = reference.readings;
  return `local://${reading.folder}//${reading.image}${suffix}`;
}

/** The tag that a reference means: its own, or `latest` when it names neither tag nor digest. */
export function tagOf(reference: Reference): string | undefined {
  return reference.tag ?? (reference.digest === undefined ? DEFAULT_TAG : undefined);
}

/** Checks a tag's text. Throws `invalid-reference`. Spec: OCI distribution-spec v1.1.1, "Pulling manifests". */
export function checkTag(tag: string, text = tag): string {
  if (TAG.test(tag)) return tag;
  if (tag === "") throw invalid(text, "its tag is empty");
  throw invalid(
    text,
    tag.length > 128 ? "its tag is longer than 128 characters" : `"${clipped(tag, 140)}" is not a tag`,
  );
}

/** Why a text is not an image or repository name; undefined when it is one. */
export function nameProblem(name: string): string | undefined {
  if (name.length > MAX_NAME_LENGTH) return `its name is longer than ${MAX_NAME_LENGTH} characters`;
  for (const component of name.split("/")) {
    if (component === "") return "a part of its name is empty";
    if (component === "." || component === "..") return `its name holds "${component}"`;
    if (/[A-Z]/.test(component)) return "its name holds upper-case letters";
    if (!PATH_COMPONENT.test(component)) return `"${clipped(component)}" is not a valid part of a name`;
  }
  return undefined;
}

/**
 * Why a text is not the name of an image in a bucket or folder; undefined when it is one. Beyond registries' names, all that
 * the Go tool takes and that is safe as a key, as a path and on a terminal. `hasColons`: whether a tag tells where it ends.
 */
export function storeNameProblem(name: string, hasColons = false): string | undefined {
  if (nameProblem(name) === undefined) return undefined;
  if (name.length > MAX_NAME_LENGTH) return `its name is longer than ${MAX_NAME_LENGTH} characters`;
  for (const component of name.split("/")) {
    if (component === "") return "a part of its name is empty";
    if (component === "." || component === "..") return `its name holds "${component}"`;
    if (!isStoreWord(component)) return "its name holds white space at an end, or characters that cannot be shown";
    if (/[@\\]/.test(component) || (component.includes(":") && !hasColons)) {
      return `"${clipped(component)}" is not a valid part of a name`;
    }
  }
  return undefined;
}

/** Whether a registry or daemon could call an image of a bucket or folder the same. */
export function isPortableName(image: string, tag: string): boolean {
  return nameProblem(image) === undefined && TAG.test(tag);
}

/** Checks the tag of an image in a bucket or folder; see {@linkcode storeNameProblem}. Throws `invalid-reference`. */
export function checkStoreTag(tag: string, text = tag): string {
  const isOdd = isStoreWord(tag) && tag !== "." && tag !== ".." && tag.length <= 128 && !/[/\\@:]/.test(tag);
  return isOdd ? tag : checkTag(tag, text);
}

/** Whether a part of a name or a tag can be shown and typed: blanks inside of it only, nothing that steers a terminal. */
function isStoreWord(word: string): boolean {
  return word !== "" && printable(word) === word && word.trim() === word && !/[^\S ]/u.test(word);
}

function parseRegistryReference(rest: string, text: string): RegistryReference {
  if (rest === "") throw invalid(text, "the repository is missing");
  if (/^[0-9a-f]{64}$/.test(rest)) throw invalid(text, "64 hex digits alone are an image ID, not a name");
  const { name, ...pinned } = splitSuffix(rest, text, rest.indexOf("@"));
  const slash = name.indexOf("/");
  const first = slash < 0 ? "" : name.slice(0, slash);
  const isHost = /[.:]/.test(first) || first === "localhost" || first !== first.toLowerCase();
  if (isHost && !isRegistryHost(first)) throw invalid(text, `"${clipped(first)}" is not a registry host`);
  const host = isHost ? first : "docker.io";
  const path = isHost ? name.slice(slash + 1) : name;
  const registry = host === "index.docker.io" || host === "registry-1.docker.io" ? "docker.io" : host;
  if (path === "") throw invalid(text, "the repository is missing");
  const repository = registry === "docker.io" && !path.includes("/") ? `library/${path}` : path;
  const problem = nameProblem(repository);
  if (problem) throw invalid(text, problem);
  return { kind: "registry", registry, repository, ...pinned };
}

/** Whether a text is a host, with or without port, that a URL can hold: no zone in an IPv6 address, no port above 65535. */
function isRegistryHost(host: string): boolean {
  return HOST.test(host) && URL.canParse(`https://${host}/`);
}

function parseS3Reference(rest: string, text: string): S3Reference {
  if (CONTROL.test(text)) throw invalid(text, "it holds a control character");
  const slash = rest.indexOf("/");
  const [bucket, path] = slash < 0 ? [rest, ""] : [rest.slice(0, slash), rest.slice(slash + 1)];
  checkCharacters(bucket, text);
  checkBucket(bucket, text);
  const { name: image, ...pinned } = splitSuffix(path, text, path.indexOf("@"), checkStoreTag);
  if (image === "") {
    const hint = `Name an image: s3://${bucket}/IMAGE:TAG; those that are there: s3lo list s3://${bucket}`;
    throw invalid(text, "the image name is missing", hint);
  }
  const problem = storeNameProblem(image, pinned.tag !== undefined);
  if (problem) throw invalid(text, problem);
  return { kind: "s3", bucket, image, ...pinned };
}

function parseLocalReference(rest: string, text: string): LocalReference {
  if (CONTROL.test(text)) throw invalid(text, "it holds a control character");
  // A folder may hold an @ of its own: a digest starts at the first one after the last slash.
  const { name: path, ...pinned } = splitSuffix(
    rest,
    text,
    rest.indexOf("@", rest.lastIndexOf("/") + 1),
    checkStoreTag,
  );
  const hasTag = pinned.tag !== undefined;
  if (path === "") throw invalid(text, "the folder is missing");
  const split = splitPoint(path);
  if (split === 0) throw invalid(text, "the folder before // is missing");
  if (split > 0) {
    const image = path.slice(split + 2);
    const problem = image === "" ? "the image name is missing" : storeNameProblem(image, hasTag);
    if (problem) throw invalid(text, problem);
    return { kind: "local", readings: [{ folder: path.slice(0, split), image }], explicit: true, ...pinned };
  }
  const parts = path.split("/");
  const last = parts.at(-1) ?? "";
  if (last === "") throw invalid(text, "the image name is missing");
  const problem = storeNameProblem(last, hasTag);
  if (problem) throw invalid(text, problem);
  const readings: LocalReading[] = [];
  for (let split = parts.length - 1; split > 0; split--) {
    const image = parts.slice(split).join("/");
    // Folders have blanks and colons, images hardly ever: with those the path needs // to say that it is an image's.
    if (storeNameProblem(image, hasTag) || (readings.length > 0 && /[\s:]/.test(parts[split]!))) break;
    readings.push({ folder: parts.slice(0, split).join("/") || "/", image });
  }
  const [deepest, ...others] = readings;
  if (!deepest) throw invalid(text, "it names no folder before the image");
  return { kind: "local", readings: [deepest, ...others], explicit: false, ...pinned };
}

/** Cuts `[:tag][@digest]` off the end of a name; the digest follows the `@` at index `at`, -1 for none. */
function splitSuffix(
  rest: string,
  text: string,
  at: number,
  checkedTag = checkTag,
): { readonly name: string; readonly tag?: string; readonly digest?: Digest } {
  const named = at < 0 ? rest : rest.slice(0, at);
  const digest = at < 0 ? undefined : readDigest(rest.slice(at + 1), text);
  const colon = named.lastIndexOf(":");
  const hasTag = colon > named.lastIndexOf("/") && !named.slice(colon).includes("]");
  const tag = hasTag ? checkedTag(named.slice(colon + 1), text) : undefined;
  return {
    name: hasTag ? named.slice(0, colon) : named,
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest }),
  };
}

function readDigest(digest: string, text: string): Digest {
  try {
    return parseDigest(digest);
  } catch (cause) {
    throw new ImageError("invalid-reference", `Invalid reference "${clipped(text, 200)}": ${messageOf(cause)}`, {
      cause,
    });
  }
}

function checkBucket(bucket: string, text: string): void {
  if (bucket === "") throw invalid(text, "the bucket is missing", "Write s3://BUCKET/IMAGE:TAG, with two slashes");
  if (!S3_BUCKET.test(bucket) || bucket.includes("..")) {
    throw invalid(text, `"${clipped(bucket)}" is not a bucket name`);
  }
}

function prefixOf(parts: readonly string[], text: string): string {
  const prefix = parts.filter((part, index) => part !== "" || (index < parts.length - 1)).join("/");
  if (prefix === "") return "";
  const problem = storeNameProblem(prefix);
  if (problem) throw invalid(text, problem);
  return `${prefix}/`;
}

function trimSlash(path: string): string {
  return path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path;
}

/** Where `//` ends the folder of a local path; -1 without one. Three slashes in front are the root folder and `//`. */
function splitPoint(path: string): number {
  return path.startsWith("///") ? 1 : path.indexOf("//");
}

function checkCharacters(part: string, text: string): void {
  if (CONTROL.test(part)) throw invalid(text, "it holds a control character");
  if (/\s/u.test(part)) throw invalid(text, "it holds white space");
}

function invalid(text: string, why: string, hint?: string): ImageError {
  return new ImageError("invalid-reference", `Invalid reference "${clipped(text, 200)}": ${why}`, { hint });
}
