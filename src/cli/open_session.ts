import { ImageError, printable } from "../errors.ts";
import type { CompressionOptions } from "../archive/layer_compression.ts";
import type { BlobReader } from "../bytes/blob_reader.ts";
import { keepSecret } from "../http/redact.ts";
import type { Session } from "../transports/session.ts";
import type { BucketDefaults, RegistryDefaults, SideOptions } from "../transports/sides.ts";
import type { CommandIo, OptionValues, PlaceSettings, Settings } from "./command.ts";
import { givenCredentials } from "./given_credentials.ts";
import { checkStorageClass } from "./storage_options.ts";
import { whenReady } from "./standard_streams.ts";
import { formatSize } from "./text.ts";
import { build } from "./version.ts";

/**
 * The session that the global options describe. `hasSides`: for a command with a source and a target; the settings of a side
 * mean nothing to any other.
 */
export async function openSession(
  options: Settings,
  io: CommandIo,
  { hasSides = false }: { readonly hasSides?: boolean } = {},
): Promise<Session> {
  const { Session } = await import("../transports/session.ts");
  const { adoptAgents } = await import("../http/adopt_agents.ts");
  // What dependencies do in old ways on some version of the runtime is nothing that users of a release can act on.
  if (build()) (globalThis as { process?: { noDeprecation?: boolean } }).process!.noDeprecation = true;
  // Known before they are used: the SDK, and who answers it, may quote them.
  for (const name of ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"]) keepSecret(Deno.env.get(name));
  const isDebug = options.flag("debug");
  const given = await givenCredentials(options, { hasSides });
  for (const each of [given.both, given.source, given.target]) keepSecret(each?.password);
  const session = new Session({
    endpoint: endpoint(options, "endpoint"),
    region: options.value("region"),
    profile: profile(options.value("profile")),
    storageClass: options.value("storage-class"),
    sseKmsKeyId: options.value("sse-kms-key-id"),
    caFiles: options.values("ca-cert"),
    insecure: options.flag("insecure"),
    plainHttp: switched(options, "plain-http"),
    dockerHost: options.value("docker-host"),
    streams: { stdin: stdinReader(), stdout: io.sink },
    compression: compression(options),
    credentials: given.both,
    ...(hasSides
      ? {
        source: { ...side(options, "src"), credentials: given.source },
        target: { ...side(options, "dst"), credentials: given.target },
      }
      : {}),
    concurrentBlobs: concurrency(options.value("concurrency"), options.origin("concurrency")),
    defaults: {
      bucket: (name) => bucketDefaults(options.bucket(name)),
      registry: (host) => registryDefaults(options.registry(host)),
    },
    signal: io.signal,
    onKept: (place, storedBytes) =>
      io.note(
        `Kept ${formatSize(storedBytes)} of an unfinished upload to ${place}; the same command goes on from there`,
      ),
    onWait: io.activity.wait,
    onPhase: io.activity.phase,
    log: isDebug ? (line) => io.err(`debug: ${printable(line)}\n`) : undefined,
  });
  adoptAgents(session.httpOptions);
  return session;
}

/** A profile holds for everything of the SDK (its endpoint and region too), as if AWS_PROFILE named it. */
function profile(name: string | undefined): string | undefined {
  if (name !== undefined) Deno.env.set("AWS_PROFILE", name);
  return name;
}

/** What is said of one side. What is typed for both goes before what the environment says of one. */
function side(options: OptionValues, prefix: "src" | "dst"): SideOptions {
  const isBelow = (name: string) =>
    options.origin(name) === `--${name}` && options.origin(`${prefix}-${name}`) !== `--${prefix}-${name}`;
  const value = (name: string) => isBelow(name) ? undefined : options.value(`${prefix}-${name}`);
  return {
    endpoint: isBelow("endpoint") ? undefined : endpoint(options, `${prefix}-endpoint`),
    region: value("region"),
    profile: value("profile"),
    plainHttp: isBelow("plain-http") ? undefined : switched(options, `${prefix}-plain-http`),
  };
}

/** A switch that may have been left alone. */
function switched(options: OptionValues, name: string): boolean | undefined {
  return options.origin(name) === undefined ? undefined : options.flag(name);
}

function bucketDefaults(settings: PlaceSettings): BucketDefaults {
  const { origin } = settings;
  const storageClass = settings.value("storage-class");
  if (storageClass !== undefined) checkStorageClass(storageClass, `storage-class in ${origin}`);
  return {
    endpoint: checkedEndpoint(settings.value("endpoint"), `endpoint in ${origin}`),
    region: settings.value("region"),
    profile: settings.value("profile"),
    storageClass,
    sseKmsKeyId: settings.value("sse-kms-key-id"),
    concurrentBlobs: concurrency(settings.value("concurrency"), `concurrency in ${origin}`),
  };
}

function registryDefaults(settings: PlaceSettings): RegistryDefaults {
  const plainHttp = settings.value("plain-http");
  return {
    profile: settings.value("profile"),
    plainHttp: plainHttp === undefined ? undefined : plainHttp === "true",
    concurrentBlobs: concurrency(settings.value("concurrency"), `concurrency in ${settings.origin}`),
  };
}

function endpoint(options: OptionValues, name: string): string | undefined {
  return checkedEndpoint(options.value(name), options.origin(name) ?? name);
}

/** `name` says in the error where it stands. */
function checkedEndpoint(text: string | undefined, name: string): string | undefined {
  if (text === undefined) return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  keepSecret(url?.password);
  if (!url || !/^https?:$/.test(url.protocol) || url.host === "") {
    throw new ImageError("usage", `Invalid ${name} "${text}": expected an http or https URL`);
  }
  return text;
}

/** Standard input as a reader, for an archive that comes that way. */
function stdinReader(): BlobReader & { readonly isTerminal: boolean } {
  return {
    get isTerminal() {
      return Deno.stdin.isTerminal();
    },
    async read(into) {
      return into.subarray(0, await whenReady(() => Deno.stdin.read(into)) ?? 0);
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

function compression(options: OptionValues): CompressionOptions {
  const kind = options.value("compression") as CompressionOptions["compression"];
  const text = options.value("compression-level");
  if (text === undefined) return { compression: kind };
  const level = Number(text);
  const highest = kind === "gzip" ? 9 : 19;
  if (kind === "none" || !Number.isInteger(level) || level < 1 || level > highest) {
    throw new ImageError(
      "usage",
      `Invalid --compression-level "${text}": ${
        kind === "none" ? "nothing is compressed" : `expected 1 to ${highest}`
      }`,
    );
  }
  return { compression: kind, level };
}

function concurrency(text: string | undefined, name = "--concurrency"): number | undefined {
  if (text === undefined) return undefined;
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1 || number > 64) {
    throw new ImageError("usage", `Invalid ${name} "${text}": expected 1 to 64`);
  }
  return number;
}
