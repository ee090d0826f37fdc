import { ImageError } from "../errors.ts";
import { Members, parseJsonObject } from "../oci/json.ts";
import { isLoopback } from "../http/loopback.ts";
import { keepSecret } from "../http/redact.ts";
import { type HttpSender, sendRetrying } from "../http/send_retrying.ts";
import { retrying, type RetryOptions } from "../bytes/retry.ts";
import { answerBody } from "./answer_body.ts";
import { basicAuthorization, type Credentials } from "./credentials.ts";
import { withQuery } from "./endpoint.ts";
import { registryError } from "./registry_error.ts";

/** Largest answer of a token server that is read; tokens of big organisations have tens of kilobytes. */
const MAX_TOKEN_BYTES = 1024 * 1024;

/** How long a token is good where its server does not say. Spec: distribution, "Token Authentication". */
const DEFAULT_LIFETIME_S = 60;

/** A bearer token and until when to use it. */
export interface Token {
  readonly value: string;
  /** Milliseconds since 1970; a little before the token really ends. */
  readonly useUntil: number;
}

/** What is asked for at a token server. */
export interface TokenRequest {
  readonly registry: string;
  /** The `realm` of the challenge: where tokens are given out. */
  readonly realm: string;
  readonly service?: string | undefined;
  readonly scopes: readonly string[];
  readonly credentials?: Credentials | undefined;
  /** Whether the user allowed connections without TLS. */
  readonly allowPlainHttp: boolean;
}

/**
 * Gets a token: by GET, with basic authorization where there is a password; by OAuth2's refresh grant where there is an
 * identity token.
 *
 * Throws `unauthorized` when the credentials are refused, `denied` when the realm is not to be trusted with them,
 * `unavailable`, `invalid-input`. Spec: distribution, "Token Authentication" and "OAuth2 Token Authentication".
 */
export async function fetchToken(sender: HttpSender, request: TokenRequest, retry: RetryOptions): Promise<Token> {
  checkRealm(request);
  const askedAt = Date.now();
  const { credentials, registry } = request;
  const message = credentials?.kind === "identity-token"
    ? refreshRequest(request, credentials.token)
    : passwordRequest(request);
  // The body is part of the step: one that breaks off is asked for again.
  return await retrying(async () => {
    const response = await sendRetrying(sender, { ...message, signal: retry.signal }, retry);
    if (response.status !== 200) {
      throw await registryError(response, {
        registry,
        action: `Cannot log in to "${registry}"`,
        hasCredentials: credentials !== undefined,
      });
    }
    return parseToken(await answerBody(response, MAX_TOKEN_BYTES, whatToken(registry)), registry, askedAt);
  }, retry);
}

function checkRealm({ realm, registry, allowPlainHttp }: TokenRequest): void {
  if (!URL.canParse(realm)) {
    throw new ImageError("invalid-input", `Cannot log in to "${registry}": its token server is not a URL`);
  }
  const url = new URL(realm);
  if (url.protocol === "https:" || (url.protocol === "http:" && (allowPlainHttp || isLoopback(url.host)))) return;
  throw new ImageError(
    "denied",
    `Cannot log in to "${registry}": its token server "${url.host}" is not reached over https`,
    { hint: "Pass --plain-http if this network may see the credentials" },
  );
}

function passwordRequest({ realm, service, scopes, credentials }: TokenRequest) {
  let url = new URL(realm).href;
  if (service !== undefined) url = withQuery(url, "service", service);
  for (const scope of scopes) url = withQuery(url, "scope", scope);
  if (credentials?.kind !== "password") return { method: "GET", url };
  const { username, password } = credentials;
  url = withQuery(url, "account", username);
  return { method: "GET", url, headers: { authorization: basicAuthorization(username, password) } };
}

function refreshRequest({ realm, service, scopes }: TokenRequest, refreshToken: string) {
  keepSecret(refreshToken);
  const form = new URLSearchParams({
    grant_type: "refresh_token",
    client_id: "s3lo",
    ...(service === undefined ? {} : { service }),
    scope: scopes.join(" "),
    refresh_token: refreshToken,
  });
  return {
    method: "POST",
    url: new URL(realm).href,
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: new TextEncoder().encode(form.toString()),
  };
}

function parseToken(bytes: Uint8Array, registry: string, askedAt: number): Token {
  const what = whatToken(registry);
  const members = new Members(parseJsonObject(bytes, what), what);
  const value = members.string("token") || members.string("access_token");
  if (!value || /[^\x21-\x7e]/.test(value)) throw members.missing("token");
  const lifetimeS = Number(members.raw("expires_in")) || DEFAULT_LIFETIME_S;
  const lifetimeMs = Math.max(lifetimeS, 1) * 1000;
  const issuedAt = Date.parse(members.string("issued_at") ?? "");
  // A clock that differs from ours must not make every token look old: only a moment in between counts.
  const isPlausible = issuedAt <= askedAt && issuedAt > askedAt - lifetimeMs / 2;
  const start = isPlausible ? issuedAt : askedAt;
  return { value, useUntil: start + lifetimeMs - Math.min(lifetimeMs / 10, 30_000) };
}

function whatToken(registry: string): string {
  return `the token for "${registry}"`;
}
