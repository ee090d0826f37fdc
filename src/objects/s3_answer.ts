import type { HttpResponse } from "../http/message.ts";
import { MAX_ERROR_BODY_BYTES } from "../http/message.ts";
import { retryAfterMs } from "../http/send_retrying.ts";
import { ImageError, isImageError } from "../errors.ts";
import { parseDocument, type S3Element } from "./s3_document.ts";
import { foreignAnswer, foreignError, isRefusalDocument, type SeenAnswer } from "./s3_foreign.ts";
import { MAX_ANSWER_BYTES } from "./s3_limits.ts";

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

/** What decides how an answer is read: the request's nature. */
export type Asked = Pick<SeenAnswer, "method" | "expectsDocument" | "expectsEtag">;

/** The answer to a small call that was carried out. */
export interface S3Reply {
  /** A header, by its name in lower case. */
  readonly header: (name: string) => string | undefined;
  /** What the body says; nothing where there was none. */
  readonly document: S3Element;
}

/** Reads the answer to a small call. Throws the refusal, and `unsupported` where it is none of an S3 server's. */
export async function readReply(response: HttpResponse, asked: Asked): Promise<S3Reply> {
  if (!isSuccess(response.status)) throw await readRefusal(response, asked);
  const bytes = await response.bytes(MAX_ANSWER_BYTES);
  const header = headerOf(response);
  const foreign = foreignAnswer({ ...asked, status: response.status, header, body: bytes });
  if (foreign) throw foreignError(foreign);
  // Some calls are answered while they are carried out: what then fails is told inside of a success.
  if (isRefusalDocument(bytes)) throw refusal(new S3Answer(FAILED_LATE, saidIn(bytes), header));
  return { header, document: parseDocument(bytes) };
}

/** Makes sure that an answer whose body is an object's bytes is a success. Throws as {@linkcode readReply} does. */
export async function expectBytes(response: HttpResponse, method: string): Promise<void> {
  const asked = { method, expectsDocument: false, expectsEtag: true };
  if (!isSuccess(response.status)) throw await readRefusal(response, { ...asked, method: "GET", expectsEtag: false });
  const seen = { ...asked, status: response.status, header: headerOf(response), body: undefined };
  const foreign = foreignAnswer(seen);
  if (!foreign) return;
  await response.discard();
  throw foreignError(foreign);
}

/** The status that stands for a refusal inside of a success, which says none. */
const FAILED_LATE = 503;

/** Reads a refusal, body included. */
async function readRefusal(response: HttpResponse, asked: Asked): Promise<ImageError> {
  // A body that cannot be read any more leaves the status, which says enough.
  const bytes = await response.bytes(MAX_ERROR_BODY_BYTES).catch(() => new Uint8Array(0));
  const header = headerOf(response);
  const foreign = foreignAnswer({ ...asked, status: response.status, header, body: bytes });
  if (foreign) return foreignError(foreign);
  return refusal(new S3Answer(response.status, saidIn(bytes), header));
}

function refusal(answer: S3Answer): ImageError {
  return new ImageError("unavailable", answer.code, { cause: answer });
}

/** What a body says by which S3 refuses; nothing where a busy server or gateway says something else. */
function saidIn(bytes: Uint8Array): AnswerBody {
  const nothing = { code: undefined, words: "", region: undefined };
  if (!isRefusalDocument(bytes)) return nothing;
  try {
    const said = parseDocument(bytes);
    const words = [said.find("Message"), said.find("Header") ?? said.find("ArgumentName")].filter(Boolean).join(" ");
    return { code: said.find("Code"), words, region: said.find("Region") };
  } catch {
    return nothing;
  }
}

function isSuccess(status: number): boolean {
  return status >= 200 && status < 300;
}

function headerOf({ headers }: HttpResponse): (name: string) => string | undefined {
  return (name) => headers.get(name) ?? undefined;
}

/** What a service said that was asked for credentials, behind an error of the SDK; undefined for any other error. */
export function credentialsRefusal(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { name, message, $metadata, Code } = error as SdkError;
  const status = $metadata?.httpStatusCode;
  if (status === undefined) return undefined;
  const code = typeof Code === "string" ? Code : name;
  const words = message.split("\n")[0]?.replace(/\.$/, "").slice(0, 300) ?? "";
  const isKnown = !["UnknownError", "Unknown", "Error", ""].includes(code) && !words.includes("eserialization");
  return isKnown ? `${code}${words === "" || words === code ? "" : `: ${words}`}` : `status ${status}`;
}

/** What the SDK adds to its errors. */
type SdkError = Error & {
  readonly $metadata?: { readonly httpStatusCode?: number };
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
