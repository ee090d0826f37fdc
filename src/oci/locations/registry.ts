import { clipped, ImageError } from "../../errors.ts";
import { refuseNearMiss } from "../near_misses.ts";
import { checkCharacters, invalid, nameProblem, type Pin, splitPin } from "./names.ts";

/** The image of a registry, as `docker pull` names it. */
export interface RegistryImage extends Pin {
  /** Host, with its port if it has one: `docker.io`, `localhost:5000`, `[::1]:5000`. */
  readonly registry: string;
  /** Path without the host: `library/alpine`. */
  readonly repository: string;
}

/** A place in a registry. */
export interface RegistryLocation extends RegistryImage {
  readonly kind: "registry";
  /** As it was written; for messages. */
  readonly text: string;
}

/** A registry, or what is below a path in it: one repository to list, a prefix of repositories to write to. */
export interface RegistryCollection {
  readonly kind: "registry";
  readonly registry: string;
  /** Without a slash at either end; empty for the whole registry. */
  readonly path: string;
  /** As it was written; for messages. */
  readonly text: string;
}

/** Scheme that may stand before a registry reference, as skopeo writes it. */
export const DOCKER_SCHEME = "docker://";

const HOST_LABEL = "(?:[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9])";
const HOST = new RegExp(
  `^(?:${HOST_LABEL}(?:\\.${HOST_LABEL})*|\\[[0-9a-fA-F:]+\\])(?::[0-9]+)?$`,
);

/** Reads `[docker://][host/]repository[:tag][@digest]` as `docker pull` does. Throws `invalid-reference`. */
export function parseRegistryLocation(text: string): RegistryLocation {
  checkCharacters(text, text);
  return { kind: "registry", ...parseImage(withoutScheme(text), text), text };
}

/**
 * Reads the name of an image where no other place can stand: `docker tag` takes it, archives and daemons hold it.
 *
 * Throws `invalid-reference`, with what was probably meant where it is a near miss.
 */
export function parseRegistryImage(text: string): RegistryImage {
  if (/^(?:s3|local):\/\//.test(text)) {
    throw new ImageError("invalid-reference", `Invalid image name "${text}": expected name[:tag]`);
  }
  refuseNearMiss(text, "image");
  checkCharacters(text, text);
  return parseImage(withoutScheme(text), text);
}

/** Reads what `list` takes of a registry: a repository, or a host alone (with a port, or a slash at its end). */
export function parseListedRegistry(text: string): RegistryCollection {
  refuseNearMiss(withoutScheme(text), "store");
  const host = /^([^/]+:\d+|[^/]+(?=\/$))\/?$/.exec(withoutScheme(text))?.[1];
  if (host !== undefined) return { kind: "registry", registry: host, path: "", text };
  const { registry, repository } = parseRegistryLocation(text);
  return { kind: "registry", registry, path: repository, text };
}

/** The image of a registry in its one canonical spelling. */
export function formatRegistryImage({ registry, repository, tag, digest }: RegistryImage): string {
  return `${registry}/${repository}${tag === undefined ? "" : `:${tag}`}${digest === undefined ? "" : `@${digest}`}`;
}

/** An image below a path of a registry. Throws `invalid-reference` for what is no name there. */
export function registryLocationIn(
  { registry, path }: RegistryCollection,
  { image, tag }: { readonly image: string; readonly tag: string },
): RegistryLocation {
  const text = `${registry}/${path === "" ? "" : `${path}/`}${image}:${tag}`;
  return { kind: "registry", ...parseImage(text, text), text };
}

/** A text without `docker://`. */
export function withoutScheme(text: string): string {
  return text.startsWith(DOCKER_SCHEME) ? text.slice(DOCKER_SCHEME.length) : text;
}

function parseImage(rest: string, text: string): RegistryImage {
  if (rest === "") throw invalid(text, "the repository is missing");
  if (/^[0-9a-f]{64}$/.test(rest)) throw invalid(text, "64 hex digits alone are an image ID, not a name");
  const { name, ...pin } = splitPin(rest, text, rest.indexOf("@"));
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
  return { registry, repository, ...pin };
}

/** Whether a text is a host, with or without port, that a URL can hold: no zone in an IPv6 address, no port above 65535. */
function isRegistryHost(host: string): boolean {
  return HOST.test(host) && URL.canParse(`https://${host}/`);
}
