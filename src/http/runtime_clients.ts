/**
 * What the runtime reads by itself when a client is made: proxies, in a way of its own that knows no ports in NO_PROXY and
 * sends what is for this machine to a proxy too; and, where DENO_TLS_CA_STORE says `system`, files of certificates that
 * s3lo reads too, without which no client could be made if they are missing.
 */
const VARIABLES = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"].flatMap((name) => [name, name.toLowerCase()])
  .concat("SSL_CERT_FILE", "SSL_CERT_DIR");

/** Makes a client of the runtime's that follows its options alone and nothing in the environment. */
export function makeRuntimeClient(
  options: Deno.CreateHttpClientOptions | (Deno.CreateHttpClientOptions & Deno.TlsCertifiedKeyPem),
): Deno.HttpClient {
  const before = VARIABLES.flatMap((name) => {
    const value = Deno.env.get(name);
    return value === undefined ? [] : [[name, value] as const];
  });
  try {
    for (const [name] of before) Deno.env.delete(name);
    return Deno.createHttpClient(options);
  } finally {
    for (const [name, value] of before) Deno.env.set(name, value);
  }
}

let isLoaded = false;

/** Has the runtime load its certificate authorities, which it does once, before other connections with TLS need them. */
export function loadRuntimeAuthorities(): void {
  if (isLoaded) return;
  makeRuntimeClient({}).close();
  isLoaded = true;
}
