import { ImageError } from "../errors.ts";
import { type EngineHost, readHostFile } from "./engine_host.ts";

/** The TLS material of a daemon, as PEM texts. */
export interface ClientTls {
  /** What the client shows; undefined where the folder holds none. */
  readonly certificate: { readonly cert: string; readonly key: string } | undefined;
  /** Who may have signed the server's certificate; empty means the system's authorities. */
  readonly authorities: readonly string[];
  /** Whether the server's certificate is checked. */
  readonly verify: boolean;
}

/** How {@linkcode readTlsFolder} reads. */
export interface ReadTlsOptions {
  readonly verify: boolean;
  /** Whether an empty folder is an error. */
  readonly mustExist: boolean;
}

/**
 * Reads `ca.pem`, `cert.pem` and `key.pem` of a folder; each may be missing, but a certificate needs its key.
 *
 * Throws `not-found` when nothing is there and something must be, `invalid-input` for half a pair.
 */
export async function readTlsFolder(
  host: EngineHost,
  folder: string | undefined,
  options: ReadTlsOptions,
): Promise<ClientTls> {
  const [authority, cert, key] = await Promise.all(
    ["ca.pem", "cert.pem", "key.pem"].map((name) => folder === undefined ? undefined : readText(host, folder, name)),
  );
  if (options.mustExist && !authority && !cert && !key) {
    throw new ImageError("not-found", `Cannot find the daemon's certificates in "${folder}"`, {
      hint: "Put ca.pem, cert.pem and key.pem there, or correct DOCKER_CERT_PATH",
    });
  }
  if ((cert === undefined) !== (key === undefined)) {
    const missing = cert === undefined ? "cert.pem" : "key.pem";
    throw new ImageError(
      "invalid-input",
      `Cannot use the daemon's certificates in "${folder}": "${missing}" is missing`,
    );
  }
  return {
    certificate: cert !== undefined && key !== undefined ? { cert, key } : undefined,
    authorities: authority === undefined ? [] : [authority],
    verify: options.verify,
  };
}

async function readText(host: EngineHost, folder: string, name: string): Promise<string | undefined> {
  const bytes = await readHostFile(host, `${folder}/${name}`);
  return bytes && new TextDecoder().decode(bytes);
}
