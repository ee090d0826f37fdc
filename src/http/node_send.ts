import * as http from "node:http";
import * as https from "node:https";
import type { Buffer } from "node:buffer";
import { once } from "node:events";
import type { BlobReader } from "../bytes/blob_reader.ts";
import { readAll } from "../bytes/blob_reader.ts";
import { describeUrl } from "./describe.ts";
import { guardedReader, type HttpOptions, type HttpRequest, type HttpResponse, type StreamedBody } from "./message.ts";

/** Size of the pieces in which a streamed body is sent. */
const PIECE_BYTES = 256 * 1024;

/** Sends a request by node's HTTP client, for what `fetch` cannot do: streams of known length, unchecked certificates. */
export async function nodeSend(request: HttpRequest, options: HttpOptions): Promise<HttpResponse> {
  const url = new URL(request.url);
  const { body } = request;
  const sizeBytes = body instanceof Uint8Array ? body.byteLength : body?.sizeBytes;
  const common = {
    method: request.method,
    headers: { ...request.headers, ...(sizeBytes === undefined ? {} : { "content-length": String(sizeBytes) }) },
    ...(request.signal ? { signal: request.signal } : {}),
    ...(options.unixSocket === undefined ? {} : { socketPath: options.unixSocket }),
  };
  const outgoing = url.protocol === "https:"
    ? https.request(url, {
      ...common,
      rejectUnauthorized: !options.insecure,
      ...(options.caCertificates?.length ? { ca: [...options.caCertificates] } : {}),
      ...options.clientCertificate,
    })
    : http.request(url, common);
  const answered = once(outgoing, "response") as Promise<[http.IncomingMessage]>;
  answered.catch(() => {});
  try {
    if (body instanceof Uint8Array) outgoing.end(body);
    else if (body) await Promise.race([sendStream(outgoing, body), answered]);
    else outgoing.end();
    const [incoming] = await answered;
    return nodeResponse(incoming, request);
  } catch (error) {
    outgoing.destroy();
    throw error;
  }
}

/** Writes the body piece by piece; a body that fails or ends short destroys the request, so the server never sees it whole. */
async function sendStream(outgoing: http.ClientRequest, body: StreamedBody): Promise<void> {
  let left = body.sizeBytes ?? Infinity;
  while (left > 0) {
    const piece = await body.content.read(new Uint8Array(Math.min(PIECE_BYTES, left)));
    if (piece.byteLength === 0) {
      if (body.sizeBytes === undefined) break;
      throw new Error(`the body ended ${left} bytes early`);
    }
    left -= piece.byteLength;
    if (!outgoing.write(piece)) await once(outgoing, "drain");
  }
  outgoing.end();
}

function nodeResponse(incoming: http.IncomingMessage, request: HttpRequest): HttpResponse {
  const headers = new Headers();
  for (let index = 0; index + 1 < incoming.rawHeaders.length; index += 2) {
    headers.append(incoming.rawHeaders[index] ?? "", incoming.rawHeaders[index + 1] ?? "");
  }
  const reader = () => guardedReader(messageReader(incoming), request);
  return {
    status: incoming.statusCode ?? 0,
    headers,
    reader,
    async bytes(maxBytes) {
      await using body = reader();
      return await readAll(body, maxBytes, `the answer of ${describeUrl(request.url)}`);
    },
    discard() {
      incoming.destroy();
      return Promise.resolve();
    },
  };
}

/** A reader over node's readable stream; what a chunk holds beyond the asked bytes is kept for the next read. */
function messageReader(incoming: http.IncomingMessage): BlobReader {
  const chunks = incoming[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let rest = new Uint8Array(0) as Uint8Array;
  return {
    async read(into) {
      while (rest.byteLength === 0) {
        const { done, value } = await chunks.next();
        if (done) return into.subarray(0, 0);
        rest = value;
      }
      const count = Math.min(into.byteLength, rest.byteLength);
      into.set(rest.subarray(0, count));
      rest = rest.subarray(count);
      return into.subarray(0, count);
    },
    [Symbol.asyncDispose]() {
      incoming.destroy();
      return Promise.resolve();
    },
  };
}
