import { ImageError, messageOf } from "../errors.ts";
import type { BlobReader } from "../bytes/blob_reader.ts";
import { limitTries, type Wait } from "../bytes/retry.ts";
import { connectionFailure, connectionHint } from "./connection_failure.ts";
import type { Proxy } from "./proxy.ts";
import { ProxyRefusal } from "./proxy_refusal.ts";
import type { Trust } from "./trust.ts";

/** Largest error body read, in bytes; what comes after is thrown away. */
export const MAX_ERROR_BODY_BYTES = 64 * 1024;

/** A request body that is produced while it is sent; without a known length it goes in chunked encoding. */
export interface StreamedBody {
  readonly sizeBytes?: number;
  readonly content: BlobReader;
}

/** One HTTP request. Redirects are never followed here: the caller decides who may see its headers. */
export interface HttpRequest {
  readonly method: string;
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array<ArrayBuffer> | StreamedBody | undefined;
  /**
   * Whether the server is asked first if it wants the body: a refusal is then never lost with a connection that the server
   * closes while the body still comes. Costs a round trip; bytes that `fetch` sends (up to 64 KiB) go without asking.
   * Spec: RFC 9110, section 10.1.1.
   */
  readonly asksFirst?: boolean;
  readonly signal?: AbortSignal | undefined;
  /** Told how much of the body the connection has taken so far: 0 when sending begins, also when it begins once more. */
  readonly onSent?: ((sentBytes: number) => void) | undefined;
  /** The shorter one of this and the client's counts, the default only where neither is given. */
  readonly stallTimeoutMs?: number;
}

/** One HTTP answer. Read or discard its body: an unread one holds its connection. */
export interface HttpResponse {
  readonly status: number;
  readonly headers: Headers;
  /** The body as a stream; may be taken once. A connection that breaks in it fails with `unavailable`. */
  reader(): BlobReader;
  /** The whole body. Throws `invalid-input` beyond `maxBytes`. */
  bytes(maxBytes: number): Promise<Uint8Array<ArrayBuffer>>;
  /** Throws the body away. */
  discard(): Promise<void>;
}

/** An answer as one of the two ways of sending gives it: nothing checked, nothing watched. */
export interface RawResponse {
  readonly status: number;
  readonly headers: Headers;
  /** Opens the body; undefined when there is none. */
  reader(): BlobReader | undefined;
  discard(): Promise<void>;
}

/**
 * How connections are made. Proxies come from HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY; this machine itself is
 * always reached directly.
 */
export interface HttpOptions {
  /** Further certificate authorities, PEM texts. */
  readonly caCertificates?: readonly string[];
  /** More of them, and a client certificate, for one host; asked for when a connection with TLS is to be made to it. */
  readonly trust?: ((host: string) => Promise<Trust>) | undefined;
  /** Whether certificates go unchecked. */
  readonly insecure?: boolean;
  /** A Unix socket that every request goes to, whatever the host of its URL. */
  readonly unixSocket?: string;
  /** Client certificate and key for TLS, PEM texts. */
  readonly clientCertificate?: { readonly cert: string; readonly key: string };
  /**
   * Longest silence of a server while something is expected of it. Default 180,000: some take minutes to commit a blob.
   */
  readonly stallTimeoutMs?: number;
  /** Sent as `User-Agent`. */
  readonly userAgent?: string;
  /** Told of every request and its outcome, with nothing secret in it; for `--debug`. */
  readonly log?: ((line: string) => void) | undefined;
  /** Told when a host that has not answered yet takes its time. */
  readonly onWait?: ((wait: Wait) => void) | undefined;
}

/** What is known of a connection that failed. */
export interface FailedConnection {
  /** Whether the host has answered before. */
  readonly isKnown?: boolean;
  /** What it went through. */
  readonly proxy?: Proxy | undefined;
}

/**
 * The error for a connection that could not be made or broke: `unavailable`, with the host and the innermost reason; where
 * a proxy wants other credentials `unauthorized`, where it does not lead there `denied`.
 *
 * Trying again won't mend a certificate that is not trusted. Where nothing listens, and for a name without an address,
 * one more try is enough, unless the host has answered before: then it may be starting anew.
 */
export function connectionError(url: string, error: unknown, { isKnown, proxy }: FailedConnection = {}): ImageError {
  const host = URL.canParse(url) ? new URL(url).host : "the server";
  if (error instanceof ProxyRefusal) return refusedByProxy(host, error);
  const failure = connectionFailure(error);
  const through = proxy ? `through the proxy ${proxy.label}: ` : "";
  const made = new ImageError("unavailable", `Cannot reach "${host}": ${through}${plainCause(error)}`, {
    hint: connectionHint(failure) ?? (proxy && `Check the proxy in ${proxy.variable}, or name the host in NO_PROXY`),
    cause: error,
  });
  const isPermanent = failure === "certificate" || failure === "not-tls" || error instanceof Deno.errors.NotCapable;
  if (isPermanent) return limitTries(made, 1);
  return (failure === "refused" || failure === "name") && !isKnown ? limitTries(made, 2) : made;
}

function refusedByProxy(host: string, refusal: ProxyRefusal): ImageError {
  const { status, proxy } = refusal;
  const code = status === 407 ? "unauthorized" : status === 403 ? "denied" : "unavailable";
  return new ImageError(code, `Cannot reach "${host}": ${refusal.message}`, {
    hint: status === 407
      ? `Put its user and password before the host in ${proxy.variable}`
      : `Check the proxy in ${proxy.variable}, or name the host in NO_PROXY`,
    cause: refusal,
  });
}

/** The innermost reason of a connection failure, in words; the URL that the runtime puts in front is left out. */
export function plainCause(error: unknown): string {
  let innermost = error;
  while (innermost instanceof Error && innermost.cause instanceof Error) innermost = innermost.cause;
  const text = messageOf(innermost).replaceAll(/error sending request for url \([^)]*\)(?:: )?/g, "");
  return text.replaceAll(/(?:https?|unix):\/\/[^\s)]+/g, "the server").split("\n")[0] || "the connection failed";
}
