import { encodeBase64 } from "../bytes/base64.ts";
import type { Proxy } from "./proxy.ts";

/** A proxy that will not lead where one wants to go. */
export class ProxyRefusal extends Error {
  /** 407 where it wants other credentials, or any; 0 where it gave no status. */
  readonly status: number;
  readonly proxy: Proxy;

  /** `words` is what the proxy said. */
  constructor(proxy: Proxy, status: number, words: string) {
    const said = status === 0 ? words : `it answered ${[status, words].filter(Boolean).join(" ")}`;
    super(
      status === 407
        ? `the proxy ${proxy.label} ${proxy.credentials ? "does not accept its user and password" : "wants a password"}`
        : `the proxy ${proxy.label} does not lead there: ${said}`,
    );
    this.name = "ProxyRefusal";
    this.status = status;
    this.proxy = proxy;
  }
}

/** What a proxy gets as `Proxy-Authorization`; undefined where it has no credentials. */
export function basicProxyAuthorization({ credentials }: Proxy): string | undefined {
  if (!credentials) return undefined;
  const { username, password } = credentials;
  return `Basic ${encodeBase64(new TextEncoder().encode(`${username}:${password}`))}`;
}
