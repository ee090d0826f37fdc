import * as http from "node:http";
import * as https from "node:https";
import { BlockList, isIP } from "node:net";
import { isLoopback } from "./loopback.ts";

/** The proxies of the environment. */
export interface ProxySettings {
  /** For `http:` URLs; undefined where there is none. */
  readonly http: string | undefined;
  /** For `https:` URLs; undefined where there is none. */
  readonly https: string | undefined;
  /** Hosts that are reached directly. */
  readonly noProxy: readonly string[];
}

/** Reads HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, each in lower case first, as `fetch` does. */
export function readProxySettings(
  env: (name: string) => string | undefined = (name) => Deno.env.get(name),
): ProxySettings {
  const read = (name: string) => env(name.toLowerCase()) || env(name) || undefined;
  const all = read("ALL_PROXY");
  return {
    http: read("HTTP_PROXY") ?? all,
    https: read("HTTPS_PROXY") ?? all,
    noProxy: (read("NO_PROXY") ?? "").split(",").map((entry) => entry.trim().toLowerCase()).filter(Boolean),
  };
}

/** The proxy for a URL, with its scheme; undefined where it is reached directly, as this machine itself always is. */
export function proxyFor(url: URL, settings: ProxySettings): string | undefined {
  if (isLoopback(url.host)) return undefined;
  return configuredProxy(url, settings);
}

/**
 * Whether `fetch` would send a URL of this machine to a proxy, which cannot reach it. Other tools never do that, so
 * nobody thinks of naming `localhost` in NO_PROXY.
 */
export function fetchGoesAstray(url: URL, settings: ProxySettings): boolean {
  return isLoopback(url.host) && configuredProxy(url, settings) !== undefined;
}

/**
 * An agent for node's HTTP client, which knows no proxies by itself; undefined for a direct connection. It keeps no
 * connection open, unless told.
 */
export function proxyAgent(url: URL, settings: ProxySettings, keepAlive = false): http.Agent | undefined {
  const proxy = proxyFor(url, settings);
  if (proxy === undefined) return undefined;
  const options = { proxyEnv: { HTTP_PROXY: proxy, HTTPS_PROXY: proxy }, keepAlive } as http.AgentOptions;
  return url.protocol === "https:" ? new https.Agent(options) : new http.Agent(options);
}

function configuredProxy(url: URL, settings: ProxySettings): string | undefined {
  const proxy = url.protocol === "https:" ? settings.https : settings.http;
  if (proxy === undefined || settings.noProxy.some((entry) => matches(url.hostname.toLowerCase(), entry))) {
    return undefined;
  }
  return /^[a-z0-9]+:\/\//i.test(proxy) ? proxy : `http://${proxy}`;
}

/**
 * Whether a host is named by an entry of NO_PROXY: `*`, an address, a range (`10.0.0.0/8`), a domain and all below it.
 */
function matches(hostname: string, entry: string): boolean {
  if (entry === "*") return true;
  const address = hostname.replace(/^\[|\]$/g, "");
  const family = isIP(address);
  if (family === 0) {
    const domain = entry.replace(/^\*?\./, "");
    return hostname === domain || hostname.endsWith(`.${domain}`);
  }
  const [network = "", bits] = entry.split("/");
  if (bits === undefined) return network.replace(/^\[|\]$/g, "") === address;
  const prefix = Number(bits);
  if (isIP(network) !== family || !/^\d+$/.test(bits) || prefix > (family === 6 ? 128 : 32)) return false;
  const type = family === 6 ? "ipv6" : "ipv4";
  const list = new BlockList();
  list.addSubnet(network, prefix, type);
  return list.check(address, type);
}
