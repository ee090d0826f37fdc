import * as http from "node:http";
import * as https from "node:https";
import { proxyAgent } from "./proxy_agent.ts";

/** How many idle connections to one host are kept. */
const MAX_IDLE = 16;

/** Agents for node's HTTP client that keep connections for the next request. Dispose them to close idle ones. */
export class KeptAgents implements Disposable {
  readonly #agents = new Map<string, http.Agent>();

  /** The agent for a URL's protocol, `http:` or `https:`. */
  get(protocol: string): http.Agent {
    const kept = this.#agents.get(protocol);
    if (kept) return kept;
    const options = { keepAlive: true, maxFreeSockets: MAX_IDLE };
    const agent = proxyAgent(protocol, true) ??
      (protocol === "https:" ? new https.Agent(options) : new http.Agent(options));
    this.#agents.set(protocol, agent);
    return agent;
  }

  /** Closes idle connections. */
  [Symbol.dispose](): void {
    for (const agent of this.#agents.values()) agent.destroy();
    this.#agents.clear();
  }
}
