import * as https from "node:https";
import type { Duplex } from "node:stream";
import { Dialer } from "./dialer.ts";
import type { HttpOptions } from "./message.ts";
import { isOldRuntime } from "./old_runtime.ts";
import { proxyFor, readProxySettings } from "./proxy.ts";
import { loadRuntimeAuthorities } from "./runtime_clients.ts";
import { NO_OWN_TRUST } from "./trust.ts";

/** What node tells an agent of the connection that it needs. */
interface Wanted {
  readonly host?: string;
  readonly port?: number | string;
}

type Done = (error: Error | null, socket?: Duplex) => void;

/**
 * Has all requests of this process that go by node's https connect as ours do: the AWS SDK asks by it for tokens of ECR and
 * for the credentials of single sign-on and roles. Node would want to read all of the runtime's certificate authorities,
 * which the program may not, and knows neither our authorities nor proxies. For the program alone: a library does not
 * change its host.
 */
export function adoptAgents(options: Pick<HttpOptions, "trust" | "insecure">): void {
  if (isOldRuntime()) return;
  const dialer = new Dialer();
  const dial = async ({ host = "localhost", port = 443 }: Wanted): Promise<Duplex> => {
    loadRuntimeAuthorities();
    const url = new URL(`https://${host.includes(":") ? `[${host}]` : host}:${port}`);
    const trust = await options.trust?.(url.host) ?? NO_OWN_TRUST;
    return await dialer.dial({
      url,
      proxy: proxyFor(url, readProxySettings()),
      trust,
      insecure: options.insecure ?? false,
    });
  };
  const createConnection = (wanted: Wanted, done: Done) => {
    dial(wanted).then((socket) => done(null, socket), done);
  };
  Object.assign(https.Agent.prototype, { createConnection });
}
