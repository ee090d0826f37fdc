import { checkControl, checkStoreTag, invalid, type Pin, prefixOf, splitPin, storeNameProblem } from "./names.ts";

/** How a reference to a store in a folder begins. */
export const LOCAL_SCHEME = "local://";

/** One way to read a local reference: this folder is the store, the rest is the image's name. */
export interface LocalReading {
  readonly folder: string;
  readonly image: string;
}

/** An image in a store that is a folder. Which part of the path is the store may depend on what exists. */
export interface LocalLocation extends Pin {
  readonly kind: "local";
  /** All ways to read the path, deepest store first; exactly one when `//` decided. */
  readonly readings: readonly [LocalReading, ...LocalReading[]];
  /** Whether `//` decided. */
  readonly explicit: boolean;
  /** As it was written; for messages. */
  readonly text: string;
}

/** A store that is a folder, or the part of it whose image names start with a prefix. */
export interface LocalCollection {
  readonly kind: "local";
  readonly path: string;
  /** Empty, or ends in `/`. */
  readonly prefix: string;
  /** Whether `//` said where the folder ends. */
  readonly explicit: boolean;
  /** As it was written; for messages. */
  readonly text: string;
}

/** Reads `local://path[//]image[:tag][@digest]`. Throws `invalid-reference`. */
export function parseLocalLocation(text: string): LocalLocation {
  checkControl(text, text);
  const rest = text.slice(LOCAL_SCHEME.length);
  // A folder may hold an @ of its own: a digest starts at the first one after the last slash.
  const { name: path, ...pin } = splitPin(rest, text, rest.indexOf("@", rest.lastIndexOf("/") + 1), checkStoreTag);
  const hasTag = pin.tag !== undefined;
  if (path === "") throw invalid(text, "the folder is missing");
  const split = splitPoint(path);
  if (split === 0) throw invalid(text, "the folder before // is missing");
  if (split > 0) {
    const image = path.slice(split + 2);
    const problem = image === "" ? "the image name is missing" : storeNameProblem(image, hasTag);
    if (problem) throw invalid(text, problem);
    return { kind: "local", readings: [{ folder: path.slice(0, split), image }], explicit: true, ...pin, text };
  }
  return { kind: "local", readings: readingsOf(path.split("/"), text, hasTag), explicit: false, ...pin, text };
}

/** Reads `local://path[//prefix]`. Throws `invalid-reference`. */
export function parseLocalCollection(text: string): LocalCollection {
  checkControl(text, text);
  const path = text.slice(LOCAL_SCHEME.length);
  if (path === "") throw invalid(text, "the folder is missing");
  if (/^\/+$/.test(path)) return { kind: "local", path: "/", prefix: "", explicit: false, text };
  const split = splitPoint(path);
  if (split < 0) return { kind: "local", path: trimSlash(path), prefix: "", explicit: false, text };
  if (split === 0) throw invalid(text, "the folder before // is missing");
  const prefix = prefixOf(path.slice(split + 2).split("/"), text);
  return { kind: "local", path: path.slice(0, split), prefix, explicit: true, text };
}

/** An image of a store that is a folder. Throws `invalid-reference` for what is no name there. */
export function localLocationIn(
  { path, prefix }: LocalCollection,
  { image, tag }: { readonly image: string; readonly tag: string },
): LocalLocation {
  return parseLocalLocation(`${LOCAL_SCHEME}${path}//${prefix}${image}:${tag}`);
}

/** All ways to read a path in which no `//` says where the store ends. */
function readingsOf(
  parts: readonly string[],
  text: string,
  hasTag: boolean,
): readonly [LocalReading, ...LocalReading[]] {
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
  return [deepest, ...others];
}

function trimSlash(path: string): string {
  return path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path;
}

/** Where `//` ends the folder of a local path; -1 without one. Three slashes in front are the root folder and `//`. */
function splitPoint(path: string): number {
  return path.startsWith("///") ? 1 : path.indexOf("//");
}
