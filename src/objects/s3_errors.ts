import { type ErrorCode, ImageError, type ImageErrorOptions, isImageError, messageOf } from "../errors.ts";
import { withRetryAfter } from "../bytes/retry.ts";
import { connectionFailure } from "../http/connection_failure.ts";
import { credentialsRefusal, type S3Answer } from "./s3_answer.ts";
import { type ForeignAnswer, foreignOf } from "./s3_foreign.ts";

/** What an error needs to say where it happened and as whom. */
export interface S3Context {
  readonly bucket: string;
  /** Reads on from "Cannot", for example `read "key" from "s3://bucket"`. */
  readonly action: string;
  /** The custom endpoint's address, if there is one. */
  readonly endpoint: string | undefined;
  readonly region: string;
  /** Who asks, in a form that may be shown: the start of the access key's id and where it came from. */
  readonly identity: string;
}

const WRONG_KEYS = new Set(["InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "InvalidSecurity"]);
const EXPIRED = new Set(["ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"]);
const BUSY = new Set([
  "SlowDown",
  "InternalError",
  "ServiceUnavailable",
  "RequestTimeout",
  "TooManyRequests",
  "TooManyRequestsException",
  "Throttling",
  "ThrottlingException",
  "OperationAborted",
  "TemporaryRedirect",
]);
const BROKEN_BYTES = new Set([
  "BadDigest",
  "InvalidDigest",
  "XAmzContentSHA256Mismatch",
  "XAmzContentChecksumMismatch",
]);

/** Whether credentials have run out, so that fresh ones may help. */
export function isExpired(answer: S3Answer): boolean {
  return EXPIRED.has(answer.code);
}

/** Whether a bucket lives in another region than the one asked. */
export function isWrongRegion(answer: S3Answer): boolean {
  return ["PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"].includes(
    answer.code,
  ) ||
    (answer.status === 400 && answer.code === "BadRequest" && answer.region !== undefined);
}

/** Whether a conditional write did not take place because its condition did not hold, in whatever way a server says so. */
export function isUnmet(answer: S3Answer): boolean {
  return answer.code !== "NoSuchBucket" && answer.code !== "NoSuchUpload" && [404, 409, 412].includes(answer.status);
}

/** The error for a server's refusal. Codes: see each case; trouble that may pass is `unavailable` with the asked wait. */
export function refusalError(answer: S3Answer, context: S3Context): ImageError {
  const { bucket, action, identity } = context;
  const fail = (code: ErrorCode, reason: string, hint?: string) =>
    new ImageError(code, `Cannot ${action}: ${reason}`, { hint, cause: answer });
  const said = answer.words === "" ? answer.code : `${answer.code}: ${answer.words.replace(/\.$/, "")}`;
  if (answer.code === "NoSuchBucket") {
    const where = context.endpoint === undefined ? "" : ` at "${context.endpoint}"`;
    return fail(
      "not-found",
      `there is no bucket "${bucket}"${where}`,
      "Check the bucket's name, or create the bucket first",
    );
  }
  if (isWrongRegion(answer)) {
    const place = answer.region ? `region "${answer.region}"` : `another region than "${context.region}"`;
    return fail(
      "not-found",
      `bucket "${bucket}" is in ${place}`,
      `Set AWS_REGION${answer.region ? `=${answer.region}` : " to it"}`,
    );
  }
  if (BUSY.has(answer.code) || answer.status === 429 || (answer.status >= 500 && answer.status !== 501)) {
    return withRetryAfter(
      fail("unavailable", `${serverOf(context)} answered ${said}`, "Try again, or lower --concurrency"),
      answer.retryAfterMs,
    );
  }
  if (isExpired(answer)) {
    return fail(
      "unauthorized",
      `the credentials (${identity}) have expired`,
      "Sign in again, for example with: aws sso login",
    );
  }
  if (WRONG_KEYS.has(answer.code)) {
    return fail(
      "unauthorized",
      `the server does not accept the credentials (${identity}): ${answer.code}`,
      "Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile in AWS_PROFILE",
    );
  }
  if (answer.code === "RequestTimeTooSkewed") {
    return fail("unauthorized", "the clock of this machine is wrong", "Set the clock");
  }
  if (answer.code.startsWith("KMS.") || (answer.status === 403 && /\bkms\b/i.test(answer.words))) {
    return fail(
      "denied",
      `the encryption key may not be used (${identity})`,
      "Grant kms:Decrypt and kms:GenerateDataKey on the bucket's key",
    );
  }
  if (answer.code === "InvalidStorageClass") {
    return fail("unsupported", "the server does not take the storage class", "Name another --storage-class, or none");
  }
  if (answer.status === 403 || answer.status === 401) {
    return fail("denied", `access denied (${identity})`, accessHint(bucket));
  }
  if (answer.status === 404) return fail("not-found", "it is not there");
  if (BROKEN_BYTES.has(answer.code)) return fail("digest-mismatch", `the server received other bytes: ${said}`);
  if (answer.status === 412) return fail("conflict", `the server answered ${said}`);
  return fail("unsupported", `the server answered ${answer.status} ${said}`);
}

/** The error for a failure before any server of S3 spoke: no credentials, no connection, or something unforeseen. */
export function otherError(error: unknown, context: S3Context, profile: string | undefined): ImageError {
  const foreign = foreignOf(error);
  if (foreign) return describeForeign(foreign, context);
  if (isImageError(error)) return describeUnreachable(error, context);
  const options: ImageErrorOptions = { cause: error };
  const refusal = credentialsRefusal(error);
  if (refusal !== undefined) {
    const message = `Cannot ${context.action}: no AWS credentials: the service that gives them answered ${refusal}`;
    return new ImageError("unauthorized", message, {
      ...options,
      hint: "Check the role, who may take it, and the token; or sign in again, for example with: aws sso login",
    });
  }
  const name = error instanceof Error ? error.name : "";
  if (name === "CredentialsProviderError" || name === "TokenProviderError") {
    const tried = profile === undefined
      ? "the environment, the default profile, single sign-on, web identity, container and instance roles"
      : `the profile "${profile}"`;
    return new ImageError("unauthorized", `Cannot ${context.action}: no AWS credentials in ${tried}`, {
      ...options,
      hint: "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run: aws configure",
    });
  }
  return new ImageError("unavailable", `Cannot ${context.action}: ${messageOf(error).split("\n")[0]}`, options);
}

function describeForeign(foreign: ForeignAnswer, context: S3Context): ImageError {
  const hint = context.endpoint === undefined
    ? "Look for a proxy or a sign-in page on the way to AWS"
    : "Check the endpoint's address, and look for a proxy or a sign-in page on the way";
  const message = `Cannot ${context.action}: ${serverOf(context)} does not answer as an S3 server does: ` +
    `${foreign.status} with ${foreign.what}`;
  return new ImageError("unsupported", message, { hint, cause: foreign });
}

/** Who answers, as messages name it. */
function serverOf({ endpoint }: S3Context): string {
  return endpoint === undefined ? "the server" : `"${endpoint}"`;
}

function describeUnreachable(error: ImageError, context: S3Context): ImageError {
  if (error.code !== "unavailable") return error;
  const hint = context.endpoint === undefined
    ? "Check the network and the proxy settings"
    : connectionFailure(error.cause) === "not-tls"
    ? "Write the endpoint with http:// if the server speaks HTTP without TLS"
    : error.hint ?? `Check the address "${context.endpoint}" and that its server is running`;
  return new ImageError(error.code, `Cannot ${context.action}: ${lowerFirst(error.message)}`, {
    hint,
    cause: error,
  });
}

function accessHint(bucket: string): string {
  return `Grant s3:GetObject, s3:PutObject and s3:ListBucket on "${bucket}" (without s3:ListBucket, missing objects are denied too)`;
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
