import { clipped, ImageError } from "../errors.ts";

/** What a text that names no image was probably meant to be. */
interface NearMiss {
  readonly why: string;
  /** The next step, beginning with a verb. */
  readonly hint: string;
}

/** What is being named: one image, or a store as `list` takes it. */
export type Named = "image" | "store";

const FORMS: Readonly<Record<Named, string>> = {
  image: "Use s3://bucket/image:tag, local://path/image:tag, or a registry reference such as alpine:3",
  store: "Use s3://bucket or local://path",
};

/** Schemes that look like a reference of ours or of other tools, and what to say of them. */
const OTHER_SCHEMES: ReadonlyMap<string, string> = new Map([
  [
    "gs",
    "Reach Google Cloud Storage through its S3 endpoint: s3://bucket/image:tag with --endpoint https://storage.googleapis.com",
  ],
  ["az", "Copy to s3://, local:// or a registry: Azure Blob Storage is not supported"],
  ["http", "Leave out http:// and pass --plain-http"],
  ["https", "Leave out https://"],
  ["file", "Write local://FOLDER//IMAGE:TAG for a store, oci:FOLDER for a layout, oci-archive:FILE for an archive"],
  ["ocidir", "Write oci:FOLDER, without slashes"],
]);

/** Schemes that end with a colon alone. */
const COLON_SCHEMES = /^(oci|oci-archive|docker-archive|docker-daemon):\/\//i;

/** A folder as Windows writes it, without the `//` that would say where it ends. */
const WINDOWS_STORE = /^local:\/\/([A-Za-z]:\\(?:(?!\/\/).)*)$/s;

/** Schemes of other tools that end with a colon alone: each could be read as an image's name, and nobody means that. */
const FOREIGN_COLON_SCHEMES: readonly (readonly [pattern: RegExp, hint: string])[] = [
  [
    /^containers-storage:/i,
    "Write docker-daemon:NAME (podman's socket counts as a daemon), or an archive that podman save wrote",
  ],
  [/^arn:aws[^:]*:s3:::/i, "Write s3://BUCKET/IMAGE:TAG"],
  [/^dir:[./~]/, "Write oci:FOLDER for an OCI layout, local://FOLDER//IMAGE:TAG for a store"],
];

/** How archives are called. */
const ARCHIVE_NAME = /\.(?:tar|tgz|tar\.(?:gz|zst|zstd|xz|bz2))$/i;

/** No path is longer, and nothing that is needs to be told apart. */
const MAX_PATH_LENGTH = 4096;

/** A path: from the root, from here, from home, or of Windows. */
const PATH = /^(?:\/|\.{1,2}(?:[/\\]|$)|~(?:\/|$)|[A-Za-z]:[\\/])|\\/;

/**
 * Refuses what is no reference, or none that anybody means, with what was probably meant: slashes or the case of a scheme,
 * schemes of other tools, paths, and files of archives. The one place that knows them. `named` says what is expected.
 *
 * Throws `invalid-reference`; a text without a near miss passes, whether or not it is right.
 */
export function refuseNearMiss(text: string, named: Named): void {
  const miss = nearMiss(text, named);
  if (!miss) return;
  throw new ImageError("invalid-reference", `Invalid reference "${clipped(text, 200)}": ${miss.why}`, {
    hint: clipped(miss.hint, 400),
  });
}

/** Whether a text is rather the path of an archive or folder than the name of an image: `out.tar`, `./x`, `/srv/store`. */
export function isPathText(text: string): boolean {
  return PATH.test(text) || isArchiveName(text);
}

function nearMiss(whole: string, named: Named): NearMiss | undefined {
  const text = whole.slice(0, MAX_PATH_LENGTH);
  return storeScheme(text) ?? backslashes(text, named) ?? colonScheme(text) ?? otherScheme(text, named) ??
    path(text, named);
}

/** `s3:/b`, `s3:b/i`, `s3//b`, `S3://b`, `s3:///b`, and the same of `local`. */
function storeScheme(text: string): NearMiss | undefined {
  const match = /^(s3|local)(?::([/\\]*)|([/\\]{2,}))/i.exec(text);
  if (!match) return undefined;
  const [whole, typed = "", slashes = match[3] ?? ""] = match;
  const scheme = typed.toLowerCase();
  const rest = text.slice(whole.length);
  const isRight = whole === `${scheme}://` || (scheme === "local" && whole.startsWith("local://"));
  // A registry on the port 5000 of a host that is called s3 is nothing unheard of.
  if (isRight || /^:\d+\//.test(text.slice(typed.length))) return undefined;
  // One slash or three begin a path from the root.
  const root = scheme === "local" && (slashes.length === 1 || slashes.length > 2) ? "/" : "";
  const isName = slashes === "" && !/[/\\]/.test(rest);
  return {
    why: `it begins with "${clipped(whole)}" and not with "${scheme}://"`,
    hint: rest === ""
      ? `Write ${scheme}://${scheme === "s3" ? "bucket" : "folder"}`
      : `Write ${scheme}://${root}${rest}${
        isName ? `, or docker.io/library/${text} for an image of Docker Hub called ${scheme}` : ""
      }`,
  };
}

/** `local://C:\\store\\app:v1`: where `//` does not say where the folder ends, its parts are cut at slashes. */
function backslashes(text: string, named: Named): NearMiss | undefined {
  const rest = WINDOWS_STORE.exec(text)?.[1];
  if (named === "store" || rest === undefined) return undefined;
  const path = withoutEndingSlashes(rest.replaceAll("\\", "/"));
  const at = path.lastIndexOf("/");
  return {
    why: "it has backslashes, and no // where the folder ends",
    hint: `Write local://${path.slice(0, at)}//${path.slice(at + 1)}`,
  };
}

/** Whether a text names an image's folder as Windows does, and no end of it: `local://C:\\store\\app:v1`. */
export function isWindowsStoreText(text: string): boolean {
  return WINDOWS_STORE.test(text);
}

/** `oci://x`, `OCI:x`, `containers-storage:x`. */
function colonScheme(text: string): NearMiss | undefined {
  const slashed = COLON_SCHEMES.exec(text);
  if (slashed) {
    const scheme = slashed[1]!.toLowerCase();
    return {
      why: `after "${scheme}:" come no slashes`,
      hint: `Write ${scheme}:${text.slice(slashed[0].length)}`,
    };
  }
  const foreign = FOREIGN_COLON_SCHEMES.find(([pattern]) => pattern.test(text));
  return foreign && { why: `"${clipped(/^[^:]*/.exec(text)![0])}:" is no kind of place`, hint: foreign[1] };
}

function otherScheme(text: string, named: Named): NearMiss | undefined {
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):\/\//.exec(text)?.[1];
  if (scheme === undefined || scheme === "s3" || scheme === "local") return undefined;
  if (scheme === "docker" && named === "image") return undefined;
  const bucket = /^https?:\/\/([a-z0-9.-]+)\.s3[.-][a-z0-9.-]*amazonaws\.com(?:\/(.*))?$/i.exec(text);
  return {
    why: `unknown scheme "${clipped(scheme)}://"`,
    hint: bucket
      ? `Write s3://${bucket[1]}${bucket[2] ? `/${bucket[2]}` : ""}`
      : OTHER_SCHEMES.get(scheme.toLowerCase()) ?? FORMS[named],
  };
}

/** `./store`, `/x.tar`, `C:\store`, and `out.tar`, which else were an image of Docker Hub. */
function path(text: string, named: Named): NearMiss | undefined {
  if (isArchiveName(text)) {
    const isPath = PATH.test(text);
    const file = text.replaceAll("\\", "/");
    const hub = isPath ? "" : `, or docker.io/${text.includes("/") ? "" : "library/"}${text} for an image of that name`;
    return {
      why: isPath ? "a path alone names no image" : "it is called like a file",
      hint: `Write oci-archive:${file} or docker-archive:${file} for a file (pull and push: --file ${file})${hub}`,
    };
  }
  if (!PATH.test(text)) return undefined;
  const folder = withoutEndingSlashes(text.replaceAll("\\", "/"));
  return {
    why: `a path alone names no ${named}`,
    hint: named === "store"
      ? `Write local://${folder} for a store`
      : /:[A-Za-z0-9_][A-Za-z0-9._-]*$/.test(folder.replace(/^[A-Za-z]:/, "")) // with a tag it names an image already
      ? `Write local://${folder} for an image of a store`
      : `Write local://${folder}//IMAGE:TAG for a store, oci:${folder} for an OCI layout`,
  };
}

/** Whether it ends like an archive's name, and no registry's host stands in front. */
function isArchiveName(text: string): boolean {
  if (text.includes("://") || !ARCHIVE_NAME.test(text)) return false;
  if (PATH.test(text)) return true;
  const first = text.includes("/") ? text.slice(0, text.indexOf("/")) : "";
  return !text.includes("@") && !/[.:]/.test(first) && first !== "localhost" && !/:(?=[^/]*$)/.test(text);
}

/** A path without slashes at its end; a `/` alone stays. In one pass: a pattern would try each of many slashes. */
export function withoutEndingSlashes(path: string): string {
  let end = path.length;
  while (end > 1 && path[end - 1] === "/") end--;
  return path.slice(0, end);
}
