/** A proxy before a server that reads what a client sends only when the test says so. */

/** What the proxy does to connections. */
export interface HoldingProxyOptions {
  /** Of each connection so many bytes are passed on before it is held; undefined holds none. */
  readonly holdAfterBytes?: number;
  /** The first connection that has carried so many bytes is cut; once. */
  readonly cutAfterBytes?: number;
}

/** A running proxy. */
export interface HoldingProxy extends AsyncDisposable {
  readonly host: string;
  /** Whether the cut took place. */
  readonly wasCut: () => boolean;
  /** Lets everything pass from now on. */
  release(): void;
}

/** Starts a proxy before `target`, a host with its port. */
export function startHoldingProxy(target: string, options: HoldingProxyOptions = {}): HoldingProxy {
  const { holdAfterBytes = Infinity, cutAfterBytes = Infinity } = options;
  const [hostname = "", port = ""] = target.split(":");
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const released = Promise.withResolvers<void>();
  const open = new Set<Deno.Conn>();
  const running = new Set<Promise<void>>();
  let wasCut = false;
  const close = (conn: Deno.Conn) => {
    if (open.delete(conn)) conn.close();
  };
  const pump = async (from: Deno.Conn, to: Deno.Conn, isUp: boolean) => {
    const buffer = new Uint8Array(64 * 1024);
    let passed = 0;
    try {
      for (let count = await from.read(buffer); count !== null; count = await from.read(buffer)) {
        passed += count;
        if (isUp && passed >= cutAfterBytes && !wasCut) {
          wasCut = true;
          close(from);
          close(to);
          return;
        }
        if (isUp && passed >= holdAfterBytes) await released.promise;
        for (let written = 0; written < count;) written += await to.write(buffer.subarray(written, count));
      }
      await to.closeWrite();
    } catch {
      close(from);
      close(to);
    }
  };
  const serve = async (client: Deno.Conn) => {
    open.add(client);
    try {
      const server = await Deno.connect({ hostname, port: Number(port) });
      open.add(server);
      await Promise.all([pump(client, server, true), pump(server, client, false)]);
      close(server);
    } finally {
      close(client);
    }
  };
  const accepting = (async () => {
    for await (const client of listener) {
      const task = serve(client).catch(() => {}).finally(() => running.delete(task));
      running.add(task);
    }
  })();
  const { port: ownPort } = listener.addr as Deno.NetAddr;
  return {
    host: `127.0.0.1:${ownPort}`,
    wasCut: () => wasCut,
    release: () => released.resolve(),
    async [Symbol.asyncDispose]() {
      released.resolve();
      listener.close();
      for (const conn of [...open]) close(conn);
      await accepting.catch(() => {});
      await Promise.allSettled([...running]);
    },
  };
}
