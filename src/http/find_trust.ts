import { type CaFile, environmentSources, readCaCertificates } from "./ca_certificates.ts";
import { readHostCertificates } from "./host_certificates.ts";
import type { Trust } from "./trust.ts";

/** Where trust beyond the runtime's own comes from. */
export interface TrustSources {
  /** Files that the user named. */
  readonly files: readonly CaFile[];
  /** Variables that name a file, beside SSL_CERT_FILE. */
  readonly variables?: readonly string[];
  /** Whether Docker's `certs.d/<host>` counts. */
  readonly hostCertificates?: boolean;
  readonly env?: (name: string) => string | undefined;
  readonly log?: ((line: string) => void) | undefined;
}

/**
 * Tells whom to trust on a host. Files are read when the first connection with TLS is made: without one, a file that is
 * missing does not matter.
 */
export function trustFinder(sources: TrustSources): (host: string) => Promise<Trust> {
  const { env = (name) => Deno.env.get(name), log } = sources;
  let common: Promise<Trust> | undefined;
  const readCommon = async () => {
    const { files, folders } = environmentSources(env, sources.variables);
    return { authorities: await readCaCertificates({ files: [...sources.files, ...files], folders, log }) };
  };
  return async (host) => {
    const [everywhere, own] = await Promise.all([
      common ??= readCommon(),
      sources.hostCertificates ? readHostCertificates(host, { env, log }) : undefined,
    ]);
    if (!own) return everywhere;
    return { ...own, authorities: [...everywhere.authorities, ...own.authorities] };
  };
}
