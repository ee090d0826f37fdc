import { readAll } from "../bytes/blob_reader.ts";
import { ImageError } from "../errors.ts";
import { connectionFailure } from "./connection_failure.ts";
import { describeUrl } from "./describe.ts";
import { Dialer, type Way } from "./dialer.ts";
import { FetchClients } from "./fetch_clients.ts";
import { KeptAgents } from "./kept_agents.ts";
import {
  connectionError,
  type HttpOptions,
  type HttpRequest,
  type HttpResponse,
  plainCause,
  type RawResponse,
} from "./message.ts";
import { nodeSend } from "./node_send.ts";
import { isOldRuntime } from "./old_runtime.ts";
import { proxyFor, type ProxySettings, readProxySettings } from "./proxy.ts";
import { ProxyRefusal } from "./proxy_refusal.ts";
import { keepSecretHeaders } from "./redact.ts";
import { loadRuntimeAuthorities } from "./runtime_clients.ts";
import { StallWatch } from "./stall_watch.ts";
import { NO_OWN_TRUST, type Trust } from "./trust.ts";
import { sendFailure, watchedRequest, watchedResponse } from "./watched.ts";

/** Larger bodies go by node's client. */
const MAX_FETCH_BODY_BYTES = 64 * 1024;

/** Largest stream that is collected where it cannot be sent with its length; S3 gets none that is larger. */
const MAX_COLLECTED_BYTES = 16 * 1024 * 1024;

/** Longest silence of a server, where nothing else is said. */
const DEFAULT_STALL_TIMEOUT_MS = 180_000;

/** Longest silence of a host that has never answered: it may not be there at all. */
const FIRST_ANSWER_MS = 60_000;

/** After how long people are told that such a host has not answered yet. */
const FIRST_NOTICE_MS = 5000;

/** Sends HTTP requests over one set of connection settings. Dispose it to close idle connections. */
export class HttpClient implements Disposable {
  readonly #options: HttpOptions;
  readonly #fetch = new FetchClients();
  readonly #dialer = new Dialer();
  readonly #agents = new KeptAgents(this.#dialer);
  /** Hosts that have answered. */
  readonly #known = new Set<string>();
  #proxies: ProxySettings | undefined;
  /** Hosts that speak HTTP/2 and nothing older. */
  readonly #onlyHttp2 = new Set<string>();
  readonly #trust = new Map<string, Promise<Trust>>();

  /** Makes a client; no connection is opened before the first request. */
  constructor(options: HttpOptions = {}) {
    this.#options = options;
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
    const { body, onSent } = request;
    if (body) onSent?.(0);
    try {
      const response = await this.#dispatch(watchedRequest(request, watch));
      // What the runtime's fetch sends it tells nothing of.
      if (body instanceof Uint8Array && response.status < 300) onSent?.(body.byteLength);
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
    this.#fetch[Symbol.dispose]();
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

  async #dispatch(asked: HttpRequest): Promise<RawResponse> {
    const headers = {
      "accept-encoding": "identity",
      "user-agent": this.#options.userAgent ?? "s3lo",
      ...asked.headers,
    };
    keepSecretHeaders(headers);
    const request = { ...asked, headers };
    const way = await this.#way(new URL(asked.url));
    if (way.proxy === undefined) return await this.#sendDirectly(request, way);
    try {
      const response = isOldRuntime() ? await this.#fetch.send(request, way) : await this.#sendByNode(request, way);
      if (response.status !== 407) return response;
      await response.discard();
      throw new ProxyRefusal(way.proxy, 407, "");
    } catch (error) {
      if (error instanceof ImageError) throw error;
      throw connectionError(asked.url, error, { isKnown: this.#known.has(way.url.host), proxy: way.proxy });
    }
  }

  async #sendDirectly(request: HttpRequest, way: Way): Promise<RawResponse> {
    const { body } = request;
    const { unixSocket } = this.#options;
    if (isOldRuntime() && way.url.protocol === "https:") return await this.#sendByOldRuntime(request, way);
    const isStream = body !== undefined && !(body instanceof Uint8Array);
    // fetch sends a stream without Content-Length and cannot skip certificate checks; node's client does both. And it
    // copies a large body twice and leaves the copies to the collector (for 4 GiB in parts: 26 % more CPU time and 290 MiB
    // more memory).
    const isLarge = isStream || (body !== undefined && body.byteLength > MAX_FETCH_BODY_BYTES);
    const http2 = this.#onlyHttp2.has(way.url.origin);
    if (!http2 && (isLarge || way.insecure || this.#dialer.isSelfSigned(way.url))) {
      try {
        return await this.#sendByNode(request, way);
      } catch (error) {
        if (connectionFailure(error) !== "no-http1") throw error;
        return await this.#sendByHttp2(request, way);
      }
    }
    if (unixSocket !== undefined) return await this.#fetch.sendToSocket(request, unixSocket);
    try {
      return await this.#fetch.send(request, way, { http2 });
    } catch (error) {
      const failure = connectionFailure(error);
      if (failure === "no-http1" && !http2) return await this.#sendByHttp2(request, way);
      if (failure !== "certificate" || way.trust.authorities.length === 0 || isOldRuntime()) throw error;
      // Perhaps it is one that stands for itself. If not, nothing is sent, and the first words are the better ones.
      return await this.#sendByNode(request, way).catch((other) => {
        throw this.#dialer.isSelfSigned(way.url) ? other : error;
      });
    }
  }

  /** Old runtimes do TLS right by `fetch` alone, which sends streams without their length: small ones are collected. */
  async #sendByOldRuntime(request: HttpRequest, way: Way): Promise<RawResponse> {
    if (way.insecure) {
      throw new ImageError("unsupported", `Cannot leave certificates unchecked on Deno ${Deno.version.deno}`, {
        hint: "Use a release of s3lo, or name the certificate authority with --ca-cert",
      });
    }
    const { body } = request;
    const isSmall = body && !(body instanceof Uint8Array) && (body.sizeBytes ?? Infinity) <= MAX_COLLECTED_BYTES;
    if (!isSmall) return await this.#fetch.send(request, way);
    const bytes = await readAll(body.content, MAX_COLLECTED_BYTES, "the body");
    if (bytes.byteLength !== body.sizeBytes) throw new Error("the body ended early");
    return await this.#fetch.send({ ...request, body: bytes }, way);
  }

  async #sendByNode(request: HttpRequest, way: Way): Promise<RawResponse> {
    const isStream = request.body !== undefined && !(request.body instanceof Uint8Array);
    // A stream goes on a connection of its own: where a kept one has broken, node may send anew what the stream's buffers
    // held.
    const keepsConnection = !isStream && way.unixSocket === undefined;
    return await nodeSend(request, { way, agents: this.#agents, keepsConnection });
  }

  async #sendByHttp2(request: HttpRequest, way: Way): Promise<RawResponse> {
    this.#onlyHttp2.add(way.url.origin);
    return await this.#fetch.send(request, way, { http2: true });
  }

  async #way(url: URL): Promise<Way> {
    const { unixSocket, insecure = false } = this.#options;
    if (unixSocket !== undefined) return { url, unixSocket, proxy: undefined, trust: NO_OWN_TRUST, insecure: false };
    this.#proxies ??= readProxySettings();
    const proxy = proxyFor(url, this.#proxies);
    const hasTls = url.protocol === "https:" || proxy?.scheme === "https";
    return { url, proxy, trust: hasTls ? await this.#trustIn(url.host) : NO_OWN_TRUST, insecure };
  }

  #trustIn(host: string): Promise<Trust> {
    const known = this.#trust.get(host) ?? this.#findTrust(host);
    this.#trust.set(host, known);
    return known;
  }

  async #findTrust(host: string): Promise<Trust> {
    loadRuntimeAuthorities();
    const { caCertificates = [], clientCertificate, trust } = this.#options;
    const own = await trust?.(host) ?? NO_OWN_TRUST;
    if (caCertificates.length === 0 && !clientCertificate) return own;
    return {
      authorities: [...caCertificates, ...own.authorities],
      clientCertificate: own.clientCertificate ?? clientCertificate,
    };
  }
}
