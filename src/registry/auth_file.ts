import { ImageError, messageOf } from "../errors.ts";
import { decodeBase64 } from "../bytes/base64.ts";
import { isObject, type JsonObject, Members, parseJsonObject } from "../oci/json.ts";
import { askCredentialHelper } from "./credential_helper.ts";
import type { Credentials } from "./credentials.ts";
import { DOCKER_HUB } from "./endpoint.ts";

/** The name under which Docker keeps the credentials of Docker Hub, and asks helpers for them. */
const HUB_KEY = "https://index.docker.io/v1/";

const HUB_HOSTS = new Set(["docker.io", "index.docker.io", "registry-1.docker.io"]);

/**
 * The credentials that a file in the format of Docker's `config.json` (podman's `auth.json` too) holds for a
 * repository; undefined when the file is missing or holds none.
 *
 * Order, as Docker has it: the host's own helper, the store, the entries of the file; of those the longest path that
 * matches. Throws `invalid-input` when the file cannot be read, and what {@linkcode askCredentialHelper} throws.
 */
export async function readAuthFile(
  path: string,
  registry: string,
  repository: string,
): Promise<Credentials | undefined> {
  const document = await readDocument(path);
  if (!document) return undefined;
  const members = new Members(document, `"${path}"`);
  const helpers = members.stringMap("credHelpers") ?? {};
  const helper = Object.entries(helpers).find(([key]) => normalKey(key) === registry)?.[1];
  const server = registry === DOCKER_HUB ? HUB_KEY : registry;
  // An empty name switches the store off for one host, as Docker has it.
  if (helper) return await askCredentialHelper(helper, server);
  const store = helper === undefined ? members.string("credsStore") : undefined;
  const stored = store ? await askCredentialHelper(store, server) : undefined;
  return stored ?? findEntry(members.raw("auths"), registry, repository, path);
}

async function readDocument(path: string): Promise<JsonObject | undefined> {
  let bytes: Uint8Array;
  try {
    bytes = await Deno.readFile(path);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound || cause instanceof Deno.errors.NotADirectory) return undefined;
    throw new ImageError("invalid-input", `Cannot read credentials "${path}": ${messageOf(cause).split("\n")[0]}`, {
      cause,
    });
  }
  return bytes.byteLength === 0 ? undefined : parseJsonObject(bytes, `"${path}"`);
}

/** `host[/path]` of a key, which may be a URL with Docker's API version behind it. */
function normalKey(key: string): string {
  const bare = key.trim().replace(/^https?:\/\//i, "").replace(/\/+$/, "").replace(/\/v[12]$/, "");
  const slash = bare.indexOf("/");
  const host = (slash < 0 ? bare : bare.slice(0, slash)).toLowerCase();
  return (HUB_HOSTS.has(host) ? DOCKER_HUB : host) + (slash < 0 ? "" : bare.slice(slash));
}

function findEntry(auths: unknown, registry: string, repository: string, path: string): Credentials | undefined {
  if (!isObject(auths)) return undefined;
  const entries = new Map(Object.entries(auths).map(([key, value]) => [normalKey(key), value] as const));
  const host = registry.toLowerCase();
  const parts = repository.split("/");
  for (let length = parts.length; length >= 0; length--) {
    const entry = entries.get([host, ...parts.slice(0, length)].join("/"));
    const credentials = entry === undefined ? undefined : parseEntry(entry, `"${path}", entry "${registry}"`);
    if (credentials) return credentials;
  }
  return undefined;
}

function parseEntry(value: unknown, what: string): Credentials | undefined {
  const members = new Members(value, what);
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
