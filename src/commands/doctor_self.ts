import { hasZstd } from "../bytes/zstd_runtime.ts";
import { chosenConnection } from "../engine/connection.ts";
import { defaultSockets } from "../engine/default_sockets.ts";
import { type SocketState, systemHost } from "../engine/engine_host.ts";
import { messageOf } from "../errors.ts";
import { describeUrl } from "../http/describe.ts";
import { configuredEndpoint, readAwsConfig } from "../objects/aws_config.ts";
import { type AwsSource, describeAwsSource } from "../objects/aws_source.ts";
import { processEnvironment } from "../registry/credentials.ts";
import { AUTH_VARIABLE, authFiles, configuredHelpers } from "../registry/auth_places.ts";

/** What s3lo would use on this machine; nothing in it is secret, and nobody was asked over a network. */
export interface SelfReport {
  /** Where AWS credentials would come from. */
  readonly aws: AwsSource & {
    readonly region: string | null;
    readonly endpoint: string | null;
    /** Where each of them is named: an option, a variable, a file; null where nothing names it. */
    readonly profile_from: string | null;
    readonly region_from: string | null;
    readonly endpoint_from: string | null;
  };
  readonly registries: {
    /** Variables that hold credentials; they are asked first. */
    readonly variables: readonly string[];
    /** Files that hold credentials, in the order in which they are asked. */
    readonly files: readonly string[];
    /** Programs that they name. */
    readonly helpers: readonly string[];
  };
  readonly daemon: {
    /** The address, or null when no daemon was found. */
    readonly address: string | null;
    /** Who named it, or which product's usual socket it is. */
    readonly origin: string | null;
    /** Why there is none. */
    readonly problem: string | null;
    /** Where it was looked for, if nobody named one and none was found. */
    readonly tried?: readonly DaemonAttempt[];
  };
  /** Proxies by variable, without passwords. */
  readonly proxies: Readonly<Record<string, string>>;
  /** The file of further certificate authorities that the environment names. */
  readonly ca_file: string | null;
  /** What this runtime lacks of what s3lo can use. */
  readonly runtime_lacks: readonly string[];
}

/** A usual socket on which nobody listens. */
export interface DaemonAttempt {
  readonly path: string;
  /** Which program would put it there. */
  readonly product: string;
  readonly state: SocketState;
}

/** Tells what s3lo would use, from files and the environment alone. */
export async function doctorSelf(
  options: {
    readonly profile?: string | undefined;
    readonly endpoint?: string | undefined;
    readonly region?: string | undefined;
    readonly dockerHost?: string | undefined;
    /** Where the options above are named, by name; default the command line. */
    readonly origins?: ReadonlyMap<string, string>;
  } = {},
): Promise<SelfReport> {
  const env = processEnvironment;
  const origin = (name: string) => options.origins?.get(name) ?? `--${name}`;
  const region = firstOf(options.region, origin("region"), ["AWS_REGION", "AWS_DEFAULT_REGION"]);
  const endpoint = options.endpoint ?? configuredEndpoint(await readAwsConfig(env), options.profile, env);
  const variables = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"].filter((name) => env(name) === endpoint);
  return {
    aws: {
      ...await describeAwsSource(options.profile, env),
      profile_from: firstOf(options.profile, origin("profile"), ["AWS_PROFILE"])?.from ?? null,
      region: region?.value ?? null,
      region_from: region?.from ?? null,
      endpoint: endpoint === undefined ? null : describeUrl(endpoint),
      endpoint_from: endpoint === undefined
        ? null
        : firstOf(options.endpoint, origin("endpoint"), variables)?.from ?? "the AWS profile",
    },
    registries: {
      variables: env(AUTH_VARIABLE) === undefined ? [] : [AUTH_VARIABLE],
      files: await existing(authFiles(env)),
      helpers: await configuredHelpers(env),
    },
    daemon: await describeDaemon(options.dockerHost, origin("docker-host")),
    proxies: describeProxies(env),
    ca_file: env("SSL_CERT_FILE") ?? null,
    runtime_lacks: hasZstd() ? [] : ["zstd"],
  };
}

/** A setting as it may be shown: an address may hold a password. */
export function withoutPassword(value: string): string {
  return value.includes("://") ? describeUrl(value) : value;
}

/** What was given, else the first variable that is set; and which it was. */
function firstOf(
  given: string | undefined,
  origin: string,
  variables: readonly string[],
): { readonly value: string; readonly from: string } | undefined {
  if (given !== undefined) return { value: given, from: origin };
  const from = variables.find((name) => processEnvironment(name) !== undefined);
  return from === undefined ? undefined : { value: processEnvironment(from)!, from };
}

async function existing(paths: readonly string[]): Promise<readonly string[]> {
  const found: string[] = [];
  for (const path of paths) if (await Deno.stat(path).then((info) => info.isFile, () => false)) found.push(path);
  return found;
}

async function describeDaemon(dockerHost: string | undefined, named: string): Promise<SelfReport["daemon"]> {
  const host = systemHost();
  try {
    const chosen = await chosenConnection(host, { dockerHost });
    if (chosen) {
      const origin = dockerHost === undefined ? chosen.origin : named;
      return { address: chosen.address, origin, problem: null };
    }
    const tried: DaemonAttempt[] = [];
    for (const { product, path } of defaultSockets(host)) {
      const state = await host.probeSocket(path);
      if (state === "listening") return { address: `unix://${path}`, origin: product, problem: null };
      tried.push({ path, product, state });
    }
    const silent = tried.find(({ state }) => state !== "not there");
    return silent
      ? { address: `unix://${silent.path}`, origin: silent.product, problem: silent.state, tried }
      : { address: null, origin: null, problem: "no daemon's socket is in a usual place", tried };
  } catch (error) {
    return { address: null, origin: null, problem: messageOf(error) };
  }
}

function describeProxies(env: (name: string) => string | undefined): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"]) {
    const value = env(name.toLowerCase()) ?? env(name);
    if (value === undefined) continue;
    found[name] = name === "NO_PROXY" ? value : describeUrl(value.includes("://") ? value : `http://${value}`);
  }
  return found;
}
