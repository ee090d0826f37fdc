import { ImageError, messageOf } from "../errors.ts";

/**
 * The certificate authorities to trust beside the runtime's own, as PEM texts: the files given, and the one that
 * `SSL_CERT_FILE` names.
 *
 * Throws `usage` when a file cannot be read or holds no certificate.
 */
export async function readCaCertificates(
  files: readonly string[],
  env: (name: string) => string | undefined = (name) => Deno.env.get(name),
): Promise<readonly string[]> {
  const fromEnvironment = env("SSL_CERT_FILE");
  return await Promise.all([...files, ...fromEnvironment ? [fromEnvironment] : []].map(readPem));
}

async function readPem(path: string): Promise<string> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (cause) {
    throw new ImageError("usage", `Cannot read CA certificates "${path}": ${messageOf(cause).split("\n")[0]}`, {
      cause,
    });
  }
  if (!text.includes("-----BEGIN CERTIFICATE-----")) {
    throw new ImageError("usage", `Cannot read CA certificates "${path}": it holds no PEM certificate`);
  }
  return text;
}
