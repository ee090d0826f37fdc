import { ImageError, isImageError } from "../errors.ts";
import { limitTries, retrying, type RetryOptions, withRetryAfter } from "../bytes/retry.ts";
import { connectionFailure } from "./connection_failure.ts";
import { describeUrl } from "./describe.ts";
import type { HttpRequest, HttpResponse } from "./message.ts";

/** Whatever sends a request once: an `HttpClient`, or something around one that adds headers or follows redirects. */
export interface HttpSender {
  send(request: HttpRequest): Promise<HttpResponse>;
}

/**
 * Sends a request that is safe to repeat until it is answered for good.
 *
 * Tried again: lost connections, 408, 429 and 5xx except those that say "never" (501, 505); `Retry-After` is obeyed up
 * to `maxDelayMs`. Not tried again, or only once: what {@linkcode connectionError} says so of. The last try's answer is
 * returned whatever its status, so that its body can be read. A streamed body is sent once: it cannot be repeated.
 */
export async function sendRetrying(
  sender: HttpSender,
  request: HttpRequest,
  options: RetryOptions = {},
): Promise<HttpResponse> {
  const isStream = request.body !== undefined && !(request.body instanceof Uint8Array);
  if (isStream) return await sender.send(request);
  const { tries = 5 } = options;
  const signal = options.signal ?? request.signal;
  const host = options.host ?? (URL.canParse(request.url) ? new URL(request.url).host : undefined);
  return await retrying(async (attempt) => {
    const response = await sender.send(request);
    if (!isRetriableStatus(response.status)) return response;
    if (attempt >= tries) {
      if (attempt > 1) triedOut.add(response);
      return response;
    }
    await response.discard();
    throw withRetryAfter(statusError(request, response), retryAfterMs(response.headers));
  }, { ...options, tries, signal, host });
}

/** Answers that are the last of several tries. */
const triedOut = new WeakSet<HttpResponse>();

/** The error for an answer, marked so that nobody tries again what was tried often enough. Returns the error. */
export function forAnswer<E extends Error>(error: E, response: HttpResponse): E {
  return triedOut.has(response) ? limitTries(error, 1) : error;
}

/** Whether a status asks for another try. */
export function isRetriableStatus(status: number): boolean {
  return status === 408 || status === 429 || (status >= 500 && status !== 501 && status !== 505);
}

/**
 * The wait that `Retry-After` asks for, in milliseconds from now: seconds or a date. Undefined when it is missing or
 * unreadable; never negative.
 *
 * Spec: RFC 9110, section 10.2.3.
 */
export function retryAfterMs(headers: Headers, now = Date.now()): number | undefined {
  const text = headers.get("retry-after")?.trim();
  if (!text) return undefined;
  if (/^\d+(?:\.\d+)?$/.test(text)) {
    const seconds = Number(text);
    // Docker Hub has been seen to send the moment as seconds since 1970.
    return Math.max(0, seconds > 1e9 ? seconds * 1000 - now : seconds * 1000);
  }
  // A date starts with the day's name; the runtime would read other texts as dates too.
  const date = /^[A-Z][a-z]+,? /.test(text) ? Date.parse(text) : NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

/** Whether an error is of a connection that trying again won't mend: no trusted certificate, no TLS at all. */
export function isPermanent(error: unknown): boolean {
  if (!isImageError(error, "unavailable")) return false;
  const failure = connectionFailure(error.cause);
  return failure === "certificate" || failure === "not-tls";
}

function statusError(request: HttpRequest, response: HttpResponse): ImageError {
  const what = `${request.method} ${describeUrl(request.url)}`;
  return new ImageError("unavailable", `The server answered ${response.status} to ${what}`);
}
