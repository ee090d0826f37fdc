import { listDelimiter } from "../bytes/file_paths.ts";
import { ImageError, messageOf } from "../errors.ts";
import { loadRuntimeAuthorities, makeRuntimeClient } from "./runtime_clients.ts";

/** A file of certificate authorities, and who named it. */
export interface CaFile {
  readonly path: string;
  /** The option or variable, for messages. */
  readonly from: string;
}

/** Where certificate authorities are found, and who hears of entries that are left out. */
export interface CaSources {
  readonly files: readonly CaFile[];
  /** Folders of PEM files, as SSL_CERT_DIR names them. Those that are not there, and other files in them, don't matter. */
  readonly folders?: readonly string[];
  readonly log?: ((line: string) => void) | undefined;
}

/** Largest file that is read from a folder of certificates. */
const MAX_FILE_BYTES = 4 * 1024 * 1024;

/**
 * What the environment names: SSL_CERT_FILE, SSL_CERT_DIR, and what `variables` names beside them. `os` as `Deno.build.os`
 * names it.
 */
export function environmentSources(
  env: (name: string) => string | undefined,
  variables: readonly string[] = [],
  os: string = Deno.build.os,
): { readonly files: readonly CaFile[]; readonly folders: readonly string[] } {
  const files = ["SSL_CERT_FILE", ...variables].flatMap((from) => {
    const path = env(from);
    return path ? [{ path, from }] : [];
  });
  return { files, folders: (env("SSL_CERT_DIR") ?? "").split(listDelimiter(os)).filter(Boolean) };
}

/**
 * The certificate authorities of files and folders, each as one PEM text, none twice.
 *
 * Entries that are no certificates are left out, as OpenSSL and Go do, with a line in the log. Throws `usage` when a file
 * cannot be read or holds no certificate at all.
 */
export async function readCaCertificates(sources: CaSources): Promise<readonly string[]> {
  const { files, folders = [], log } = sources;
  const fromFiles = await Promise.all(files.map((file) => readFile(file, log)));
  const fromFolders = await Promise.all(folders.map((folder) => readFolder(folder, log)));
  return [...new Set([...fromFiles.flat(), ...fromFolders.flat()])];
}

/** The certificates among the entries of a PEM text. */
export function certificatesIn(text: string, path: string, log?: (line: string) => void): readonly string[] {
  loadRuntimeAuthorities(); // what fails there is no fault of these
  const entries = text.match(/-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----/g) ?? [];
  if (isTaken(entries)) return entries;
  return entries.filter((entry, index) => {
    if (isTaken([entry])) return true;
    log?.(`Entry ${index + 1} of ${entries.length} in "${path}" is no certificate; it is left out`);
    return false;
  });
}

async function readFile({ path, from }: CaFile, log: CaSources["log"]): Promise<readonly string[]> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotCapable) throw cause;
    throw new ImageError(
      "usage",
      `Cannot read CA certificates "${path}" (${from}): ${messageOf(cause).split("\n")[0]}`,
      { cause, hint: `Name a readable PEM file with ${from}` },
    );
  }
  const found = certificatesIn(text, path, log);
  if (found.length > 0) return found;
  const isPem = text.includes("-----BEGIN CERTIFICATE-----");
  const why = isPem ? "none of its entries is a certificate" : "it holds no PEM certificate";
  throw new ImageError("usage", `Cannot read CA certificates "${path}" (${from}): ${why}`, {
    hint: isPem
      ? "Get the certificate anew: this one is damaged or cut off"
      : "Convert it with: openssl x509 -inform der -in FILE -out FILE.pem",
  });
}

async function readFolder(folder: string, log: CaSources["log"]): Promise<readonly string[]> {
  const found: string[] = [];
  try {
    for await (const { name } of Deno.readDir(folder)) {
      const path = `${folder}/${name}`;
      const info = await Deno.stat(path).catch(() => undefined);
      if (!info?.isFile || info.size > MAX_FILE_BYTES) continue;
      const text = await Deno.readTextFile(path).catch(() => "");
      found.push(...certificatesIn(text, path, log));
    }
  } catch (error) {
    log?.(`Cannot read the certificates in "${folder}": ${messageOf(error)}`);
  }
  return found;
}

/** Whether the runtime takes all of these: it tells only by taking them. */
function isTaken(certificates: readonly string[]): boolean {
  try {
    makeRuntimeClient({ caCerts: [...certificates] }).close();
    return true;
  } catch {
    return false;
  }
}
