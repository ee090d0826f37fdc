/** A TCP proxy on a free loopback port that counts what passes through it. */
export interface CountingProxy extends AsyncDisposable {
  /** `127.0.0.1:port`. */
  readonly host: string;
  /** Bytes towards the server so far. */
  readonly sentBytes: number;
  /** Bytes towards the client so far. */
  readonly receivedBytes: number;
}

/** Starts a proxy in front of `host:port`. */
export function countingProxy(server: string): CountingProxy {
  const [hostname = "", port = ""] = server.split(":");
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const counts = { sent: 0, received: 0 };
  const open = new Set<Deno.Conn>();
  const pump = async (from: Deno.Conn, to: Deno.Conn, count: (bytes: number) => void) => {
    const buffer = new Uint8Array(64 * 1024);
    try {
      for (let length = await from.read(buffer); length !== null; length = await from.read(buffer)) {
        count(length);
        for (let written = 0; written < length;) written += await to.write(buffer.subarray(written, length));
      }
      await to.closeWrite();
    } catch { /* one side went away */ }
  };
  const serve = async (client: Deno.Conn) => {
    const upstream = await Deno.connect({ hostname, port: Number(port) });
    open.add(client).add(upstream);
    await Promise.all([
      pump(client, upstream, (bytes) => counts.sent += bytes),
      pump(upstream, client, (bytes) => counts.received += bytes),
    ]);
    for (const connection of [client, upstream]) if (open.delete(connection)) connection.close();
  };
  const running = new Set<Promise<void>>();
  const accepting = (async () => {
    for await (const client of listener) {
      const serving = serve(client).catch(() => {});
      running.add(serving);
      serving.finally(() => running.delete(serving));
    }
  })();
  return {
    host: `127.0.0.1:${(listener.addr as Deno.NetAddr).port}`,
    get sentBytes() {
      return counts.sent;
    },
    get receivedBytes() {
      return counts.received;
    },
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting;
      for (const connection of open) if (open.delete(connection)) connection.close();
      await Promise.allSettled([...running]);
    },
  };
}
