import { ImageError, messageOf } from "../errors.ts";
import type { JsonObject } from "../oci/json.ts";
import { type Environment, processEnvironment } from "./credentials.ts";
import { foldedMembers, parseFirstObject } from "./loose_json.ts";

/** Where credentials may be kept in the format of Docker's `config.json`. */
export interface AuthPlace {
  /** What errors call it. */
  readonly name: string;
  /** Whether it is Docker's own, to which a key with a path means the whole host; podman means what is below the path. */
  readonly isDockers: boolean;
  /** Its members, by lower-case names; undefined where there is nothing. Throws `invalid-input`. */
  readonly read: () => Promise<JsonObject | undefined>;
}

/** The variable that holds such a document itself. */
export const AUTH_VARIABLE = "DOCKER_AUTH_CONFIG";

/**
 * The places that may hold credentials, in the order in which they are asked: the document in `DOCKER_AUTH_CONFIG`, then
 * {@linkcode authFiles}.
 */
export function authPlaces(env: Environment): readonly AuthPlace[] {
  const runtimeFolder = env("XDG_RUNTIME_DIR");
  return [
    ...variablePlace(env(AUTH_VARIABLE)),
    // Whoever becomes another user keeps the variable of the one before, and may not look into that folder.
    ...authFiles(env).map((path) =>
      filePlace(path, { isOptional: runtimeFolder !== undefined && path.startsWith(`${runtimeFolder}/`) })
    ),
  ];
}

/**
 * The files that may hold credentials, in the order in which they are asked: `REGISTRY_AUTH_FILE`, Docker's `config.json`
 * (in `DOCKER_CONFIG`, else `~/.docker`), podman's `auth.json` (in `XDG_RUNTIME_DIR`, then `~/.config`).
 */
export function authFiles(env: Environment): readonly string[] {
  const home = env("HOME") ?? env("USERPROFILE");
  const dockerFolder = env("DOCKER_CONFIG") ?? (home && `${home}/.docker`);
  const runtimeFolder = env("XDG_RUNTIME_DIR");
  const configFolder = env("XDG_CONFIG_HOME") ?? (home && `${home}/.config`);
  return [
    env("REGISTRY_AUTH_FILE"),
    dockerFolder && `${dockerFolder}/config.json`,
    runtimeFolder && `${runtimeFolder}/containers/auth.json`,
    configFolder && `${configFolder}/containers/auth.json`,
  ].filter((path): path is string => path !== undefined && path !== "");
}

/** A file; one that is not there holds nothing, nor does one that may not be read where `isOptional`. */
export function filePlace(path: string, { isOptional = false }: { readonly isOptional?: boolean } = {}): AuthPlace {
  const name = `"${path}"`;
  const isDockers = !path.endsWith("/auth.json");
  return { name, isDockers, read: async () => documentOf(await readFile(path, isOptional), name) };
}

/**
 * The programs that these places name as helpers, for any registry: `docker-credential-pass`. Places that are missing or
 * cannot be read name none; who needs them finds out why.
 */
export async function configuredHelpers(env: Environment = processEnvironment): Promise<readonly string[]> {
  const names = new Set<unknown>();
  for (const place of authPlaces(env)) {
    const members = await place.read().catch(() => undefined);
    names.add(members?.["credsstore"]);
    for (const name of Object.values(members?.["credhelpers"] ?? {})) names.add(name);
  }
  return [...names].filter((name) => typeof name === "string" && name !== "").map((name) =>
    `docker-credential-${name}`
  );
}

/** The document in the variable. Build servers put it into a file, too, and the file's path into the variable. */
function variablePlace(text: string | undefined): readonly AuthPlace[] {
  if (text === undefined || text.trim() === "") return [];
  if (/^\s*(?:\/|[A-Za-z]:[\\/])/.test(text)) return [filePlace(text.trim())];
  const read = () => Promise.resolve(documentOf(new TextEncoder().encode(text), AUTH_VARIABLE));
  return [{ name: AUTH_VARIABLE, isDockers: true, read }];
}

function documentOf(bytes: Uint8Array | undefined, name: string): JsonObject | undefined {
  const object = bytes && parseFirstObject(bytes, name);
  return object && foldedMembers(object);
}

async function readFile(path: string, isOptional: boolean): Promise<Uint8Array | undefined> {
  try {
    return await Deno.readFile(path);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound || cause instanceof Deno.errors.NotADirectory) return undefined;
    if (isOptional && cause instanceof Deno.errors.PermissionDenied) return undefined;
    throw new ImageError("invalid-input", `Cannot read credentials "${path}": ${messageOf(cause).split("\n")[0]}`, {
      cause,
    });
  }
}
