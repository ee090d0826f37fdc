import type { HttpClient } from "../http/client.ts";
import type { Wait } from "../bytes/retry.ts";
import { ImageError } from "../errors.ts";
import { S3Connection, type S3Modules } from "./s3_connection.ts";
import { type SdkHandler, sdkHandler } from "./s3_handler.ts";
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

/**
 * Opens a bucket as an object store. Nothing is sent, unless the region has to be found; credentials come from the SDK's
 * whole chain. Throws `not-found` when the region is asked for and there is no such bucket, `invalid-reference` when the
 * endpoint is no address.
 */
export async function openS3Store(options: S3StoreOptions): Promise<S3Store> {
  if (options.endpoint !== undefined && !/^https?:\/\/[^/]/.test(options.endpoint)) {
    throw new ImageError("invalid-reference", `Invalid endpoint "${options.endpoint}": expected http:// or https://`, {
      hint: "Write --endpoint https://host[:port]",
    });
  }
  const [sdk, signing] = await Promise.all([import("@aws-sdk/client-s3"), import("@smithy/signature-v4")]);
  // On some versions of the runtime the SDK uses what is deprecated there: nothing that users can act on.
  (globalThis.process as { noDeprecation?: boolean }).noDeprecation = true;
  const modules: S3Modules = { sdk, signing };
  const endpoint = options.endpoint ?? await configuredEndpoint(modules);
  const region = options.region ?? await configuredRegion(modules, options.profile) ??
    (endpoint === undefined ? await bucketRegion(options) : ANY_REGION);
  const connection = new S3Connection(
    {
      bucket: options.bucket,
      endpoint,
      region,
      profile: options.profile ?? environment("AWS_PROFILE"),
      http: options.http,
      log: options.log,
      signal: options.signal,
      retryDelayMs: options.retryDelayMs,
      onWait: options.onWait,
    },
    modules,
    (currentRegion) =>
      new sdk.S3Client({
        region: currentRegion,
        requestHandler: sdkHandler(options.http),
        requestChecksumCalculation: "WHEN_REQUIRED",
        responseChecksumValidation: "WHEN_REQUIRED",
        maxAttempts: 1,
        forcePathStyle: endpoint !== undefined,
        ...(endpoint === undefined ? {} : { endpoint }),
        ...(options.profile === undefined ? {} : { profile: options.profile }),
      }),
  );
  return new S3Store(connection, {
    storageClass: options.storageClass ?? (endpoint === undefined ? "INTELLIGENT_TIERING" : undefined),
    isClassFixed: options.storageClass !== undefined,
    sseKmsKeyId: options.sseKmsKeyId,
    partBytes: options.partBytes ?? 8 * 1024 * 1024,
    partsInMemory: options.concurrency ?? 7,
    copyLimitBytes: options.copyLimitBytes ?? 5 * 1024 ** 3,
    copyPartBytes: options.copyPartBytes ?? 512 * 1024 ** 2,
    onKept: options.onKept,
  });
}

/**
 * The endpoint that the environment or the profile names, found by looking where the SDK would send a request: it knows
 * all the ways to set one and tells only so.
 */
async function configuredEndpoint({ sdk }: S3Modules): Promise<string | undefined> {
  let seen: { protocol: string; hostname: string; port?: number; path: string } | undefined;
  const probe = {
    metadata: { handlerProtocol: "http/1.1" },
    handle(request: typeof seen) {
      seen = request;
      return Promise.resolve({ response: { statusCode: 200, headers: {}, body: undefined } });
    },
    destroy() {},
  };
  const client = new sdk.S3Client({
    region: ANY_REGION,
    credentials: { accessKeyId: "none", secretAccessKey: "none" },
    forcePathStyle: true,
    requestHandler: probe as unknown as SdkHandler,
  });
  await client.send(new sdk.HeadBucketCommand({ Bucket: "bucket" }));
  client.destroy();
  if (!seen || /\.amazonaws\.com(\.cn)?$/.test(seen.hostname)) return undefined;
  return `${seen.protocol}//${seen.hostname}${seen.port === undefined ? "" : `:${seen.port}`}${
    seen.path.replace(/\/bucket\/?$/, "")
  }`;
}

async function configuredRegion({ sdk }: S3Modules, profile: string | undefined): Promise<string | undefined> {
  const named = environment("AWS_REGION") ?? environment("AWS_DEFAULT_REGION");
  if (named !== undefined) return named;
  const client = new sdk.S3Client(profile === undefined ? {} : { profile });
  try {
    return await client.config.region();
  } catch {
    return undefined; // the SDK found none
  } finally {
    client.destroy();
  }
}

/** Asks AWS where a bucket is; every answer tells, also one that denies. */
async function bucketRegion(options: S3StoreOptions): Promise<string> {
  const url = `https://s3.${ANY_REGION}.amazonaws.com/${encodeURIComponent(options.bucket)}`;
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
