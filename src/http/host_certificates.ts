import { ImageError, messageOf } from "../errors.ts";
import { certificatesIn } from "./ca_certificates.ts";
import type { Trust } from "./trust.ts";

/** What is read of the machine. */
export interface HostCertificatesOptions {
  readonly env?: (name: string) => string | undefined;
  readonly log?: ((line: string) => void) | undefined;
}

/** The folders in which Docker and podman look for a registry's certificates, most general first. */
export function certificateFolders(env: (name: string) => string | undefined): readonly string[] {
  const home = env("HOME") || env("USERPROFILE") || undefined;
  const config = env("XDG_CONFIG_HOME") || (home === undefined ? undefined : `${home}/.config`);
  return [
    "/etc/docker/certs.d",
    "/etc/containers/certs.d",
    ...(home === undefined ? [] : [`${home}/.docker/certs.d`]),
    ...(config === undefined ? [] : [`${config}/docker/certs.d`, `${config}/containers/certs.d`]),
  ];
}

/**
 * What Docker's `certs.d/<host>` holds for a registry: authorities in `*.crt`, a client certificate in `*.cert` with its
 * key in `*.key`. Undefined when there is nothing.
 *
 * Throws `usage` for a client certificate without its key, or one that cannot be read: Docker refuses it too.
 */
export async function readHostCertificates(
  host: string,
  options: HostCertificatesOptions = {},
): Promise<Trust | undefined> {
  const { env = (name) => Deno.env.get(name), log } = options;
  const authorities: string[] = [];
  let clientCertificate: Trust["clientCertificate"];
  for (const base of certificateFolders(env)) {
    for (const name of namesOf(host)) {
      const folder = `${base}/${name}`;
      const files = await filesOf(folder, log);
      for (const file of files.filter((each) => each.endsWith(".crt"))) {
        const path = `${folder}/${file}`;
        authorities.push(...certificatesIn(await read(path), path, log));
      }
      for (const file of files.filter((each) => each.endsWith(".cert"))) {
        const key = `${file.slice(0, -".cert".length)}.key`;
        if (!files.includes(key)) {
          throw new ImageError(
            "usage",
            `Cannot use the client certificate "${folder}/${file}": "${key}" is not there`,
            {
              hint: `Put the key beside it, or rename an authority's certificate to end in .crt`,
            },
          );
        }
        clientCertificate = { cert: await read(`${folder}/${file}`), key: await read(`${folder}/${key}`) };
      }
    }
  }
  return authorities.length > 0 || clientCertificate ? { authorities, clientCertificate } : undefined;
}

/** What a host may be called there: with the port of https, and as references name it. */
function namesOf(host: string): readonly string[] {
  if (!/^[\w.:[\]-]+$/.test(host) || host.startsWith(".")) return [];
  const hub = host === "registry-1.docker.io" ? ["docker.io"] : [];
  return [host, ...(/:\d+$/.test(host) ? [] : [`${host}:443`]), ...hub];
}

async function filesOf(folder: string, log: HostCertificatesOptions["log"]): Promise<readonly string[]> {
  try {
    const entries = await Array.fromAsync(Deno.readDir(folder));
    return entries.filter((entry) => !entry.isDirectory).map((entry) => entry.name).sort();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) log?.(`Cannot read "${folder}": ${messageOf(error)}`);
    return [];
  }
}

async function read(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (cause) {
    throw new ImageError("usage", `Cannot read "${path}": ${messageOf(cause).split("\n")[0]}`, { cause });
  }
}
