/** HTTP/1.1 is spoken wherever it is understood, since the runtime is slow over HTTP/2; else HTTP/2. */
import assert from "node:assert/strict";
import * as http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { bytesReader } from "../../src/bytes/blob_reader.ts";
import { HttpClient } from "../../src/http/client.ts";
import { certificatesExpected, makeCertificate } from "../support/certificates.ts";

for (const allowHTTP1 of [true, false]) {
  Deno.test({
    name: `a server that speaks HTTP/2 ${
      allowHTTP1 ? "and HTTP/1.1 is spoken to by the latter" : "alone is served all the same"
    }`,
    ignore: !certificatesExpected,
    fn: async () => {
      const { ca, cert, key } = await makeCertificate();
      const seen: string[] = [];
      const server = http2.createSecureServer({ cert, key, allowHTTP1 }, (request, response) => {
        seen.push(request.httpVersion);
        let count = 0;
        request.on("data", (piece: Uint8Array) => count += piece.byteLength);
        request.on("end", () => response.end(`${count}`));
      });
      const sessions = new Set<http2.ServerHttp2Session>();
      server.on("session", (session) => sessions.add(session));
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/`;
      const bodies = [
        undefined,
        new Uint8Array(1000),
        new Uint8Array(200_000),
        { sizeBytes: 600_000, content: bytesReader(new Uint8Array(600_000)) },
      ];
      try {
        for (const first of [0, 3]) {
          using client = new HttpClient({ caCertificates: [ca] });
          for (const body of [bodies[first], ...bodies.slice(0, 3)]) {
            const again = body && "content" in body ? { ...body, content: bytesReader(new Uint8Array(600_000)) } : body;
            const answer = await client.send({ method: body ? "PUT" : "GET", url, body: again });
            const size = body instanceof Uint8Array ? body.byteLength : body?.sizeBytes ?? 0;
            assert.equal(new TextDecoder().decode(await answer.bytes(100)), `${size}`);
          }
        }
      } finally {
        server.close();
        for (const session of sessions) session.destroy();
      }
      assert.deepEqual(seen, Array(8).fill(allowHTTP1 ? "1.1" : "2.0"));
    },
  });
}
