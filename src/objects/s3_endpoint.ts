import { type AwsConfig, type Environment, namedProfile } from "./aws_config.ts";
import { escapeUri } from "./s3_sign.ts";

/** Where requests go, and what they are signed for. */
export interface S3Address {
  readonly url: URL;
  readonly region: string;
  readonly service: string;
}

/** Which address is asked for. */
export interface AddressQuestion {
  /** Absent for the service itself. */
  readonly bucket?: string | undefined;
  readonly region: string;
  readonly endpoint?: string | undefined;
  readonly isPathStyle?: boolean;
}

/** Regions of the partition whose hosts end in `amazonaws.com` and have no other peculiarity. */
const PLAIN_REGION = /^(?:af|ap|ca|eu|il|me|mx|sa|us)-[a-z]+-\d+$/;

/** What other servers call their regions; some names mean something else to AWS's rules. */
const SIGNED_REGION = /^(?!aws-global$|fips-|.*-fips$)[A-Za-z0-9][A-Za-z0-9-]{0,62}$/;

/** What goes in front of a host; two hyphens mark buckets of kinds that have hosts of their own. */
const HOST_BUCKET = /^(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/;

/** What goes into a path whatever it is. */
const PATH_BUCKET = /^(?!.*--)[A-Za-z0-9][\w.-]{1,61}[A-Za-z0-9]$/;

/**
 * The address of a plain case: a server with the bucket in the path, or AWS itself in an ordinary region. Undefined for all
 * others, which AWS's own rules have to tell, and where the configuration asks for FIPS or dual-stack hosts.
 */
export function plainAddress({ bucket, region, endpoint, isPathStyle }: AddressQuestion): S3Address | undefined {
  const signing = { region, service: "s3" };
  if (endpoint !== undefined) {
    const isPlain = isPathStyle && bucket !== undefined && PATH_BUCKET.test(bucket) && SIGNED_REGION.test(region);
    return isPlain ? { url: new URL(`${endpoint}/${escapeUri(bucket)}`), ...signing } : undefined;
  }
  if (isPathStyle || !PLAIN_REGION.test(region)) return undefined;
  const host = `s3.${region}.amazonaws.com`;
  if (bucket === undefined) return { url: new URL(`https://${host}/`), ...signing };
  return HOST_BUCKET.test(bucket) ? { url: new URL(`https://${bucket}.${host}/`), ...signing } : undefined;
}

/** Whether the environment or the profile has anything to say on FIPS and dual-stack hosts. */
export function wantsSpecialHosts(config: AwsConfig, profile: string | undefined, env: Environment): boolean {
  const section = config.get(namedProfile(profile, env) ?? "default");
  return ["use_fips_endpoint", "use_dualstack_endpoint"].some((name) =>
    [env(`AWS_${name.toUpperCase()}`), section?.get(name)].some((value) => value !== undefined && value !== "false")
  );
}
