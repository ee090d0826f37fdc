import assert from "node:assert/strict";
import { ImageError } from "../../src/errors.ts";
import { HttpClient } from "../../src/http/client.ts";
import { StallGuard } from "../../src/http/stall_guard.ts";
import { serveRaw, writeText } from "../support/scripted_server.ts";

function isStalled(error: unknown): boolean {
  assert.ok(error instanceof ImageError, String(error));
  assert.equal(error.code, "unavailable");
  assert.match(error.message, /nothing came for/);
  return true;
}

for (const size of ["small", "large"]) {
  const body = new Uint8Array(size === "small" ? 10 : 2 * 1024 * 1024);
  Deno.test({
    name: `StallGuard ends a request with a ${size} body that is not answered, and one whose answer stands still`,
    permissions: { net: ["127.0.0.1"], env: true },
    fn: async () => {
      const { promise: over, resolve: end } = Promise.withResolvers<void>();
      await using server = serveRaw(async (head, connection) => {
        if (head.startsWith("GET")) await writeText(connection, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome");
        await over;
      });
      using client = new HttpClient();
      const url = `http://${server.host}/`;
      const sending = new StallGuard(server.host);
      await assert.rejects(
        sending.watch(100, () => client.send({ method: "PUT", url, body, signal: sending.signal })),
        isStalled,
      );
      const reading = new StallGuard(server.host);
      const answer = await reading.watch(5000, () => client.send({ method: "GET", url, signal: reading.signal }));
      await using reader = reading.reader(answer.reader(), 100);
      assert.equal((await reader.read(new Uint8Array(100))).byteLength, 4);
      await assert.rejects(reader.read(new Uint8Array(100)), isStalled);
      end();
    },
  });
}

Deno.test("StallGuard leaves the caller's own stop alone", { permissions: "none" }, async () => {
  const stop = new AbortController();
  const guard = new StallGuard("host", stop.signal);
  const waiting = guard.watch(
    10_000,
    () => new Promise((_, reject) => guard.signal.addEventListener("abort", () => reject(new Error("stopped")))),
  );
  stop.abort();
  await assert.rejects(waiting, /stopped/);
});
