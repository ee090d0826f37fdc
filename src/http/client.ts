import { streamReader } from "../bytes/blob_reader.ts";
import { describeUrl } from "./describe.ts";
import { type HttpOptions, type HttpRequest, type HttpResponse, plainCause, type RawResponse } from "./message.ts";
import { nodeSend } from "./node_send.ts";
import { fetchGoesAstray, type ProxySettings, readProxySettings } from "./proxy.ts";
import { StallWatch } from "./stall_watch.ts";
import { sendFailure, watchedRequest, watchedResponse } from "./watched.ts";

/** Longest silence of a server, where nothing else is said. */
const DEFAULT_STALL_TIMEOUT_MS = 180_000;

/** Sends HTTP requests over one set of connection settings. Dispose it to close idle connections. */
export class HttpClient implements Disposable {
  readonly #options: HttpOptions;
  readonly #client: Deno.HttpClient;
  #proxies: ProxySettings | undefined;

  /** Makes a client; no connection is opened before the first request. */
  constructor(options: HttpOptions = {}) {
    this.#options = options;
    this.#client = Deno.createHttpClient({
      caCerts: [...options.caCertificates ?? []],
      poolMaxIdlePerHost: 16,
      ...(options.unixSocket === undefined ? {} : { proxy: { transport: "unix" as const, path: options.unixSocket } }),
      ...options.clientCertificate,
    });
  }

  /**
   * Sends one request, once. Throws `unavailable` when no answer comes, `aborted` when the signal stops it; any answer,
   * whatever its status, is returned.
   *
   * The runtime's `fetch` may send bytes in memory a second time by itself when a connection breaks; a streamed body
   * never goes out twice.
   */
  async send(request: HttpRequest): Promise<HttpResponse> {
    const started = performance.now();
    const what = `${request.method} ${describeUrl(request.url)}`;
    const timeoutMs = request.stallTimeoutMs ?? this.#options.stallTimeoutMs ?? DEFAULT_STALL_TIMEOUT_MS;
    const watch = new StallWatch(timeoutMs, URL.canParse(request.url) ? new URL(request.url).host : "the server");
    try {
      const response = await this.#dispatch(watchedRequest(request, watch));
      this.#options.log?.(`${what} -> ${response.status} in ${Math.round(performance.now() - started)} ms`);
      watch.pause();
      return watchedResponse(response, request, watch);
    } catch (error) {
      watch.stop();
      const failure = sendFailure(error, request, watch);
      this.#options.log?.(`${what} failed: ${plainCause(watch.failure ?? error)}`);
      throw failure;
    }
  }

  /** Closes idle connections. */
  [Symbol.dispose](): void {
    this.#client.close();
  }

  async #dispatch(request: HttpRequest): Promise<RawResponse> {
    const headers = {
      "accept-encoding": "identity",
      "user-agent": this.#options.userAgent ?? "s3lo",
      ...request.headers,
    };
    const streamed = request.body !== undefined && !(request.body instanceof Uint8Array);
    // fetch sends a stream without Content-Length and cannot skip certificate checks; node's client does both.
    const proxies = this.#proxies ??= readProxySettings();
    const isAstray = this.#options.unixSocket === undefined && fetchGoesAstray(new URL(request.url), proxies);
    if (streamed || this.#options.insecure || isAstray) {
      return await nodeSend({ ...request, headers }, this.#options, proxies);
    }
    const response = await fetch(request.url, {
      method: request.method,
      headers,
      redirect: "manual",
      client: this.#client,
      ...(request.body === undefined ? {} : { body: request.body as Uint8Array<ArrayBuffer> }),
      ...(request.signal ? { signal: request.signal } : {}),
    });
    return fetchResponse(response);
  }
}

function fetchResponse({ status, headers, body }: Response): RawResponse {
  return {
    status,
    headers,
    reader: () => body ? streamReader(body) : undefined,
    discard: async () => await body?.cancel().catch(() => {}),
  };
}
