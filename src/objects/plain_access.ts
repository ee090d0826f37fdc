import type { S3Client } from "@aws-sdk/client-s3";
import type { S3Access, S3Base, S3Credentials, S3Sdk } from "./s3_access.ts";

/** What is known of a bucket before any configuration is read. */
export interface PlainPlace {
  readonly bucket: string;
  readonly endpoint: string | undefined;
  readonly profile: string | undefined;
}

/** Environment variables that make endpoints or credentials anything but plain. */
const SPECIAL_VARIABLES = [
  "AWS_PROFILE",
  "AWS_DEFAULT_PROFILE",
  "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
  "AWS_USE_FIPS_ENDPOINT",
  "AWS_USE_DUALSTACK_ENDPOINT",
  "AWS_CREDENTIAL_SCOPE",
];

/**
 * The identity that environment variables name, where nothing else can have a say: no profile, no configuration file, no
 * special kind of endpoint. Then the SDK would find the same, after loading for longer than a small command runs.
 */
export async function plainCredentials(place: PlainPlace): Promise<S3Credentials | undefined> {
  const accessKeyId = variable("AWS_ACCESS_KEY_ID");
  const secretAccessKey = variable("AWS_SECRET_ACCESS_KEY");
  if (accessKeyId === undefined || secretAccessKey === undefined || place.profile !== undefined) return undefined;
  if (SPECIAL_VARIABLES.some((name) => variable(name) !== undefined) || !isPlainBucket(place)) return undefined;
  if (await hasConfiguration()) return undefined;
  const sessionToken = variable("AWS_SESSION_TOKEN");
  return {
    accessKeyId,
    secretAccessKey,
    ...(sessionToken === undefined ? {} : { sessionToken }),
    $source: { CREDENTIALS_ENV_VARS: "g" },
  };
}

/** The endpoint that the environment names; for where {@linkcode plainCredentials} found an identity. */
export function plainEndpoint(): string | undefined {
  return variable("AWS_ENDPOINT_URL_S3") ?? variable("AWS_ENDPOINT_URL");
}

/** Whether a region's buckets have addresses of the usual form; those of China and of closed regions have not. */
export function isPlainRegion(region: string): boolean {
  return /^(?:af|ap|ca|eu|il|me|mx|sa|us)-(?!iso)[a-z]+-\d+$/.test(region);
}

/** Access by known credentials at a known address; the SDK is only loaded for calls that are made by it. */
export class PlainAccess implements S3Access {
  readonly #place: PlainPlace;
  readonly #credentials: S3Credentials;
  readonly #sdk: S3Access;

  /** `sdk` makes the calls that only the SDK knows. */
  constructor(place: PlainPlace, credentials: S3Credentials, sdk: S3Access) {
    this.#place = place;
    this.#credentials = credentials;
    this.#sdk = sdk;
  }

  credentials(): Promise<S3Credentials> {
    return Promise.resolve(this.#credentials);
  }

  async base(region: string): Promise<S3Base> {
    const { bucket, endpoint } = this.#place;
    if (endpoint !== undefined) {
      return { url: new URL(`${endpoint.replace(/\/+$/, "")}/${bucket}`), region, service: "s3" };
    }
    if (!isPlainRegion(region)) return await this.#sdk.base(region);
    return { url: new URL(`https://${bucket}.s3.${region}.amazonaws.com/`), region, service: "s3" };
  }

  async client(): Promise<{ readonly client: S3Client; readonly sdk: S3Sdk }> {
    return await this.#sdk.client();
  }

  close(): void {
    this.#sdk.close();
  }
}

/** Whether a bucket's name is part of its address as it is: no access points, no dots that certificates trip over. */
function isPlainBucket({ bucket, endpoint }: PlainPlace): boolean {
  return (endpoint === undefined ? /^[a-z0-9][a-z0-9-]+[a-z0-9]$/ : /^[a-z0-9][a-z0-9.-]+[a-z0-9]$/).test(bucket) &&
    !/--(?:x-s3|xa-s3|ol-s3|table-s3)$|-s3alias$/.test(bucket);
}

/** Whether there is a file that may set a region, an endpoint or anything else. */
async function hasConfiguration(): Promise<boolean> {
  const home = variable("HOME") ?? variable("USERPROFILE");
  const files = [
    variable("AWS_CONFIG_FILE") ?? (home && `${home}/.aws/config`),
    variable("AWS_SHARED_CREDENTIALS_FILE") ?? (home && `${home}/.aws/credentials`),
  ];
  for (const file of files) {
    if (file === undefined) return true; // the SDK knows other ways to find it
    try {
      await Deno.stat(file);
      return true;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) return true;
    }
  }
  return false;
}

function variable(name: string): string | undefined {
  return Deno.env.get(name) || undefined;
}
