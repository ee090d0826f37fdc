/** A throw-away certificate authority for one test run, made with openssl. */
import { programPath } from "./services.ts";

/** A certificate for 127.0.0.1, localhost and registry.test, its key and its authority; PEM texts. */
export interface TestCertificate {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** Whether {@linkcode makeCertificate} works here, or has to. */
export const certificatesExpected: boolean = programPath("openssl") !== undefined || Deno.env.get("CI") === "true";

/** Makes an authority and a certificate of it for a server on this machine. */
export async function makeCertificate(): Promise<TestCertificate> {
  const folder = await Deno.makeTempDir({ prefix: "s3lo-cert-" });
  try {
    const at = (name: string) => `${folder}/${name}.pem`;
    const request = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30"];
    await openssl([...request, "-subj", "/CN=s3lo test CA", "-keyout", at("ca-key"), "-out", at("ca")]);
    await openssl([
      ...request,
      ...["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,DNS:registry.test,IP:127.0.0.1"],
      ...["-addext", "basicConstraints=critical,CA:FALSE", "-CA", at("ca"), "-CAkey", at("ca-key")],
      ...["-keyout", at("key"), "-out", at("cert")],
    ]);
    const [ca, cert, key] = await Promise.all(["ca", "cert", "key"].map((name) => Deno.readTextFile(at(name))));
    return { ca: ca!, cert: cert!, key: key! };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Makes a server's certificate as `openssl req -x509` makes it by default: it may sign others too (`CA:TRUE`). */
export async function makeSelfSigned(subjectAltName: string): Promise<{ readonly cert: string; readonly key: string }> {
  const folder = await Deno.makeTempDir({ prefix: "s3lo-cert-" });
  try {
    const [cert, key] = [`${folder}/cert.pem`, `${folder}/key.pem`];
    const request = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=server"];
    await openssl([...request, "-addext", `subjectAltName=${subjectAltName}`, "-keyout", key, "-out", cert]);
    return { cert: await Deno.readTextFile(cert), key: await Deno.readTextFile(key) };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function openssl(args: readonly string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("openssl", { args: [...args], stdout: "null" }).output();
  if (!success) throw new Error(`openssl failed: ${new TextDecoder().decode(stderr)}`);
}
