import * as http from "node:http";
import type { Duplex } from "node:stream";
import type { Dialer, Way } from "./dialer.ts";
import { isOldRuntime } from "./old_runtime.ts";

/** How many idle connections to one host are kept. */
const MAX_IDLE = 16;

/** What node calls when an agent needs a connection. */
type CreateConnection = (options: unknown, done: (error: Error | null, socket?: Duplex) => void) => void;

/** Agents for node's HTTP client, whose connections come from a dialer. Dispose them to close idle ones. */
export class KeptAgents implements Disposable {
  readonly #agents = new Map<string, http.Agent>();
  readonly #dialer: Dialer;

  /** Connects by this dialer. */
  constructor(dialer: Dialer) {
    this.#dialer = dialer;
  }

  /** The agent for a way, which keeps connections for the next request. */
  get(way: Way): http.Agent {
    const key = `${way.url.origin} ${way.proxy?.label ?? ""}`;
    const kept = this.#agents.get(key);
    if (kept) return kept;
    const agent = this.#make(way, true);
    this.#agents.set(key, agent);
    return agent;
  }

  /** An agent for one request, whose connection is closed after it. */
  once(way: Way): http.Agent {
    return this.#make(way, false);
  }

  /** Closes idle connections. */
  [Symbol.dispose](): void {
    for (const agent of this.#agents.values()) agent.destroy();
    this.#agents.clear();
  }

  #make(way: Way, keepAlive: boolean): http.Agent {
    const agent = new http.Agent({ keepAlive, maxFreeSockets: MAX_IDLE });
    if (isOldRuntime()) return agent;
    const create: CreateConnection = (_, done) => {
      this.#dialer.dial(way).then((socket) => done(null, socket), done);
    };
    return Object.assign(agent, { createConnection: create });
  }
}
