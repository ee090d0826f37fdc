import { Buffer } from "node:buffer";
import { Readable } from "node:stream";
import type { S3ClientConfig } from "@aws-sdk/client-s3";
import { ImageError } from "../errors.ts";
import type { HttpClient } from "../http/client.ts";
import { OF_CREDENTIALS } from "./s3_answer.ts";
import { foreignAnswer, foreignError, isRefusalDocument } from "./s3_foreign.ts";
import { CALL_LIMIT_MS, LONG_CALL_LIMIT_MS } from "./s3_limits.ts";

/** Largest answer to a small call; a page of 1000 keys of full length stays below. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

/** The part of the SDK's request that is sent. */
interface SdkRequest {
  readonly method: string;
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  readonly path: string;
  readonly query?: Readonly<Record<string, string | readonly string[] | null>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** What the SDK calls its transport. */
export type SdkHandler = NonNullable<S3ClientConfig["requestHandler"]>;

/** Sends the SDK's requests over our HTTP client, so that authorities, proxies and the debug log are the same for all. */
export function sdkHandler(http: HttpClient): SdkHandler {
  const handler = {
    metadata: { handlerProtocol: "http/1.1" },
    async handle(request: SdkRequest, options: { abortSignal?: AbortSignal } = {}) {
      const { host: _host, "content-length": _length, expect: _expect, ...headers } = request.headers;
      const answer = await http.send({
        method: request.method,
        url: requestUrl(request),
        headers,
        body: bodyBytes(request.body),
        stallTimeoutMs: limitOf(request),
        ...(options.abortSignal ? { signal: options.abortSignal } : {}),
      });
      const bytes = await answer.bytes(MAX_ANSWER_BYTES);
      const foreign = isForS3(request) && foreignAnswer({
        method: request.method,
        expectsDocument: tellsSomething(request),
        expectsEtag: request.method === "HEAD",
        status: answer.status,
        header: (name) => answer.headers.get(name) ?? undefined,
        body: bytes,
      });
      if (foreign) throw foreignError(foreign);
      // What else a busy server or gateway says is nothing that the SDK could read.
      const isUnreadable = isForS3(request) && answer.status >= 300 && !isRefusalDocument(bytes);
      return {
        response: {
          statusCode: answer.status,
          headers: { ...Object.fromEntries(answer.headers), ...(isForS3(request) ? {} : { [OF_CREDENTIALS]: "true" }) },
          // The SDK looks for errors inside of successful answers in streams only.
          body: Readable.from(
            bytes.byteLength > 0 && !isUnreadable
              ? [Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)]
              : [],
          ),
        },
      };
    },
    destroy() {},
    updateHttpClientConfig() {},
    httpHandlerConfigs: () => ({}),
  };
  return handler as unknown as SdkHandler;
}

/** The address of an SDK request; its path and the names and values of its query are escaped as its signature has them. */
function requestUrl(request: SdkRequest): string {
  const port = request.port === undefined ? "" : `:${request.port}`;
  const members = Object.entries(request.query ?? {}).flatMap(([name, value]) => {
    const values = Array.isArray(value) ? value as readonly string[] : [value as string | null];
    return values.map((one) => one === null ? escapeUri(name) : `${escapeUri(name)}=${escapeUri(one)}`);
  });
  const query = members.length > 0 ? `?${members.join("&")}` : "";
  return `${request.protocol}//${request.hostname}${port}${request.path}${query}`;
}

/** Escapes everything but letters, digits and `-_.~`, as AWS signatures ask for. */
export function escapeUri(text: string): string {
  return encodeURIComponent(text).replaceAll(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** Copying, and putting parts together, is work for the server. */
function limitOf(request: SdkRequest): number {
  const isLong = "x-amz-copy-source" in request.headers ||
    (request.method === "POST" && "uploadId" in (request.query ?? {}));
  return isLong ? LONG_CALL_LIMIT_MS : CALL_LIMIT_MS;
}

/** Credentials are asked for over the same handler, of services that answer in other ways. */
function isForS3({ headers }: SdkRequest): boolean {
  const signature = Object.entries(headers).find(([name]) => name.toLowerCase() === "authorization")?.[1] ?? "";
  return /\/s3[a-z-]*\/aws4_request/.test(signature);
}

/** Whether a call is answered with a document: listings, what is begun, put together or copied, and many removals. */
function tellsSomething(request: SdkRequest): boolean {
  return request.method === "GET" || request.method === "POST" || "x-amz-copy-source" in request.headers;
}

function bodyBytes(body: unknown): Uint8Array<ArrayBuffer> | undefined {
  if (body === undefined || body === null) return undefined;
  if (typeof body === "string") return new TextEncoder().encode(body);
  if (body instanceof Uint8Array) return body as Uint8Array<ArrayBuffer>;
  throw new ImageError("unsupported", "Cannot send a request whose body is a stream");
}
