/** A certificate authority for the services that speak TLS, made with openssl once for each run. */
import { makeCertificate } from "../../tests/support/certificates.ts";

/** Paths of PEM files. */
export interface CertificateFiles {
  /** The authority's certificate. */
  readonly ca: string;
  /** A certificate of it for this machine. */
  readonly cert: string;
  readonly key: string;
}

const made = new Map<string, Promise<CertificateFiles>>();

/** The certificates in a folder, made when they are asked for first. */
export function certificatesIn(folder: string): Promise<CertificateFiles> {
  const known = made.get(folder) ?? make(folder);
  made.set(folder, known);
  return known;
}

async function make(folder: string): Promise<CertificateFiles> {
  await Deno.mkdir(folder, { recursive: true });
  const texts = await makeCertificate();
  const at = (name: string) => `${folder}/${name}.pem`;
  for (const name of ["ca", "cert", "key"] as const) await Deno.writeTextFile(at(name), texts[name]);
  return { ca: at("ca"), cert: at("cert"), key: at("key") };
}
