import { ImageError } from "../errors.ts";
import { type BlobReader, readAll } from "../bytes/blob_reader.ts";
import { limitTries } from "../bytes/retry.ts";
import { describeUrl } from "./describe.ts";
import { connectionError, type HttpRequest, type HttpResponse, type RawResponse } from "./message.ts";
import type { StallWatch } from "./stall_watch.ts";

/** The request as it is sent: stopped by the watch too, which rests while the body is read from its source. */
export function watchedRequest(request: HttpRequest, watch: StallWatch): HttpRequest {
  const { body } = request;
  const signal = request.signal ? AbortSignal.any([request.signal, watch.signal]) : watch.signal;
  if (body === undefined || body instanceof Uint8Array) return { ...request, signal };
  const content: BlobReader = {
    read: (into) => watch.paused(() => body.content.read(into)),
    [Symbol.asyncDispose]: () => body.content[Symbol.asyncDispose](),
  };
  return { ...request, signal, body: { ...body, content } };
}

/**
 * The answer with its body under watch; whatever breaks in it becomes `unavailable`, which resuming and retrying look
 * for.
 */
export function watchedResponse(response: RawResponse, request: HttpRequest, watch: StallWatch): HttpResponse {
  const { status, headers } = response;
  const reader = () => watchedReader(response.reader(), request, watch);
  return {
    status,
    headers,
    reader,
    async bytes(maxBytes) {
      await using body = reader();
      return await readAll(body, maxBytes, `the answer of ${describeUrl(request.url)}`);
    },
    async discard() {
      watch.stop();
      await response.discard();
    },
  };
}

/** The error for a request that got no answer, or no whole one. `isKnown`: whether its host has answered before. */
export function sendFailure(error: unknown, request: HttpRequest, watch: StallWatch, isKnown = true): ImageError {
  if (request.signal?.aborted) return new ImageError("aborted", "Stopped", { cause: request.signal.reason });
  if (watch.failure) return isKnown ? watch.failure : limitTries(watch.failure, 2);
  return error instanceof ImageError ? error : connectionError(request.url, error, { isKnown });
}

function watchedReader(reader: BlobReader | undefined, request: HttpRequest, watch: StallWatch): BlobReader {
  if (!reader) watch.stop();
  return {
    async read(into) {
      if (!reader) return into.subarray(0, 0);
      watch.resume();
      try {
        const piece = await reader.read(into);
        watch.pause();
        if (piece.byteLength === 0 && into.byteLength > 0) watch.stop();
        return piece;
      } catch (error) {
        watch.stop();
        throw sendFailure(error, request, watch);
      }
    },
    async [Symbol.asyncDispose]() {
      watch.stop();
      await reader?.[Symbol.asyncDispose]();
    },
  };
}
