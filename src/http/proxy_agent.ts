import * as http from "node:http";
import * as https from "node:https";

/** The variables that `fetch` takes its proxies from, lower case first as everywhere. */
const PROXY_VARIABLES = ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"] as const;

/**
 * An agent for node's HTTP client that goes through the same proxies as `fetch` does, which node's client does not do
 * by itself. Undefined when no proxy is set. It keeps no connection open.
 */
export function proxyAgent(protocol: string): http.Agent | undefined {
  const found = Object.fromEntries(
    PROXY_VARIABLES.map((name) => [name, Deno.env.get(name.toLowerCase()) || Deno.env.get(name)] as const)
      .filter(([, value]) => value),
  ) as Record<string, string>;
  const fallback = found["ALL_PROXY"];
  const proxyEnv = fallback === undefined ? found : { HTTP_PROXY: fallback, HTTPS_PROXY: fallback, ...found };
  if (proxyEnv["HTTP_PROXY"] === undefined && proxyEnv["HTTPS_PROXY"] === undefined) return undefined;
  const options = { proxyEnv, keepAlive: false } as http.AgentOptions;
  return protocol === "https:" ? new https.Agent(options) : new http.Agent(options);
}
