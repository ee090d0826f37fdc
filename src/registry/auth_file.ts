import { ImageError } from "../errors.ts";
import { decodeBase64 } from "../bytes/base64.ts";
import { isObject, Members } from "../oci/json.ts";
import { type AuthPlace, filePlace } from "./auth_places.ts";
import { askCredentialHelper } from "./credential_helper.ts";
import type { Credentials } from "./credentials.ts";
import { DOCKER_HUB } from "./endpoint.ts";
import { foldedMembers } from "./loose_json.ts";

/** The name under which Docker keeps the credentials of Docker Hub, and asks helpers for them. */
const HUB_KEY = "https://index.docker.io/v1/";

const HUB_HOSTS = new Set(["docker.io", "index.docker.io", "registry-1.docker.io"]);

/**
 * The credentials that a place in the format of Docker's `config.json` (podman's `auth.json` too) holds for a repository;
 * undefined when it is missing or holds none.
 *
 * Order, as Docker has it: the host's own helper, the store, the entries. Of helpers and entries the longest path that
 * matches. Throws `invalid-input` when the place cannot be read, and what {@linkcode askCredentialHelper} throws.
 */
export async function readAuthPlace(
  { name, isDockers, read }: AuthPlace,
  registry: string,
  repository: string,
): Promise<Credentials | undefined> {
  const document = await read();
  if (!document) return undefined;
  const members = new Members(document, name);
  const entries = byKey(members.raw("auths"));
  const plainKeys = searchKeys(registry, repository);
  // Docker takes a host's key with any path for the host; where there is a better one, it goes before.
  const keys = isDockers ? [...plainKeys, ...keysBelow(entries, registry)] : plainKeys;
  const server = registry === DOCKER_HUB ? HUB_KEY : registry;
  const helpers = byKey(members.raw("credhelpers"));
  for (const key of plainKeys) {
    const helper = helpers.get(key);
    // An empty name switches the store off for one host, as Docker has it.
    if (helper === "") return findEntry(entries, keys, name);
    if (typeof helper === "string") return await askCredentialHelper(helper, key.includes("/") ? key : server);
  }
  const store = members.string("credsstore");
  if (!store) return findEntry(entries, keys, name);
  try {
    return await askCredentialHelper(store, server) ?? findEntry(entries, keys, name);
  } catch (error) {
    // A store that is not installed any more, beside an entry that somebody wrote in its place.
    const entry = findEntry(entries, keys, name);
    if (entry) return entry;
    throw error;
  }
}

/** The credentials in a file; as {@linkcode readAuthPlace}. */
export async function readAuthFile(
  path: string,
  registry: string,
  repository: string,
): Promise<Credentials | undefined> {
  return await readAuthPlace(filePlace(path), registry, repository);
}

/** What may be a key for a repository: `host/team/app`, `host/team`, `host`. */
function searchKeys(registry: string, repository: string): readonly string[] {
  const parts = repository === "" ? [] : repository.split("/");
  return [...parts.keys(), parts.length].reverse()
    .map((length) => [registry.toLowerCase(), ...parts.slice(0, length)].join("/"));
}

/** Keys that name something below a host. */
function keysBelow(entries: ReadonlyMap<string, unknown>, registry: string): readonly string[] {
  return [...entries.keys()].filter((key) => key.startsWith(`${registry.toLowerCase()}/`) && !key.endsWith("-token"));
}

/** The members of an object by what their keys name; of several keys for the same the one that says so most plainly. */
function byKey(object: unknown): ReadonlyMap<string, unknown> {
  const found = new Map<string, { readonly rank: number; readonly value: unknown }>();
  for (const [key, value] of isObject(object) ? Object.entries(object) : []) {
    const { name, rank } = readKey(key);
    if (value !== null && rank <= (found.get(name)?.rank ?? Infinity)) found.set(name, { rank, value });
  }
  return new Map([...found].map(([name, { value }]) => [name, value]));
}

/**
 * `host[/path]` of a key. With a scheme it is one of Docker's, whose path says nothing but the version of an API, and which
 * keeps tokens for its own use under longer ones.
 */
function readKey(key: string): { readonly name: string; readonly rank: number } {
  const [, scheme, rest = ""] = /^(https?:\/\/)?(.*)$/i.exec(key.trim()) ?? [];
  const bare = rest.replace(/\/+$/, "").replace(/\/v[12]$/, "");
  const slash = bare.indexOf("/");
  const host = (slash < 0 ? bare : bare.slice(0, slash)).toLowerCase();
  const path = slash < 0 ? "" : bare.slice(slash);
  const name = HUB_HOSTS.has(host) ? DOCKER_HUB : host;
  if (key === HUB_KEY) return { name, rank: 0 };
  if (scheme === undefined || path.endsWith("-token")) return { name: name + path, rank: 1 };
  return { name, rank: path === "" ? 2 : 3 };
}

function findEntry(
  entries: ReadonlyMap<string, unknown>,
  keys: readonly string[],
  place: string,
): Credentials | undefined {
  for (const key of keys) {
    const entry = entries.get(key);
    const credentials = entry === undefined ? undefined : parseEntry(entry, `${place}, entry "${key}"`);
    if (credentials) return credentials;
  }
  return undefined;
}

function parseEntry(value: unknown, what: string): Credentials | undefined {
  const members = new Members(isObject(value) ? foldedMembers(value) : value, what);
  const registryToken = members.string("registrytoken");
  if (registryToken) return { kind: "registry-token", token: registryToken };
  const identityToken = members.string("identitytoken");
  if (identityToken) return { kind: "identity-token", token: identityToken };
  const auth = members.string("auth");
  const { username, password } = auth ? decodeAuth(auth, what) : {
    username: members.string("username") ?? "",
    password: members.string("password") ?? "",
  };
  return username === "" ? undefined : { kind: "password", username, password };
}

function decodeAuth(auth: string, what: string): { readonly username: string; readonly password: string } {
  let text: string;
  try {
    text = new TextDecoder().decode(decodeBase64(auth.trim()));
  } catch {
    // The engine's own message would quote the secret.
    throw new ImageError("invalid-input", `Invalid ${what}: "auth" is not base64`);
  }
  const colon = text.indexOf(":");
  if (colon < 0) throw new ImageError("invalid-input", `Invalid ${what}: "auth" holds no user name and password`);
  return { username: text.slice(0, colon), password: text.slice(colon + 1).replace(/\0+$/, "") };
}
