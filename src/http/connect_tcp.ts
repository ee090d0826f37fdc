import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { sleep } from "../bytes/retry.ts";

/** How long a host's first address may take before the others are tried beside it. Spec: RFC 8305, section 5. */
const NEXT_ADDRESS_MS = 300;

/** What connecting needs of the system. */
export interface ConnectSystem<C extends Disposable> {
  connect(hostname: string, port: number): Promise<C>;
  /** All addresses of a name, the one that the runtime takes first. */
  addresses(hostname: string): Promise<readonly string[]>;
}

const SYSTEM: ConnectSystem<Deno.TcpConn> = {
  connect: (hostname, port) => Deno.connect({ hostname, port }),
  addresses: async (hostname) => (await lookup(hostname, { all: true })).map(({ address }) => address),
};

/**
 * Connects to a host by whichever of its addresses answers. The runtime takes the first and no other: `localhost` is often
 * `::1` first, where servers listen on `127.0.0.1` alone. Throws what the first address failed with.
 */
export async function connectTcp(hostname: string, port: number): Promise<Deno.TcpConn> {
  const connection = await connectAny(SYSTEM, hostname, port);
  connection.setNoDelay(true);
  return connection;
}

/** As {@linkcode connectTcp}, by a system of one's own. */
export async function connectAny<C extends Disposable>(
  system: ConnectSystem<C>,
  hostname: string,
  port: number,
): Promise<C> {
  const first = system.connect(hostname, port);
  if (isIP(hostname) !== 0) return await first;
  const waiting = new AbortController();
  const isEarly = await Promise.race([
    first.then(() => true, () => false),
    sleep(NEXT_ADDRESS_MS, waiting.signal).then(() => false, () => false),
  ]);
  waiting.abort();
  if (isEarly) return await first;
  const [, ...others] = await system.addresses(hostname).catch(() => []);
  const attempts = [first, ...others.map((address) => system.connect(address, port))];
  const winner = await Promise.any(attempts).catch(() => first);
  for (const attempt of attempts) {
    attempt.then((each) => each === winner ? undefined : each[Symbol.dispose](), () => {});
  }
  return winner;
}
