import assert from "node:assert/strict";
import { HttpClient } from "../../src/http/client.ts";

Deno.test({
  name: "HttpClient sends large bodies one after another over one connection, byte for byte",
  permissions: { net: ["127.0.0.1"], env: true },
  fn: async () => {
    const ports = new Set<number>();
    const sums: number[] = [];
    const server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      async (request, { remoteAddr }) => {
        ports.add(remoteAddr.port);
        const body = new Uint8Array(await request.arrayBuffer());
        assert.equal(request.headers.get("content-length"), String(body.byteLength));
        sums.push(body.reduce((sum, byte) => sum + byte, 0));
        return new Response("taken");
      },
    );
    const client = new HttpClient();
    try {
      const body = new Uint8Array(2 * 1024 * 1024);
      for (let round = 1; round <= 4; round++) {
        body.fill(round);
        const url = `http://127.0.0.1:${server.addr.port}/`;
        const answer = await client.send({ method: "PUT", url, body });
        assert.equal(new TextDecoder().decode(await answer.bytes(100)), "taken");
        // The buffer is the sender's again and may be filled with something else.
      }
      assert.deepEqual(sums, [1, 2, 3, 4].map((round) => round * body.byteLength));
      assert.equal(ports.size, 1);
    } finally {
      client[Symbol.dispose]();
      await server.shutdown();
    }
  },
});
