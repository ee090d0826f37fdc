import { streamReader } from "../bytes/blob_reader.ts";
import type { Way } from "./dialer.ts";
import type { HttpRequest, RawResponse, StreamedBody } from "./message.ts";
import type { Proxy } from "./proxy.ts";
import { makeRuntimeClient } from "./runtime_clients.ts";
import type { Trust } from "./trust.ts";

/** Idle connections that are kept for one host. */
const MAX_IDLE = 16;

/** Size of the pieces in which a streamed body is sent. */
const PIECE_BYTES = 256 * 1024;

/** Variations of the runtime's client. */
export interface FetchVariant {
  /** For servers that speak nothing older: the runtime is slower over HTTP/2. */
  readonly http2?: boolean;
}

/** The runtime's clients for `fetch`, one for each set of settings. Dispose them to close idle connections. */
export class FetchClients implements Disposable {
  readonly #clients = new Map<Trust, Map<string, Deno.HttpClient>>();
  #unixClient: Deno.HttpClient | undefined;

  /** Sends a request to a Unix socket. */
  async sendToSocket(request: HttpRequest, path: string): Promise<RawResponse> {
    this.#unixClient ??= makeRuntimeClient({ proxy: { transport: "unix", path } });
    return await fetchOnce(request, this.#unixClient);
  }

  /** Sends a request. Proxies of the environment count only where the way has one. */
  async send(request: HttpRequest, way: Way, variant: FetchVariant = {}): Promise<RawResponse> {
    return await fetchOnce(request, this.#client(way, variant.http2 ?? false));
  }

  /** Closes idle connections. */
  [Symbol.dispose](): void {
    this.#unixClient?.close();
    for (const clients of this.#clients.values()) for (const client of clients.values()) client.close();
    this.#clients.clear();
  }

  #client({ trust, proxy }: Way, http2: boolean): Deno.HttpClient {
    const clients = this.#clients.get(trust) ?? new Map<string, Deno.HttpClient>();
    this.#clients.set(trust, clients);
    const key = `${http2} ${proxy?.label ?? ""}`;
    const known = clients.get(key);
    if (known) return known;
    const client = makeRuntimeClient({
      caCerts: [...trust.authorities],
      poolMaxIdlePerHost: MAX_IDLE,
      http2,
      ...(proxy ? { proxy: fetchProxy(proxy) } : {}),
      ...trust.clientCertificate,
    });
    clients.set(key, client);
    return client;
  }
}

function fetchProxy({ scheme, hostname, port, credentials }: Proxy): Deno.Proxy {
  const host = hostname.includes(":") ? `[${hostname}]` : hostname;
  const url = `${scheme === "socks5" ? "socks5h" : scheme}://${host}:${port}`;
  return { url, ...(credentials ? { basicAuth: credentials } : {}) };
}

async function fetchOnce(request: HttpRequest, client: Deno.HttpClient): Promise<RawResponse> {
  const { method, body, signal } = request;
  const response = await fetch(request.url, {
    method,
    headers: { ...request.headers },
    redirect: "manual",
    client,
    ...(body === undefined ? {} : { body: body instanceof Uint8Array ? body : streamOf(body) }),
    ...(signal ? { signal } : {}),
  });
  return fetchResponse(response);
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

/** A streamed body as `fetch` takes it; it goes without its length. */
function streamOf({ content, sizeBytes = Infinity }: StreamedBody): ReadableStream<Uint8Array<ArrayBuffer>> {
  let left = sizeBytes;
  return new ReadableStream({
    async pull(controller) {
      const piece = await content.read(new Uint8Array(Math.min(PIECE_BYTES, left)));
      left -= piece.byteLength;
      if (piece.byteLength > 0) controller.enqueue(piece);
      if (left === 0 || (piece.byteLength === 0 && sizeBytes === Infinity)) controller.close();
      else if (piece.byteLength === 0) controller.error(new Error(`the body ended ${left} bytes early`));
    },
  });
}
