import type { HttpResponse } from "../http/message.ts";
import { MAX_ERROR_BODY_BYTES } from "../http/message.ts";
import { retryAfterMs } from "../http/send_retrying.ts";
import { isImageError } from "../errors.ts";
import { ForeignAnswer, foreignAnswer, foreignError } from "./s3_foreign.ts";

/** What the body of a refusal says. */
export interface AnswerBody {
  readonly code: string | undefined;
  readonly words: string;
  readonly region: string | undefined;
}

/** What an S3 server said when it refused something; kept as the cause of the error that people see. */
export class S3Answer {
  /** The HTTP status. */
  readonly status: number;
  /** S3's error code, like `NoSuchKey`; for an answer without a body one made from the status. */
  readonly code: string;
  /** The server's words. */
  readonly words: string;
  /** The region the server names instead of the one that was used. */
  readonly region: string | undefined;
  /** How long the server asks to wait. */
  readonly retryAfterMs: number | undefined;
  /** The server's clock. */
  readonly date: Date | undefined;

  /** Puts an answer together from its status, its headers, and what its body says, where there was one. */
  constructor(status: number, body: AnswerBody, header: (name: string) => string | undefined) {
    const { code, words, region } = body;
    this.status = status;
    this.code = code || codeOfStatus(status);
    this.words = words.replaceAll(/\s+/g, " ").trim().slice(0, 300);
    this.region = header("x-amz-bucket-region") ?? region;
    this.retryAfterMs = retryAfterMs(new Headers({ "retry-after": header("retry-after") ?? "" }));
    const date = Date.parse(header("date") ?? "");
    this.date = Number.isNaN(date) ? undefined : new Date(date);
  }
}

/** The server's answer behind an error; undefined where there was none. */
export function answerOf(error: unknown): S3Answer | undefined {
  return isImageError(error) && error.cause instanceof S3Answer ? error.cause : undefined;
}

/** Reads a refusal off an HTTP answer, body included. Throws `unsupported` where it is none of an S3 server's. */
export async function readAnswer(response: HttpResponse): Promise<S3Answer> {
  // A body that cannot be read any more leaves the status, which says enough.
  const bytes = await response.bytes(MAX_ERROR_BODY_BYTES).catch(() => new Uint8Array(0));
  const header = (name: string) => response.headers.get(name) ?? undefined;
  const seen = { expectsDocument: false, expectsEtag: false, status: response.status, header, body: bytes };
  const foreign = foreignAnswer({ method: "GET", ...seen });
  if (foreign) throw foreignError(foreign);
  const body = new TextDecoder().decode(bytes);
  const element = (name: string) => unescapeXml(new RegExp(`<${name}>([^<]*)</${name}>`).exec(body)?.[1]);
  const words = [element("Message"), element("Header") ?? element("ArgumentName")].filter(Boolean).join(" ");
  const told = { code: element("Code"), words, region: element("Region") };
  return new S3Answer(response.status, told, header);
}

/** Reads a refusal off an error that the SDK threw; undefined when no server spoke. */
export function sdkAnswer(error: unknown): S3Answer | undefined {
  if (!(error instanceof Error)) return undefined;
  const { name, message, $metadata, $response, Region, Code } = error as SdkError;
  const status = $metadata?.httpStatusCode;
  if (status === undefined || $response?.headers?.[OF_CREDENTIALS] !== undefined) return undefined;
  const given = typeof Code === "string" ? Code : name;
  // What the SDK calls an answer without a body, or without a code in it.
  const isUnknown = ["UnknownError", "Unknown", "Error", "", "NotFound", "403", "400", "301"].includes(given);
  const code = isUnknown ? undefined : given;
  const region = typeof Region === "string" ? Region : undefined;
  const words = message === "UnknownError" || message === given ? "" : message;
  return new S3Answer(status, { code, words, region }, (key) => $response?.headers?.[key]);
}

/** Marks, among the headers that the SDK is shown, an answer of a service that gives credentials and is not S3. */
export const OF_CREDENTIALS = "x-s3lo-of-credentials";

/** What a service said that was asked for credentials, behind an error of the SDK; undefined for any other error. */
export function credentialsRefusal(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { name, message, $metadata, $response, Code } = error as SdkError;
  if ($response?.headers?.[OF_CREDENTIALS] === undefined) return undefined;
  const code = typeof Code === "string" ? Code : name;
  const words = message.split("\n")[0]?.replace(/\.$/, "").slice(0, 300) ?? "";
  const isKnown = !["UnknownError", "Unknown", "Error", ""].includes(code) && !words.includes("eserialization");
  return isKnown
    ? `${code}${words === "" || words === code ? "" : `: ${words}`}`
    : `status ${$metadata?.httpStatusCode}`;
}

/** The successful answer that the SDK could not read, behind an error of it; undefined for any other. */
export function unreadableAnswer(error: unknown): ForeignAnswer | undefined {
  const status = error instanceof Error ? (error as SdkError).$metadata?.httpStatusCode : undefined;
  if (status === undefined || status < 200 || status >= 300 || typeof (error as SdkError).Code === "string") {
    return undefined;
  }
  return new ForeignAnswer(status, "XML that makes no sense");
}

/** What the SDK adds to its errors. */
type SdkError = Error & {
  readonly $metadata?: { readonly httpStatusCode?: number };
  readonly $response?: { readonly headers?: Readonly<Record<string, string>> };
  readonly Region?: unknown;
  readonly Code?: unknown;
};

function codeOfStatus(status: number): string {
  const codes: Readonly<Record<number, string>> = {
    301: "PermanentRedirect",
    307: "TemporaryRedirect",
    400: "BadRequest",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    409: "Conflict",
    412: "PreconditionFailed",
    416: "InvalidRange",
    429: "TooManyRequests",
    500: "InternalError",
    501: "NotImplemented",
    503: "ServiceUnavailable",
  };
  return codes[status] ?? `status ${status}`;
}

function unescapeXml(text: string | undefined): string | undefined {
  const named: Readonly<Record<string, string>> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };
  return text?.replaceAll(/&(lt|gt|quot|apos|amp);/g, (_, name: string) => named[name] ?? "");
}
