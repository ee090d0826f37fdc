import { ImageError } from "../errors.ts";
import type { HttpOptions } from "../http/message.ts";
import { readDockerContext, selectedContext } from "./docker_context.ts";
import { dockerConfigFolder, type EngineHost } from "./engine_host.ts";
import { type ClientTls, readTlsFolder } from "./tls_files.ts";

/** A way to a daemon: everything that a client needs for its requests. */
export interface EngineConnection {
  /** The address as it may be shown, for example `unix:///var/run/docker.sock`. */
  readonly address: string;
  /** Who named the address, for example `DOCKER_HOST` or `context "desktop-linux"`; "default" for a usual socket. */
  readonly origin: string;
  /** What request paths are appended to; without a slash at its end. */
  readonly baseUrl: string;
  /** Socket and certificates. */
  readonly http: HttpOptions;
}

/** Settings of a search beyond the machine itself. */
export interface FindConnectionOptions {
  /** An address that the user gave (`--docker-host`); it goes before everything else. */
  readonly dockerHost?: string | undefined;
}

/**
 * The address that was chosen for the daemon by the user or a setting; undefined when nobody chose one.
 *
 * In this order, as Docker's own client does: `--docker-host`, `DOCKER_HOST`, the context in `DOCKER_CONTEXT`, the
 * `currentContext` of Docker's `config.json`. Addresses are `unix://`, `tcp://`, `http://` and `https://`;
 * `DOCKER_TLS_VERIFY` and `DOCKER_CERT_PATH` (`ca.pem`, `cert.pem`, `key.pem`; default: Docker's settings folder) turn
 * `tcp://` into TLS.
 *
 * Throws `unsupported` for `ssh://` and `npipe://`, `invalid-reference` for an address that cannot be read, `not-found`
 * for a context or certificate that is not there, `invalid-input` for one that cannot be read.
 */
export async function chosenConnection(
  host: EngineHost,
  options: FindConnectionOptions = {},
): Promise<EngineConnection | undefined> {
  if (options.dockerHost) return addressConnection(options.dockerHost, "--docker-host", await environmentTls(host));
  const fromEnvironment = host.env("DOCKER_HOST");
  if (fromEnvironment) return addressConnection(fromEnvironment, "DOCKER_HOST", await environmentTls(host));
  const name = await selectedContext(host);
  if (name === undefined) return undefined;
  const context = await readDockerContext(host, name);
  return addressConnection(context.address, `context "${name}"`, context.tls);
}

/** The connection for an address as people write it. Throws as {@linkcode chosenConnection} does. */
export function addressConnection(address: string, origin: string, tls?: ClientTls): EngineConnection {
  const [, scheme = "", rest = ""] = /^([a-z]+):\/\/(.*)$/.exec(address) ?? [];
  const named = { address: withoutPassword(address), origin };
  if (scheme === "unix") {
    if (!rest.startsWith("/")) throw invalidAddress(named, "expected a full path after unix://");
    return { ...named, baseUrl: "http://localhost", http: { unixSocket: rest } };
  }
  if (scheme === "tcp" || scheme === "http" || scheme === "https") {
    const secure = scheme === "https" || (scheme === "tcp" && tls !== undefined);
    return { ...named, baseUrl: tcpBaseUrl(named, rest, secure), http: secure ? tlsOptions(tls) : {} };
  }
  if (scheme === "ssh") {
    throw new ImageError(
      "unsupported",
      `Cannot use the daemon at "${named.address}" (${origin}): no ssh:// addresses`,
      {
        hint: "Forward its socket with ssh -L /tmp/docker.sock:/var/run/docker.sock HOST and use " +
          "--docker-host unix:///tmp/docker.sock, or pipe: s3lo pull REF -f - | ssh HOST docker load",
      },
    );
  }
  if (scheme === "npipe") {
    throw new ImageError("unsupported", `Cannot use the daemon at "${named.address}" (${origin}): no named pipes`, {
      hint: "Run s3lo inside WSL, give a tcp:// address with --docker-host, or write an archive with --file",
    });
  }
  throw invalidAddress(named, "expected unix://, tcp://, http:// or https://");
}

/** The certificates that the environment asks for; undefined when it asks for no TLS. */
async function environmentTls(host: EngineHost): Promise<ClientTls | undefined> {
  const verify = host.env("DOCKER_TLS_VERIFY") !== undefined;
  if (!verify && host.env("DOCKER_TLS") === undefined) return undefined;
  const folder = host.env("DOCKER_CERT_PATH") ?? dockerConfigFolder(host);
  return await readTlsFolder(host, folder, { verify, mustExist: host.env("DOCKER_CERT_PATH") !== undefined });
}

function tlsOptions(tls: ClientTls | undefined): HttpOptions {
  if (!tls) return {};
  const { certificate, authorities, verify } = tls;
  return {
    ...(authorities.length > 0 ? { caCertificates: authorities } : {}),
    ...(certificate ? { clientCertificate: certificate } : {}),
    ...(verify ? {} : { insecure: true }),
  };
}

function tcpBaseUrl(named: { address: string; origin: string }, rest: string, secure: boolean): string {
  const text = `${secure ? "https" : "http"}://${rest}`;
  if (rest === "" || !URL.canParse(text)) throw invalidAddress(named, "expected a host and port");
  const url = new URL(text);
  if (url.username !== "" || url.search !== "" || url.hash !== "") {
    throw invalidAddress(named, "expected only a host, a port and a path");
  }
  const isBare = !/:\d+$/.test(rest.split("/")[0] ?? "") && named.address.startsWith("tcp:");
  if (isBare) url.port = secure ? "2376" : "2375";
  return url.href.replace(/\/+$/, "");
}

function invalidAddress(named: { address: string; origin: string }, why: string): ImageError {
  return new ImageError("invalid-reference", `Invalid daemon address "${named.address}" (${named.origin}): ${why}`);
}

function withoutPassword(address: string): string {
  return address.replace(/\/\/[^/@]*@/, "//").slice(0, 300);
}
