import { createHash, createHmac } from "node:crypto";
import type { S3Keys } from "./s3_credentials.ts";

/** What of a request is signed. Its path and its query are in the form in which they are sent. */
export interface Signable {
  readonly method: string;
  readonly url: URL;
  /** All headers that count, in lower case, `x-amz-content-sha256` among them; `host` is added. */
  readonly headers: Readonly<Record<string, string>>;
}

/** What a signature is good for. */
export interface SignatureScope {
  readonly region: string;
  readonly service: string;
  readonly date: Date;
}

/**
 * The headers of a request with those that sign it. Only what is given gets signed: proxies and some servers rewrite
 * others, like Accept-Encoding. Spec: AWS Signature Version 4 in the Authorization header, as S3 has it (a path is escaped
 * once).
 */
export function signedHeaders(request: Signable, keys: S3Keys, scope: SignatureScope): Record<string, string> {
  const { method, url } = request;
  const time = scope.date.toISOString().replaceAll(/[:-]|\.\d{3}/g, "");
  const day = time.slice(0, 8);
  const headers: Record<string, string> = {
    ...request.headers,
    "x-amz-date": time,
    ...(keys.sessionToken === undefined ? {} : { "x-amz-security-token": keys.sessionToken }),
  };
  const signed = Object.entries({ ...headers, host: url.host }).sort(([one], [other]) => one < other ? -1 : 1);
  const names = signed.map(([name]) => name).join(";");
  const canonical = [
    method,
    url.pathname,
    sortedQuery(url),
    ...signed.map(([name, value]) => `${name}:${value.trim().replaceAll(/\s+/g, " ")}`),
    "",
    names,
    headers["x-amz-content-sha256"],
  ].join("\n");
  const place = `${day}/${scope.region}/${scope.service}/aws4_request`;
  const text = `AWS4-HMAC-SHA256\n${time}\n${place}\n${createHash("sha256").update(canonical).digest("hex")}`;
  const key = place.split("/").reduce<string | Uint8Array>(
    (outer, part) => createHmac("sha256", outer).update(part).digest(),
    `AWS4${keys.secretAccessKey}`,
  );
  const signature = createHmac("sha256", key).update(text).digest("hex");
  return {
    ...headers,
    authorization:
      `AWS4-HMAC-SHA256 Credential=${keys.accessKeyId}/${place}, SignedHeaders=${names}, Signature=${signature}`,
  };
}

/** The members of a query by their names, not by what follows them. */
function sortedQuery({ search }: URL): string {
  const members = search.slice(1).split("&").map((member) => [member.split("=", 1)[0] ?? "", member] as const);
  return members.sort(([one], [other]) => one < other ? -1 : one > other ? 1 : 0).map(([, member]) => member).join("&");
}

/** Escapes everything but letters, digits and `-_.~`, as AWS signatures ask for. */
export function escapeUri(text: string): string {
  return encodeURIComponent(text).replaceAll(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** A key as it stands in a path: its slashes stay. */
export function escapeKey(key: string): string {
  return key.split("/").map(escapeUri).join("/");
}

/** A query in the order of its members, escaped, with its question mark; nothing for none. */
export function queryText(query: Readonly<Record<string, string>>): string {
  const members = Object.entries(query).map(([name, value]) => `${escapeUri(name)}=${escapeUri(value)}`);
  return members.length > 0 ? `?${members.join("&")}` : "";
}
