import { clipped, ImageError, messageOf, printable } from "../../errors.ts";
import { type Digest, parseDigest } from "../digest.ts";

/** A tag that a reference means when it names neither tag nor digest. */
export const DEFAULT_TAG = "latest";

/** Longest repository or image name, host not counted, as `docker pull` measures it. */
const MAX_NAME_LENGTH = 255;

const PATH_COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
const CONTROL = /\p{Cc}/u;

/** Which image of a repository is meant. */
export interface Pin {
  readonly tag?: string;
  readonly digest?: Digest;
}

/** The tag that a reference means: its own, or `latest` when it names neither tag nor digest. */
export function tagOf({ tag, digest }: Pin): string | undefined {
  return tag ?? (digest === undefined ? DEFAULT_TAG : undefined);
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

/** Cuts `[:tag][@digest]` off the end of a name; the digest follows the `@` at index `at`, -1 for none. */
export function splitPin(
  rest: string,
  text: string,
  at: number,
  checkedTag = checkTag,
): Pin & { readonly name: string } {
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

/** Checks the prefix of a store's image names, in parts; it is empty or ends in `/` then. Throws `invalid-reference`. */
export function prefixOf(parts: readonly string[], text: string): string {
  const prefix = parts.filter((part, index) => part !== "" || (index < parts.length - 1)).join("/");
  if (prefix === "") return "";
  const problem = storeNameProblem(prefix);
  if (problem) throw invalid(text, problem);
  return `${prefix}/`;
}

/** Refuses control characters. Throws `invalid-reference`. */
export function checkControl(part: string, text: string): void {
  if (CONTROL.test(part)) throw invalid(text, "it holds a control character");
}

/** Refuses control characters and white space. Throws `invalid-reference`. */
export function checkCharacters(part: string, text: string): void {
  checkControl(part, text);
  if (/\s/u.test(part)) throw invalid(text, "it holds white space");
}

/** What is wrong with a reference, as an error. */
export function invalid(text: string, why: string, hint?: string): ImageError {
  return new ImageError("invalid-reference", `Invalid reference "${clipped(text, 200)}": ${why}`, { hint });
}
