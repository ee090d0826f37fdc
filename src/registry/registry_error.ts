import { clipped, type ErrorCode, ImageError } from "../errors.ts";
import { isObject } from "../oci/json.ts";
import { type HttpResponse, MAX_ERROR_BODY_BYTES } from "../http/message.ts";
import { forAnswer, retryAfterMs } from "../http/send_retrying.ts";
import { withRetryAfter } from "../bytes/retry.ts";
import { DOCKER_HUB } from "./endpoint.ts";

/** One error of a registry's answer. Spec: OCI distribution-spec v1.1.1, "Error Codes". */
export interface RegistryProblem {
  /** For example `MANIFEST_UNKNOWN`; empty when the registry gave none. */
  readonly code: string;
  readonly message: string;
}

/** What was being done when a registry refused. */
export interface RequestContext {
  /** The registry as references name it. */
  readonly registry: string;
  /** For example `Cannot read manifest "v1" of "host/app"`. */
  readonly action: string;
  /** Whether credentials were sent. */
  readonly hasCredentials: boolean;
}

const CODE_BY_STATUS: Readonly<Record<number, ErrorCode>> = {
  401: "unauthorized",
  402: "denied",
  403: "denied",
  404: "not-found",
  405: "unsupported",
  406: "unsupported",
  408: "unavailable",
  409: "conflict",
  410: "not-found",
  412: "conflict",
  413: "unsupported",
  415: "unsupported",
  429: "unavailable",
  451: "denied",
  501: "unsupported",
  505: "unsupported",
};

const CODE_BY_PROBLEM: Readonly<Record<string, ErrorCode>> = {
  BLOB_UNKNOWN: "not-found",
  MANIFEST_UNKNOWN: "not-found",
  MANIFEST_BLOB_UNKNOWN: "not-found",
  NAME_UNKNOWN: "not-found",
  BLOB_UPLOAD_UNKNOWN: "not-found",
  DENIED: "denied",
  UNAUTHORIZED: "unauthorized",
  UNSUPPORTED: "unsupported",
  DIGEST_INVALID: "digest-mismatch",
  SIZE_INVALID: "digest-mismatch",
};

/** What a few error codes mean for a person, where the status alone does not say it. */
const MEANINGS: Readonly<Record<string, string>> = {
  NAME_UNKNOWN: "there is no such repository",
  MANIFEST_UNKNOWN: "there is no such manifest or tag",
  BLOB_UNKNOWN: "there is no such blob",
  MANIFEST_BLOB_UNKNOWN: "the registry misses a blob or manifest that it names",
};

/** Reads a refusal's body (64 KiB at most) and gives the error to throw; the answer is used up. Never throws itself. */
export async function registryError(response: HttpResponse, context: RequestContext): Promise<ImageError> {
  const problems = await readProblems(response);
  const [problem] = problems;
  const code = errorCode(response.status, problem?.code);
  const why = problem && MEANINGS[problem.code] || explain(response, context, code);
  const said = problems.length > 0 ? ` (${problems.slice(0, 3).map(formatProblem).join("; ")})` : "";
  const error = new ImageError(code, `${context.action}: ${why}${said}`, { hint: hintFor(response, context, code) });
  return forAnswer(withRetryAfter(error, retryAfterMs(response.headers)), response);
}

/** Reads the `errors` of an answer's body; empty when it holds none. */
export async function readProblems(response: HttpResponse): Promise<readonly RegistryProblem[]> {
  try {
    return parseProblems(JSON.parse(new TextDecoder().decode(await response.bytes(MAX_ERROR_BODY_BYTES))));
  } catch {
    // A page of a proxy, too much text, a connection that broke: the status says enough.
    return [];
  }
}

function parseProblems(body: unknown): readonly RegistryProblem[] {
  const errors = isObject(body) ? body["errors"] : undefined;
  if (!Array.isArray(errors)) return [];
  return errors.filter(isObject).map(({ code, message }) => ({
    code: typeof code === "string" ? code : "",
    message: typeof message === "string" ? message : "",
  })).filter(({ code, message }) => code !== "" || message !== "");
}

function errorCode(status: number, problem: string | undefined): ErrorCode {
  const byProblem = problem === undefined ? undefined : CODE_BY_PROBLEM[problem];
  // With 401 and 403 the status decides: registries write DENIED for both.
  if (byProblem && status !== 401 && status !== 403) return byProblem;
  return CODE_BY_STATUS[status] ?? (status >= 500 ? "unavailable" : "invalid-input");
}

function explain(response: HttpResponse, { registry, hasCredentials }: RequestContext, code: ErrorCode): string {
  if (response.status === 429) {
    const remaining = /^\d+/.exec(response.headers.get("ratelimit-remaining") ?? "")?.[0];
    const limit = /^\d+/.exec(response.headers.get("ratelimit-limit") ?? "")?.[0];
    const quota = limit === undefined ? "" : `, ${remaining ?? "0"} of ${limit} pulls are left`;
    return registry === DOCKER_HUB ? `Docker Hub's pull quota is used up${quota}` : `too many requests${quota}`;
  }
  if (code === "unauthorized") {
    return hasCredentials ? `"${registry}" refused the credentials` : `"${registry}" asks for credentials`;
  }
  if (code === "denied") return `"${registry}" denied access`;
  return `"${registry}" answered ${response.status}`;
}

function hintFor(response: HttpResponse, context: RequestContext, code: ErrorCode): string | undefined {
  if (code === "unauthorized" || (code === "denied" && !context.hasCredentials)) {
    // Docker Hub asks for credentials where a repository does not exist: most of the time the name is wrong.
    const isHub = context.registry === DOCKER_HUB && !context.hasCredentials;
    return isHub
      ? `Check the name; for a private repository, ${lowered(loginHint(DOCKER_HUB))}`
      : loginHint(context.registry);
  }
  if (response.status !== 429) return undefined;
  if (context.registry === DOCKER_HUB && !context.hasCredentials) {
    return "Log in with docker login to get a quota of your own, or try again later";
  }
  return "Try again later, or with a lower --concurrency";
}

/** How to give credentials for a registry. */
function loginHint(registry: string): string {
  return `Run docker login${registry === DOCKER_HUB ? "" : ` ${registry}`}, or pass --username and --password-stdin`;
}

function lowered(sentence: string): string {
  return sentence.charAt(0).toLowerCase() + sentence.slice(1);
}

function formatProblem({ code, message }: RegistryProblem): string {
  const shown = clipped(message.replaceAll(/\p{Cc}+/gu, " ").trim(), 200);
  return [code.replaceAll(/[^A-Za-z0-9_.-]/g, "").slice(0, 60), shown].filter((part) => part !== "").join(": ");
}
