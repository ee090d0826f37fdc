/**
 * Why no answer came, as far as it decides what to do next.
 *
 * - `certificate`: the server's certificate is not trusted, expired or for another name; trying again won't help.
 * - `not-tls`: the server answered something other than TLS, most likely plain HTTP.
 * - `refused`: nothing listens there, or no way leads there.
 * - `name`: the host has no address.
 * - `no-http1`: the server speaks HTTP/2 and nothing older.
 * - `other`: everything else (a reset, a timeout).
 */
export type ConnectionFailure = "certificate" | "not-tls" | "refused" | "name" | "no-http1" | "other";

/** Error codes of the runtime's node client. */
const CODES: Readonly<Record<string, ConnectionFailure>> = {
  ECONNREFUSED: "refused",
  EHOSTUNREACH: "refused",
  ENETUNREACH: "refused",
  ENOTFOUND: "name",
  EAI_AGAIN: "name",
  ERR_SSL_WRONG_VERSION_NUMBER: "not-tls",
  EPROTO: "not-tls",
  CERT_HAS_EXPIRED: "certificate",
  CERT_NOT_YET_VALID: "certificate",
  CERT_REVOKED: "certificate",
  DEPTH_ZERO_SELF_SIGNED_CERT: "certificate",
  SELF_SIGNED_CERT_IN_CHAIN: "certificate",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "certificate",
  UNABLE_TO_GET_ISSUER_CERT: "certificate",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "certificate",
  ERR_TLS_CERT_ALTNAME_INVALID: "certificate",
};

/**
 * What `fetch` says in its innermost error. The runtime gives these failures no code and no class, so this one place
 * reads its words; what it does not know is `other`, which costs a hint and nothing else.
 */
const PHRASES: readonly (readonly [RegExp, ConnectionFailure])[] = [
  [/invalid peer certificate|certificate (?:not valid|has expired|verify)/i, "certificate"],
  [/NoApplicationProtocol|no application protocol/i, "no-http1"],
  [/received corrupt message of type InvalidContentType|wrong version number/i, "not-tls"],
  [/connection refused|os error 111|os error 61|os error 10061/i, "refused"],
  [/requests to port \d+ are blocked/i, "refused"],
  [/os error (?:113|101|65|51|10065|10051)\b|no route to host|network is unreachable/i, "refused"],
  [/dns error|failed to lookup address/i, "name"],
];

/** Tells the kinds of connection failures apart, from whatever the runtime threw (looking through `cause`). */
export function connectionFailure(error: unknown): ConnectionFailure {
  for (let inner: unknown = error; inner instanceof Error; inner = inner.cause) {
    const code = (inner as { code?: unknown }).code;
    const byCode = typeof code === "string" ? CODES[code] : undefined;
    if (byCode) return byCode;
    const phrase = PHRASES.find(([pattern]) => pattern.test((inner as Error).message));
    if (phrase) return phrase[1];
  }
  return "other";
}

/** The next step for a failure that the user can do something about. */
export function connectionHint(failure: ConnectionFailure): string | undefined {
  if (failure === "certificate") {
    return "Name its certificate authority with --ca-cert, or skip the check with --insecure";
  }
  return failure === "not-tls" ? "Pass --plain-http if the server speaks HTTP without TLS" : undefined;
}
