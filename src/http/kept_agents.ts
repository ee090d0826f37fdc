import * as http from "node:http";
import * as https from "node:https";
import { proxyAgent, proxyFor, type ProxySettings } from "./proxy.ts";

/** How many idle connections to one host are kept. */
const MAX_IDLE = 16;

/** Agents for node's HTTP client that keep connections for the next request. Dispose them to close idle ones. */
export class KeptAgents implements Disposable {
  readonly #agents = new Map<string, http.Agent>();

  /** The agent for a URL, which goes through its proxy where it has one. */
  get(url: URL, proxies: ProxySettings): http.Agent {
    const key = `${url.protocol} ${proxyFor(url, proxies) ?? ""}`;
    const kept = this.#agents.get(key);
    if (kept) return kept;
    const options = { keepAlive: true, maxFreeSockets: MAX_IDLE };
    const agent = proxyAgent(url, proxies, true) ??
      (url.protocol === "https:" ? new https.Agent(options) : new http.Agent(options));
    this.#agents.set(key, agent);
    return agent;
  }

  /** Closes idle connections. */
  [Symbol.dispose](): void {
    for (const agent of this.#agents.values()) agent.destroy();
    this.#agents.clear();
  }
}
