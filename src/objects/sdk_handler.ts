import { Buffer } from "node:buffer";
import { Readable } from "node:stream";
import type { S3ClientConfig } from "@aws-sdk/client-s3";
import { ImageError } from "../errors.ts";
import type { HttpClient } from "../http/client.ts";
import { CALL_LIMIT_MS, MAX_ANSWER_BYTES } from "./s3_limits.ts";
import { escapeUri } from "./s3_sign.ts";

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

/**
 * Sends what the SDK asks of services that give credentials over our HTTP client, so that authorities, proxies and the debug
 * log are the same for all.
 */
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
        stallTimeoutMs: CALL_LIMIT_MS,
        ...(options.abortSignal ? { signal: options.abortSignal } : {}),
      });
      const bytes = await answer.bytes(MAX_ANSWER_BYTES);
      const body = bytes.byteLength > 0 ? [Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)] : [];
      return {
        response: {
          statusCode: answer.status,
          headers: Object.fromEntries(answer.headers),
          body: Readable.from(body),
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

function bodyBytes(body: unknown): Uint8Array<ArrayBuffer> | undefined {
  if (body === undefined || body === null) return undefined;
  if (typeof body === "string") return new TextEncoder().encode(body);
  if (body instanceof Uint8Array) return body as Uint8Array<ArrayBuffer>;
  throw new ImageError("unsupported", "Cannot send a request whose body is a stream");
}
