/** A certificate authority for the services that speak TLS, made with openssl once for each run. */
import { capture } from "./run.ts";

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
  const at = (name: string) => `${folder}/${name}.pem`;
  const request = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30"];
  await openssl([...request, "-subj", "/CN=s3lo services", "-keyout", at("ca-key"), "-out", at("ca")]);
  await openssl([
    ...request,
    ...["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
    ...["-addext", "basicConstraints=critical,CA:FALSE", "-CA", at("ca"), "-CAkey", at("ca-key")],
    ...["-keyout", at("key"), "-out", at("cert")],
  ]);
  return { ca: at("ca"), cert: at("cert"), key: at("key") };
}

async function openssl(args: readonly string[]): Promise<void> {
  const { success, text } = await capture("openssl", args);
  if (!success) throw new Error(`openssl failed: ${text}`);
}
