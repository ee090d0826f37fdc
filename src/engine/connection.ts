import { clipped, ImageError } from "../errors.ts";
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
 * `currentContext` of Docker's `config.json`. Addresses are `unix://`, `tcp://` (or none), `http://` and `https://`;
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
  const fromEnvironment = host.env("DOCKER_HOST")?.trim();
  if (fromEnvironment) return addressConnection(fromEnvironment, "DOCKER_HOST", await environmentTls(host));
  const name = await selectedContext(host);
  if (name === undefined) return undefined;
  const context = await readDockerContext(host, name);
  return addressConnection(context.address, `context "${name}"`, context.tls);
}

/** How to reach Docker Desktop on Windows, whose own place is a named pipe. */
export const WITHOUT_PIPES =
  "Have Docker Desktop listen on tcp (Settings, General, Expose daemon) and pass --docker-host tcp://localhost:2375, run " +
  "s3lo inside WSL, or use an archive: --file image.tar";

/** Docker's own socket. */
const DOCKER_SOCKET = "/var/run/docker.sock";

/**
 * The connection for an address as people write it and Docker's client reads it: without a scheme it is one of tcp, and
 * what is left out (host, port, path of the socket) is Docker's default. Throws as {@linkcode chosenConnection} does.
 */
export function addressConnection(address: string, origin: string, tls?: ClientTls): EngineConnection {
  const { scheme, rest } = splitAddress(address);
  const named = { address: shownAddress(scheme, rest), origin };
  if (scheme === "unix") {
    const path = rest || DOCKER_SOCKET;
    if (!path.startsWith("/")) throw invalidAddress(named, "expected a full path after unix://");
    return { address: `unix://${path}`, origin, baseUrl: "http://localhost", http: { unixSocket: path } };
  }
  if (scheme === "tcp" || scheme === "http" || scheme === "https") {
    const secure = scheme === "https" || (scheme === "tcp" && tls !== undefined);
    const url = tcpBaseUrl(named, scheme === "tcp" ? withDefaultHost(rest) : rest, secure);
    return { ...named, baseUrl: url, http: secure ? tlsOptions(tls) : {} };
  }
  if (scheme === "ssh") {
    throw new ImageError(
      "unsupported",
      `Cannot use the daemon at "${named.address}" (${origin}): no ssh:// addresses`,
      {
        hint:
          `Forward its socket with ssh -nNT -L /tmp/docker.sock:${DOCKER_SOCKET} ${sshTarget(named.address)} and use ` +
          "--docker-host unix:///tmp/docker.sock, or pipe: s3lo pull REF -f - | ssh HOST docker load",
      },
    );
  }
  if (scheme === "npipe") {
    throw new ImageError("unsupported", `Cannot use the daemon at "${named.address}" (${origin}): no named pipes`, {
      hint: WITHOUT_PIPES,
    });
  }
  throw invalidAddress(named, "expected unix://, tcp://, http:// or https://");
}

function splitAddress(address: string): { readonly scheme: string; readonly rest: string } {
  const text = address.trim();
  const end = text.indexOf("://");
  // Docker would look for a server of this name; who writes a path means a socket.
  if (end < 0) return text.startsWith("/") ? { scheme: "", rest: text } : { scheme: "tcp", rest: text };
  return { scheme: text.slice(0, end), rest: text.slice(end + "://".length) };
}

/** Without a password; the user of an ssh address tells machines apart, elsewhere it may be a secret too. */
function shownAddress(scheme: string, rest: string): string {
  const shown = rest.replace(
    scheme === "ssh" ? /^([^/@:]*)(?::[^/@]*)?@/ : /^()[^/@]*@/,
    (_, user) => user && `${user}@`,
  );
  return clipped(scheme === "" ? shown : `${scheme}://${shown}`, 300);
}

/** What follows `ssh` on a command line: `-p 2222 me@host`. */
function sshTarget(address: string): string {
  const [, target = "HOST", port] = /^ssh:\/\/([^/]*?)(?::(\d+))?(?:\/|$)/.exec(address) ?? [];
  return port === undefined ? target || "HOST" : `-p ${port} ${target}`;
}

/** Docker's client means this machine where an address names no host. */
function withDefaultHost(rest: string): string {
  return rest === "" || /^[:/]/.test(rest) ? `localhost${rest}` : rest;
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
  return new ImageError("invalid-reference", `Invalid daemon address "${named.address}" (${named.origin}): ${why}`, {
    hint: named.address.startsWith("/") ? `Write it as unix://${named.address}` : undefined,
  });
}
