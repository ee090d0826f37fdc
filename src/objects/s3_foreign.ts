import { ImageError, isImageError } from "../errors.ts";

/** How much of a body is looked at to tell what it is. */
const LOOKED_AT_BYTES = 2048;

/** What decides whether an answer can be S3's: the request's nature, and what came. */
export interface SeenAnswer {
  readonly method: string;
  /** Whether the body is a document of S3's, as it is for all small calls that tell something. */
  readonly expectsDocument: boolean;
  /** Whether it tells of an object, whose ETag every S3 server gives. */
  readonly expectsEtag: boolean;
  readonly status: number;
  readonly header: (name: string) => string | undefined;
  /** The whole body; undefined where it is an object's bytes. */
  readonly body: Uint8Array | undefined;
}

/** An answer that no S3 server gives: a web page, a sign-in page on the way, nothing at all. The cause of an error. */
export class ForeignAnswer {
  readonly status: number;
  /** What came instead, in words. */
  readonly what: string;

  /** Describes an answer. */
  constructor(status: number, what: string) {
    this.status = status;
    this.what = what;
  }
}

/** The foreign answer behind an error; undefined where there was none. */
export function foreignOf(error: unknown): ForeignAnswer | undefined {
  return isImageError(error) && error.cause instanceof ForeignAnswer ? error.cause : undefined;
}

/** The error for a foreign answer, before it is known what was to be done. */
export function foreignError(answer: ForeignAnswer): ImageError {
  return new ImageError("unsupported", "The answer is none of an S3 server's", { cause: answer });
}

/**
 * What an answer is, where it cannot be S3's; undefined where it can. Servers that are busy, and gateways before them, say so
 * in any way they like: those answers count as S3's.
 */
export function foreignAnswer(seen: SeenAnswer): ForeignAnswer | undefined {
  const { status, header, body } = seen;
  if (status >= 500 || status === 408 || status === 429) return undefined;
  const type = header("content-type")?.split(";")[0]?.trim().toLowerCase() || undefined;
  // An object may be a page; then it comes with what S3 says of itself.
  const isPage = type === "text/html" && header("x-amz-request-id") === undefined;
  const isEmpty = (body?.byteLength ?? 0) === 0;
  const what = isPage
    ? "a web page"
    : seen.expectsEtag && status >= 200 && status < 300
    ? "no ETag"
    : body !== undefined && isEmpty
    ? "nothing"
    : type === undefined
    ? "something else"
    : `something else (${type.slice(0, 60)})`;
  const isSo = isPage ||
    (status >= 200 && status < 300 ? isForeignSuccess(seen, isEmpty) : isForeignRefusal(seen, isEmpty));
  return isSo ? new ForeignAnswer(status, what) : undefined;
}

function isForeignSuccess(seen: SeenAnswer, isEmpty: boolean): boolean {
  const { method, expectsDocument, expectsEtag, header, body } = seen;
  if (expectsEtag && header("etag") === undefined) return true;
  if (method === "HEAD" || body === undefined) return false;
  // S3 answers some calls with nothing, and refuses others with an error inside of a success.
  return isEmpty ? expectsDocument : !isDocument(body, /Result$|^Error$/);
}

function isForeignRefusal(seen: SeenAnswer, isEmpty: boolean): boolean {
  const { method, expectsDocument, status, header, body } = seen;
  if (status >= 300 && status < 400 && isEmpty) {
    return header("x-amz-bucket-region") === undefined && header("x-amz-request-id") === undefined;
  }
  // No S3 server knows the path of a call to a bucket and has nothing to say of it.
  if (method === "HEAD" || body === undefined || isEmpty) return expectsDocument && isEmpty && status === 404;
  return !isRefusalDocument(body);
}

/** Whether a body is the document by which S3 refuses. */
export function isRefusalDocument(body: Uint8Array): boolean {
  return isDocument(body, /^Error(?:Response)?$/);
}

/** Whether a body is XML whose root has such a name, from its beginning to its end. */
function isDocument(body: Uint8Array, root: RegExp): boolean {
  const beginning = new TextDecoder().decode(body.subarray(0, LOOKED_AT_BYTES));
  const end = new TextDecoder().decode(body.subarray(-LOOKED_AT_BYTES)).trimEnd();
  const prolog = /^\s*(?:<\?xml[^>]*\?>\s*)?(?:<!--[\s\S]*?-->\s*)*/.exec(beginning)?.[0] ?? "";
  const [, name = "", local = ""] = /^<((?:[\w.-]+:)?([\w.-]+))[\s/>]/.exec(beginning.slice(prolog.length)) ?? [];
  return local !== "" && root.test(local) && (end.endsWith(`</${name}>`) || end.endsWith("/>"));
}
