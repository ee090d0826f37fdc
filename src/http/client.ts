import { streamReader } from "../bytes/blob_reader.ts";
import { connectionFailure } from "./connection_failure.ts";
import { describeUrl } from "./describe.ts";
import { type HttpOptions, type HttpRequest, type HttpResponse, plainCause, type RawResponse } from "./message.ts";
import { KeptAgents } from "./kept_agents.ts";
import { nodeSend } from "./node_send.ts";
import { fetchGoesAstray, type ProxySettings, readProxySettings } from "./proxy.ts";
import { StallWatch } from "./stall_watch.ts";
import { sendFailure, watchedRequest, watchedResponse } from "./watched.ts";

/** Larger bodies go by node's client. */
const MAX_FETCH_BODY_BYTES = 64 * 1024;

/** Longest silence of a server, where nothing else is said. */
const DEFAULT_STALL_TIMEOUT_MS = 180_000;

/** Longest silence of a host that has never answered: it may not be there at all. */
const FIRST_ANSWER_MS = 60_000;

/** After how long people are told that such a host has not answered yet. */
const FIRST_NOTICE_MS = 5000;

/** Sends HTTP requests over one set of connection settings. Dispose it to close idle connections. */
export class HttpClient implements Disposable {
  readonly #options: HttpOptions;
  readonly #client: Deno.HttpClient;
  readonly #agents = new KeptAgents();
  /** Hosts that have answered. */
  readonly #known = new Set<string>();
  #proxies: ProxySettings | undefined;
  #largeByNode = true;

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
    const host = URL.canParse(request.url) ? new URL(request.url).host : "the server";
    const timeoutMs = this.#timeoutMs(request, host);
    const watch = new StallWatch(timeoutMs, host);
    const isKnown = this.#known.has(host);
    const notice = isKnown ? undefined : this.#firstNotice(host, timeoutMs);
    try {
      const response = await this.#dispatch(watchedRequest(request, watch));
      this.#known.add(host);
      this.#options.log?.(`${what} -> ${response.status} in ${Math.round(performance.now() - started)} ms`);
      watch.pause();
      return watchedResponse(response, request, watch);
    } catch (error) {
      watch.stop();
      const failure = sendFailure(error, request, watch, isKnown);
      this.#options.log?.(`${what} failed: ${plainCause(watch.failure ?? error)}`);
      throw failure;
    } finally {
      clearTimeout(notice);
    }
  }

  /** Closes idle connections. */
  [Symbol.dispose](): void {
    this.#client.close();
    this.#agents[Symbol.dispose]();
  }

  #timeoutMs(request: HttpRequest, host: string): number {
    const asked = Math.min(request.stallTimeoutMs ?? Infinity, this.#options.stallTimeoutMs ?? Infinity);
    const timeoutMs = asked === Infinity ? DEFAULT_STALL_TIMEOUT_MS : asked;
    // What is sent may have to be worked on before it is answered.
    return this.#known.has(host) || request.body !== undefined ? timeoutMs : Math.min(timeoutMs, FIRST_ANSWER_MS);
  }

  #firstNotice(host: string, waitMs: number): ReturnType<typeof setTimeout> | undefined {
    const { onWait } = this.#options;
    if (!onWait) return undefined;
    const timer = setTimeout(
      () => onWait({ reason: "No answer yet", host, waitMs }),
      Math.min(FIRST_NOTICE_MS, waitMs / 2),
    );
    Deno.unrefTimer(timer);
    return timer;
  }

  async #dispatch(request: HttpRequest): Promise<RawResponse> {
    const headers = {
      "accept-encoding": "identity",
      "user-agent": this.#options.userAgent ?? "s3lo",
      ...request.headers,
    };
    const { body } = request;
    const isStream = body !== undefined && !(body instanceof Uint8Array);
    const proxies = this.#proxies ??= readProxySettings();
    // fetch sends a stream without Content-Length and cannot skip certificate checks; node's client does both.
    // On a connection of its own: where a kept one has broken, node may send anew what the stream's buffers held.
    if (isStream) return await nodeSend({ ...request, headers }, this.#options, { proxies });
    const isAstray = this.#options.unixSocket === undefined && fetchGoesAstray(new URL(request.url), proxies);
    const byNode = () => nodeSend({ ...request, headers }, this.#options, { proxies, agents: this.#agents });
    if (this.#options.insecure || isAstray) return await byNode();
    // fetch copies a large body twice and leaves the copies to the collector (for 4 GiB in parts: 26 % more CPU time and
    // 290 MiB more memory).
    if (body && body.byteLength > MAX_FETCH_BODY_BYTES && this.#largeByNode) {
      try {
        return await byNode();
      } catch (error) {
        if (connectionFailure(error) !== "certificate") throw error;
        // The runtime can be told to trust more authorities than node's client knows; fetch checks against those.
        this.#largeByNode = false;
      }
    }
    const response = await fetch(request.url, {
      method: request.method,
      headers,
      redirect: "manual",
      client: this.#client,
      ...(body === undefined ? {} : { body }),
      ...(request.signal ? { signal: request.signal } : {}),
    });
    return fetchResponse(response);
  }
}

/**
 * An answer of `fetch`. Its body alone does not keep the `Response` from being collected, and with that goes the link from
 * the signal to the body: a read that waits would then wait for ever, whoever aborts. So readers hold on to it.
 */
function fetchResponse(response: Response): RawResponse {
  const { status, headers, body } = response;
  return {
    status,
    headers,
    reader: () => body ? { ...streamReader(body), response } : undefined,
    discard: async () => await body?.cancel().catch(() => {}),
  };
}
