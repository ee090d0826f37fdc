import { ImageError } from "../errors.ts";
import { digestOf, hexOf } from "../oci/digest.ts";
import { type JsonObject, Members, parseJsonObject } from "../oci/json.ts";
import { dockerConfigFolder, type EngineHost, readHostFile } from "./engine_host.ts";
import { type ClientTls, readTlsFolder } from "./tls_files.ts";

/** The daemon that a docker context names. */
export interface DockerContext {
  readonly address: string;
  /** Certificates of the context; undefined when it has none. */
  readonly tls: ClientTls | undefined;
}

/** The context of Docker's client that stands for no context at all. */
const DEFAULT_CONTEXT = "default";

/**
 * The docker context in force: `DOCKER_CONTEXT`, else `currentContext` of Docker's `config.json`; undefined for none and
 * for `default`. Throws `invalid-input` when the file cannot be read.
 */
export async function selectedContext(host: EngineHost): Promise<string | undefined> {
  const folder = dockerConfigFolder(host);
  const fromEnvironment = host.env("DOCKER_CONTEXT");
  if (fromEnvironment) return fromEnvironment === DEFAULT_CONTEXT ? undefined : fromEnvironment;
  if (folder === undefined) return undefined;
  const config = await readJson(host, `${folder}/config.json`);
  const name = config && new Members(config, `"${folder}/config.json"`).string("currentContext");
  return name === undefined || name === "" || name === DEFAULT_CONTEXT ? undefined : name;
}

/**
 * Reads a docker context as Docker's client stores it: `contexts/meta/<sha256 of the name>/meta.json`, and certificates
 * in `contexts/tls/<the same>/docker/`.
 *
 * Throws `not-found` when there is no such context, `invalid-input` when it names no daemon.
 */
export async function readDockerContext(host: EngineHost, name: string): Promise<DockerContext> {
  const folder = dockerConfigFolder(host);
  const id = hexOf(digestOf(new TextEncoder().encode(name)));
  const meta = folder === undefined ? undefined : await readJson(host, `${folder}/contexts/meta/${id}/meta.json`);
  if (!meta) {
    throw new ImageError("not-found", `Cannot find the docker context "${name}" in "${folder ?? "~/.docker"}"`, {
      hint: "List the contexts with docker context ls, or set DOCKER_CONTEXT=default",
    });
  }
  const what = `docker context "${name}"`;
  const endpoints = new Members(new Members(meta, what).raw("Endpoints") ?? {}, `endpoints of ${what}`);
  const endpoint = new Members(endpoints.raw("docker") ?? {}, `docker endpoint of ${what}`);
  const address = endpoint.string("Host");
  if (!address) throw endpoint.missing("Host");
  const verify = endpoint.raw("SkipTLSVerify") !== true;
  const tls = await readTlsFolder(host, `${folder}/contexts/tls/${id}/docker`, { verify, mustExist: false });
  const hasTls = tls.certificate !== undefined || tls.authorities.length > 0 || !verify;
  return { address, tls: hasTls ? tls : undefined };
}

async function readJson(host: EngineHost, path: string): Promise<JsonObject | undefined> {
  const bytes = await readHostFile(host, path);
  return bytes && parseJsonObject(bytes, `"${path}"`);
}
