/** A private registry of Amazon ECR, as its host tells. */
export interface EcrHost {
  readonly region: string;
  readonly isFips: boolean;
}

const HOSTS = [
  /^\d{12}\.dkr\.ecr(?<fips>-fips)?\.(?<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?$/,
  /^\d{12}\.dkr-ecr(?<fips>-fips)?\.(?<region>[a-z0-9-]+)\.on\.(?:aws|amazonwebservices\.com\.cn)$/,
];

/** Reads the host of a private ECR registry; undefined for any other host (`public.ecr.aws` needs no login). */
export function parseEcrHost(registry: string): EcrHost | undefined {
  for (const pattern of HOSTS) {
    const groups = pattern.exec(registry)?.groups;
    if (groups?.["region"]) return { region: groups["region"], isFips: groups["fips"] !== undefined };
  }
  return undefined;
}
