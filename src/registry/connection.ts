import { ImageError, isImageError } from "../errors.ts";
import type { RetryOptions } from "../bytes/retry.ts";
import { connectionFailure } from "../http/connection_failure.ts";
import { isLoopback } from "../http/loopback.ts";
import type { HttpRequest, HttpResponse, StreamedBody } from "../http/message.ts";
import { type HttpSender, sendRetrying } from "../http/send_retrying.ts";
import { type Access, Authenticator } from "./authenticator.ts";
import type { CredentialFinder } from "./find_credentials.ts";
import { apiHost, resolveUrl } from "./endpoint.ts";
import { RangeSupport } from "./range_support.ts";
import { registryError } from "./registry_error.ts";

/** How one registry is reached. */
export interface ConnectionOptions {
  readonly sender: HttpSender;
  readonly finder: CredentialFinder;
  /** Whether the user asked for connections without TLS. */
  readonly plainHttp?: boolean;
  readonly retry?: RetryOptions;
}

/** One request to a registry. */
export interface RegistryRequest {
  readonly method: string;
  /** A path under the registry's root (`/v2/…`), or a whole URL that the registry gave. */
  readonly url: string;
  readonly access: Access;
  readonly headers?: Readonly<Record<string, string>>;
  /** Bytes, or a function that opens a stream: called again when the request has to be sent again. */
  readonly body?: Uint8Array<ArrayBuffer> | (() => Promise<StreamedBody>) | undefined;
  /** See `HttpRequest`. */
  readonly onSent?: ((sentBytes: number) => void) | undefined;
  /** Whether it may be sent again after a failure. Default true; a stream never is, except after a refused token. */
  readonly isRepeatable?: boolean;
  /** Whether what comes is checked against a digest: only that may come over plain http where nobody allowed it. */
  readonly isChecked?: boolean;
  /** Replaces the connection's signal, for what must be done even after that has fired. */
  readonly signal?: AbortSignal | undefined;
}

/** Most redirects followed in a row. */
const MAX_REDIRECTS = 10;

/** How long a server on this machine may take to show that it speaks TLS. */
const LOOPBACK_PROBE_MS = 5000;

/** Talks to one registry: finds its scheme, proves who one is, follows redirects, tries again. */
export class RegistryConnection {
  /** The registry as references name it. */
  readonly registry: string;
  readonly retry: RetryOptions;
  /** Size of the smallest blob that the registry refused to take in one piece. */
  refusedWholeBytes = Infinity;
  /** Whether it gives ranges of blobs. */
  readonly ranges = new RangeSupport();
  readonly #sender: HttpSender;
  readonly #plainHttp: boolean;
  readonly #authenticator: Authenticator;
  #origin: Promise<string> | undefined;

  /** Sends nothing before the first request. */
  constructor(registry: string, options: ConnectionOptions) {
    this.registry = registry;
    this.retry = options.retry ?? {};
    this.#sender = options.sender;
    this.#plainHttp = options.plainHttp ?? false;
    const { sender, finder } = options;
    this.#authenticator = new Authenticator({
      registry,
      finder,
      sender,
      allowPlainHttp: this.#plainHttp,
      retry: this.retry,
    });
  }

  /** `https://host` or `http://host`. Throws `unavailable` when the registry does not answer. */
  async origin(): Promise<string> {
    const known = this.#origin ??= this.#findOrigin();
    // A failure is not kept: the next request tries again.
    known.catch(() => this.#origin === known && (this.#origin = undefined));
    return await known;
  }

  /**
   * Sends a request and gives the answer, whatever its status; redirects of GET and HEAD are followed, without the
   * authorization where they leave the registry.
   */
  async send(request: RegistryRequest): Promise<HttpResponse> {
    const url = new URL(request.url, await this.origin()).href;
    const isOnce = request.isRepeatable === false || typeof request.body === "function";
    const attempt: HttpSender = { send: () => this.#sendAuthorized({ ...request, url }) };
    const { signal = this.retry.signal } = request;
    if (isOnce) return await attempt.send({ method: request.method, url });
    return await sendRetrying(attempt, { method: request.method, url, signal }, { ...this.retry, signal });
  }

  /** The error for an answer that is not what was hoped for. `action` starts its message. */
  async failure(response: HttpResponse, access: Access, action: string): Promise<ImageError> {
    const hasCredentials = await this.#authenticator.hasCredentials(access.repository);
    return await registryError(response, { registry: this.registry, action, hasCredentials });
  }

  /** Sends once with the authorization at hand, and once more with a new one when that was refused. */
  async #sendAuthorized(request: RegistryRequest): Promise<HttpResponse> {
    const origin = await this.origin();
    const isOwn = new URL(request.url).origin === origin;
    const authorization = isOwn
      ? await this.#authenticator.authorization(request.access, { signal: request.signal })
      : undefined;
    const { response, url } = await this.#follow(request, origin, authorization);
    // What a storage or another host asks for is not to be answered with the registry's credentials.
    const isRefusal = response.status === 401 && isOwn && new URL(url).origin === origin;
    if (!isRefusal || !this.#authenticator.learn(response.headers)) return response;
    const renewed = await this.#authenticator.authorization(request.access, {
      refused: authorization,
      signal: request.signal,
    });
    if (renewed === undefined || renewed === authorization) return response;
    await response.discard();
    return (await this.#follow(request, origin, renewed)).response;
  }

  /** Follows redirects by hand; each hop is judged anew, so the authorization never reaches another origin. */
  async #follow(
    request: RegistryRequest,
    origin: string,
    authorization: string | undefined,
  ): Promise<{ readonly response: HttpResponse; readonly url: string }> {
    let url = request.url;
    for (let hops = 0;; hops++) {
      const response = await this.#sendOne(request, url, new URL(url).origin === origin ? authorization : undefined);
      const next = redirectTarget(request.method, response, url);
      if (next === undefined) return { response, url };
      await response.discard();
      if (hops >= MAX_REDIRECTS) {
        throw new ImageError("invalid-input", `Cannot follow "${this.registry}": more than ${MAX_REDIRECTS} redirects`);
      }
      url = next;
    }
  }

  /**
   * Refuses to go where the registry sends by plain http, whose every byte anybody on the way may read and change: uploads,
   * tags and listings stay on TLS, on this machine, or with `--plain-http`. Reads that are checked against a digest may go
   * on: no authorization goes along, and whether their bytes may be seen is up to the registry.
   */
  #checkPlain({ method, isChecked }: RegistryRequest, url: string): void {
    const { protocol, host } = new URL(url);
    if (protocol === "https:" || this.#plainHttp || isLoopback(host)) return;
    if (isChecked && method === "GET") return;
    throw new ImageError("denied", `Cannot go on at "${host}": "${this.registry}" refers there over plain http`, {
      hint: "Have the registry name https addresses, or pass --plain-http if this network may be trusted",
    });
  }

  async #sendOne(request: RegistryRequest, url: string, authorization: string | undefined): Promise<HttpResponse> {
    this.#checkPlain(request, url);
    const body = typeof request.body === "function" ? await request.body() : request.body;
    const message: HttpRequest = {
      method: request.method,
      url,
      headers: { ...request.headers, ...(authorization === undefined ? {} : { authorization }) },
      body,
      onSent: request.onSent,
      signal: request.signal ?? this.retry.signal,
    };
    try {
      return await this.#sender.send(message);
    } finally {
      if (body && !(body instanceof Uint8Array)) await body.content[Symbol.asyncDispose]();
    }
  }

  /**
   * Asks the registry's root which scheme it speaks and what it wants for authorization. Plain HTTP is tried only where
   * the user asked for it, or on this machine when https does not answer.
   */
  async #findOrigin(): Promise<string> {
    const host = apiHost(this.registry);
    if (this.#plainHttp) return await this.#ping(`http://${host}`, this.retry);
    if (!isLoopback(host)) return await this.#ping(`https://${host}`, this.retry);
    try {
      return await this.#ping(`https://${host}`, { ...this.retry, tries: 1 }, LOOPBACK_PROBE_MS);
    } catch (error) {
      // A certificate that is not trusted is an answer: the registry speaks TLS, and going around it would hide that.
      if (!isImageError(error, "unavailable") || connectionFailure(error.cause) === "certificate") throw error;
      return await this.#ping(`http://${host}`, this.retry);
    }
  }

  async #ping(origin: string, retry: RetryOptions, stallTimeoutMs?: number): Promise<string> {
    const timeout = stallTimeoutMs === undefined ? {} : { stallTimeoutMs };
    const request = { method: "GET", url: `${origin}/v2/`, signal: retry.signal, ...timeout };
    const response = await sendRetrying(this.#sender, request, retry);
    if (response.status === 401) this.#authenticator.learn(response.headers);
    await response.discard();
    return new URL(origin).origin;
  }
}

/** Where a redirect goes; undefined when the answer is none that is followed. */
function redirectTarget(method: string, response: HttpResponse, asked: string): string | undefined {
  const isRead = method === "GET" || method === "HEAD";
  const isRedirect = isRead
    ? [301, 302, 303, 307, 308].includes(response.status)
    : [307, 308].includes(response.status);
  const location = isRedirect ? response.headers.get("location") : null;
  return location === null ? undefined : resolveUrl(location, asked);
}
