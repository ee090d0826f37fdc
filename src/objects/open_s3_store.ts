import type { Wait } from "../bytes/retry.ts";
import { ImageError } from "../errors.ts";
import { checkAwsVariables } from "../http/aws_variables.ts";
import type { HttpClient } from "../http/client.ts";
import { type AwsConfig, checkProfile, configuredEndpoint, namedProfile, readAwsConfig } from "./aws_config.ts";
import { AwsSdk } from "./aws_sdk.ts";
import { S3Connection } from "./s3_connection.ts";
import { S3Credentials } from "./s3_credentials.ts";
import { type AddressQuestion, plainAddress, wantsSpecialHosts } from "./s3_endpoint.ts";
import { S3Store } from "./s3_store.ts";

/** How a bucket is opened. */
export interface S3StoreOptions {
  readonly bucket: string;
  /** Address of an S3-compatible server; default AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, the profile's, else AWS. */
  readonly endpoint?: string | undefined;
  /** Default AWS_REGION, AWS_DEFAULT_REGION, the profile's, else the bucket's own, asked for. */
  readonly region?: string | undefined;
  /** Default AWS_PROFILE. */
  readonly profile?: string | undefined;
  /**
   * Storage class for blobs, which the server must take. Default INTELLIGENT_TIERING on AWS where it is known, none
   * elsewhere.
   */
  readonly storageClass?: string | undefined;
  /** Id, ARN or alias of the KMS key that what is written gets encrypted with. */
  readonly sseKmsKeyId?: string | undefined;
  /** Carries every request; stays the caller's. */
  readonly http: HttpClient;
  readonly log?: ((line: string) => void) | undefined;
  /** Stops every operation of the store. */
  readonly signal?: AbortSignal | undefined;
  /** How many parts of all uploads together may be in memory. Default 7. */
  readonly concurrency?: number | undefined;
  /** Size of a part; blobs of up to two go in one request. Default 8 MiB; S3 takes no less than 5 MiB. */
  readonly partBytes?: number | undefined;
  /** Largest object copied in one request. Default, and S3's limit, 5 GiB. */
  readonly copyLimitBytes?: number | undefined;
  /** Size of the parts in which larger ones are copied. Default 512 MiB. */
  readonly copyPartBytes?: number | undefined;
  /** Wait before the first retry. Default 500. */
  readonly retryDelayMs?: number | undefined;
  /** Told of every wait before another try. */
  readonly onWait?: ((wait: Wait) => void) | undefined;
  /** Told of an upload that was cut off and whose parts stay for the next run: the object's key, bytes stored. */
  readonly onKept?: ((key: string, storedBytes: number) => void) | undefined;
}

/** Where AWS says in which region a bucket is, whatever its region. */
const ANY_REGION = "us-east-1";

/** Hosts of AWS itself: regional, FIPS, dual-stack and accelerated ones, and those of private links. */
const AWS_HOST = /\.amazonaws\.(?:com(?:\.cn)?|eu)$/;

/** A region in a host of AWS, as one of its labels. */
const REGION_LABEL = /^[a-z]{2,}(?:-[a-z]+)+-\d+$/;

/**
 * Opens a bucket as an object store. Nothing is sent, unless the region has to be found; credentials are plain
 * keys, or come from the SDK's whole chain. Several stores may have different endpoints, regions and profiles.
 *
 * Throws `not-found` when the region is asked for and there is no such bucket, `invalid-reference` when the endpoint is no
 * address, `unauthorized` when there is no such profile.
 */
export async function openS3Store(options: S3StoreOptions): Promise<S3Store> {
  checkAwsVariables(environment);
  const config = await readAwsConfig(environment);
  checkProfile(config, options.profile, environment);
  const endpoint = normalEndpoint(options.endpoint ?? configuredEndpoint(config, options.profile, environment));
  const isAws = endpoint === undefined || AWS_HOST.test(new URL(endpoint).hostname);
  const { profile } = options;
  const hasSpecialHosts = wantsSpecialHosts(config, profile, environment);
  let connection: S3Connection | undefined = undefined;
  const regionInUse = () => connection?.region ?? ANY_REGION;
  const sdk = new AwsSdk({ profile, http: options.http, log: options.log, region: regionInUse });
  const addressOf = async (question: AddressQuestion) =>
    (hasSpecialHosts ? undefined : plainAddress(question)) ?? await sdk.address(question);
  const region = options.region ?? environment("AWS_REGION") ?? environment("AWS_DEFAULT_REGION") ??
    await profileRegion(config, profile, sdk) ??
    await foundRegion(options, endpoint, addressOf);
  connection = new S3Connection({
    bucket: options.bucket,
    endpoint,
    isAws,
    region,
    profile: namedProfile(profile, environment),
    credentials: new S3Credentials(config, profile, environment, sdk),
    addressOf,
    close: () => sdk.close(),
    http: options.http,
    log: options.log,
    signal: options.signal,
    retryDelayMs: options.retryDelayMs,
    onWait: options.onWait,
  });
  return new S3Store(connection, {
    storageClass: options.storageClass ?? (isAws ? "INTELLIGENT_TIERING" : undefined),
    isClassFixed: options.storageClass !== undefined,
    sseKmsKeyId: options.sseKmsKeyId,
    partBytes: options.partBytes ?? 8 * 1024 * 1024,
    partsInMemory: options.concurrency ?? 7,
    copyLimitBytes: options.copyLimitBytes ?? 5 * 1024 ** 3,
    copyPartBytes: options.copyPartBytes ?? 512 * 1024 ** 2,
    onKept: options.onKept,
  });
}

/** An endpoint in one spelling, so that two can be compared. */
function normalEndpoint(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const url = /^https?:\/\/[^/]/.test(text) && URL.canParse(text) ? new URL(text) : undefined;
  if (!url) {
    throw new ImageError("invalid-reference", `Invalid endpoint "${text}": expected http:// or https://`, {
      hint: "Write --endpoint https://host[:port]",
    });
  }
  if (url.username !== "" || url.password !== "") {
    throw new ImageError("invalid-reference", `Invalid endpoint "${url.origin}": it holds a user name or password`, {
      hint: "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile, and leave them out of the endpoint",
    });
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, "")}`;
}

/** The region of the profile in use. */
async function profileRegion(
  config: AwsConfig,
  profile: string | undefined,
  sdk: AwsSdk,
): Promise<string | undefined> {
  const hasHome = ["HOME", "USERPROFILE", "AWS_CONFIG_FILE"].some((name) => environment(name) !== undefined);
  // The SDK asks the system where the home is.
  if (!hasHome) return await sdk.configuredRegion();
  return config.get(namedProfile(profile, environment) ?? "default")?.get("region") || undefined;
}

/** The region of the endpoint's name, or of the bucket, asked for. */
async function foundRegion(
  options: S3StoreOptions,
  endpoint: string | undefined,
  addressOf: (question: AddressQuestion) => Promise<{ readonly url: URL }>,
): Promise<string> {
  if (endpoint !== undefined) {
    const { hostname } = new URL(endpoint);
    const label = AWS_HOST.test(hostname) && hostname.split(".").find((each) => REGION_LABEL.test(each));
    return label || ANY_REGION;
  }
  return await bucketRegion(options, (await addressOf({ region: ANY_REGION })).url.origin);
}

/** Asks AWS where a bucket is; every answer tells, also one that denies. */
async function bucketRegion(options: S3StoreOptions, origin: string): Promise<string> {
  const url = `${origin}/${encodeURIComponent(options.bucket)}`;
  const answer = await options.http.send({ method: "HEAD", url, signal: options.signal });
  await answer.discard();
  const region = answer.headers.get("x-amz-bucket-region");
  if (region) return region;
  if (answer.status === 404) {
    throw new ImageError("not-found", `Cannot open "s3://${options.bucket}": there is no such bucket`, {
      hint: "Check the bucket's name, or create the bucket first",
    });
  }
  return ANY_REGION;
}

function environment(name: string): string | undefined {
  return Deno.env.get(name) || undefined;
}
