/** A TCP proxy that cuts connections, as bad networks do. */

/** A running proxy. */
export interface CuttingProxy extends AsyncDisposable {
  /** `127.0.0.1:port`. */
  readonly host: string;
  /** How many connections were cut so far. */
  readonly cuts: () => number;
}

/** Where connections are cut. */
export interface CutOptions {
  /** Bytes from the client after which a connection is cut. */
  readonly afterSentBytes?: number;
  /** Bytes from the server after which a connection is cut. */
  readonly afterReceivedBytes?: number;
  /** How many connections are cut in all; later ones are left alone. */
  readonly times: number;
}

/** Starts a proxy in front of `upstream` (`127.0.0.1:port`). */
export function serveCutting(upstream: string, options: CutOptions): CuttingProxy {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const port = Number(upstream.split(":")[1]);
  const running = new Set<Promise<void>>();
  const open = new Set<Deno.Conn>();
  let cuts = 0;
  const close = (connection: Deno.Conn) => {
    if (open.delete(connection)) connection.close();
  };
  const pipe = async (from: Deno.Conn, to: Deno.Conn, limit: number, cut: () => void) => {
    const buffer = new Uint8Array(32 * 1024);
    let total = 0;
    for (let count = await from.read(buffer); count !== null; count = await from.read(buffer)) {
      for (let done = 0; done < count;) done += await to.write(buffer.subarray(done, count));
      total += count;
      if (total >= limit && cuts < options.times) {
        cuts++;
        return cut();
      }
    }
  };
  const serve = async (client: Deno.Conn) => {
    open.add(client);
    const server = await Deno.connect({ hostname: "127.0.0.1", port });
    open.add(server);
    const closeBoth = () => {
      close(client);
      close(server);
    };
    const cut = () => {
      // The registry may finish what it has got before it learns of the cut.
      setTimeout(() => close(server), 100);
      close(client);
    };
    const out = pipe(client, server, options.afterSentBytes ?? Infinity, cut);
    const back = pipe(server, client, options.afterReceivedBytes ?? Infinity, cut);
    await Promise.allSettled([out.then(() => {}, closeBoth), back.then(() => {}, closeBoth)]);
    if (open.has(server)) await new Promise((resolve) => setTimeout(resolve, 120));
    closeBoth();
  };
  const accepting = (async () => {
    for await (const client of listener) {
      const task = serve(client).catch(() => {});
      running.add(task);
      task.finally(() => running.delete(task));
    }
  })();
  return {
    host: `127.0.0.1:${listener.addr.port}`,
    cuts: () => cuts,
    async [Symbol.asyncDispose]() {
      listener.close();
      for (const connection of open) close(connection);
      await accepting;
      await Promise.all(running);
    },
  };
}
