import { BlockList, isIP } from "node:net";
import { ImageError } from "../errors.ts";
import { isLoopback } from "./loopback.ts";
import { keepSecret } from "./redact.ts";

/** A proxy of the environment. */
export interface Proxy {
  /** How it is spoken to. */
  readonly scheme: "http" | "https" | "socks5";
  readonly hostname: string;
  readonly port: number;
  readonly credentials?: { readonly username: string; readonly password: string };
  /** Its address as it may be shown: `http://host:port`. */
  readonly label: string;
  /** The variable that names it. */
  readonly variable: string;
}

/** A proxy as a variable names it. */
interface NamedProxy {
  readonly value: string;
  readonly variable: string;
}

/** The proxies of the environment. */
export interface ProxySettings {
  /** For `http:` URLs; undefined where there is none. */
  readonly http: NamedProxy | undefined;
  /** For `https:` URLs; undefined where there is none. */
  readonly https: NamedProxy | undefined;
  /** Hosts that are reached directly, as NO_PROXY names them. */
  readonly noProxy: readonly string[];
}

/** The ports of proxies that name none. */
const DEFAULT_PORTS = { http: 80, https: 443, socks5: 1080 } as const;

/** Reads HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, each in lower case first, as curl does. */
export function readProxySettings(
  env: (name: string) => string | undefined = (name) => Deno.env.get(name),
): ProxySettings {
  const read = (name: string): NamedProxy | undefined => {
    for (const variable of [name.toLowerCase(), name]) {
      const value = env(variable)?.trim();
      if (value) return { value, variable };
    }
    return undefined;
  };
  const all = read("ALL_PROXY");
  return {
    http: read("HTTP_PROXY") ?? all,
    https: read("HTTPS_PROXY") ?? all,
    noProxy: (read("NO_PROXY")?.value ?? "").split(/[\s,]+/).map((entry) => entry.toLowerCase()).filter(Boolean),
  };
}

/**
 * The proxy for a URL; undefined where it is reached directly, as this machine itself always is: nobody thinks of naming
 * `localhost` in NO_PROXY. Throws `usage` for a proxy that cannot be used.
 */
export function proxyFor(url: URL, settings: ProxySettings): Proxy | undefined {
  if (isLoopback(url.host)) return undefined;
  const named = url.protocol === "https:" ? settings.https : settings.http;
  const port = url.port === "" ? (url.protocol === "https:" ? "443" : "80") : url.port;
  const hostname = url.hostname.toLowerCase().replace(/^\[|\]$/g, "").replace(/\.$/, "");
  if (named === undefined || settings.noProxy.some((entry) => matches(hostname, port, entry))) return undefined;
  return parseProxy(named);
}

/**
 * Reads a proxy as people write it: `host:port`, or a URL of `http`, `https`, `socks5` or `socks5h`, with user and password
 * where it wants them. Throws `usage`.
 */
export function parseProxy({ value, variable }: NamedProxy): Proxy {
  const text = /^[a-z][a-z0-9+.-]*:\/\//i.test(value) ? value : `http://${value}`;
  const scheme = text.slice(0, text.indexOf(":")).toLowerCase();
  const known = scheme === "socks5h" ? "socks5" : scheme;
  if (known !== "http" && known !== "https" && known !== "socks5") {
    throw new ImageError("usage", `Cannot use the proxy in ${variable}: "${scheme}" is not a kind that s3lo speaks`, {
      hint: `Name an http, https or socks5 proxy in ${variable}`,
    });
  }
  // The scheme of another kind would take default ports away and leave hosts as they are.
  const address = `http://${text.slice(text.indexOf("://") + 3)}`;
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (!url || url.hostname === "" || url.search !== "" || url.hash !== "") {
    throw new ImageError("usage", `Cannot use the proxy in ${variable}: it is no address`, {
      hint: `Write ${variable}=http://host:port`,
    });
  }
  const port = portOf(address) ?? DEFAULT_PORTS[known];
  const hostname = url.hostname.replace(/^\[|\]$/g, "");
  keepSecret(decoded(url.password));
  const hasCredentials = url.username !== "" || url.password !== "";
  return {
    scheme: known,
    hostname,
    port,
    label: `${scheme}://${url.hostname}:${port}`,
    variable,
    ...(hasCredentials ? { credentials: { username: decoded(url.username), password: decoded(url.password) } } : {}),
  };
}

/** The port that an address names itself; a URL forgets the one that is usual for its scheme. */
function portOf(address: string): number | undefined {
  const port = /^[a-z]+:\/\/(?:[^/]*@)?(?:\[[^\]]*\]|[^/:]*):(\d+)/.exec(address)?.[1];
  return port === undefined ? undefined : Number(port);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * Whether an entry of NO_PROXY names a host: `*`, an address, a range (`10.0.0.0/8`), a domain and all below it (`x.test`,
 * `.x.test`, `*.x.test`), each with a port or without.
 */
function matches(hostname: string, port: string, entry: string): boolean {
  if (entry === "*") return true;
  const [, bracketed, plain, wanted] = /^(?:\[([^\]]+)\]|([^:]*))(?::(\d+))?$/.exec(entry) ?? [];
  // Several colons without brackets: an address of version 6 whole.
  const name = (bracketed ?? plain ?? entry).replace(/\.$/, "");
  if (wanted !== undefined && wanted !== port) return false;
  const family = isIP(hostname);
  if (family === 0) {
    const domain = name.replace(/^\*?\./, "");
    return domain !== "" && (hostname === domain || hostname.endsWith(`.${domain}`));
  }
  const [network = "", bits] = name.split("/");
  const most = family === 6 ? 128 : 32;
  if (isIP(network) !== family || (bits !== undefined && !/^\d+$/.test(bits)) || Number(bits ?? most) > most) {
    return false;
  }
  const type = family === 6 ? "ipv6" : "ipv4";
  const list = new BlockList();
  list.addSubnet(network, Number(bits ?? most), type);
  return list.check(hostname, type);
}
