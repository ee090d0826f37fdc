import assert from "node:assert/strict";
import { markdownTable, newestResults, renderInto } from "../../scripts/bench/render.ts";
import { RequestCounter } from "../../scripts/bench/request_counter.ts";
import { median, type Report, rowOf, withRatios } from "../../scripts/bench/results.ts";
import { Wire } from "../../scripts/bench/wire.ts";

const pure = (name: string, fn: () => void) => Deno.test({ name, permissions: "none", fn });

const REQUESTS = [
  "GET /v2/ HTTP/1.1\r\nHost: h\r\n\r\n",
  "PUT /a HTTP/1.1\r\nContent-Length: 19\r\n\r\nGET / HTTP/1.1\r\n\r\nx",
  "PATCH /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n10;ext=1\r\nGET / HTTP/1.1\r\n\r\n0\r\nTrailer: x\r\n\r\n",
  "HEAD /c HTTP/1.1\r\n\r\n",
].join("");

pure("RequestCounter counts requests whatever their bodies hold and wherever the bytes are cut", () => {
  const bytes = new TextEncoder().encode(REQUESTS);
  for (const pieceBytes of [1, 2, 7, 64, bytes.byteLength]) {
    const methods: string[] = [];
    const counter = new RequestCounter((method) => methods.push(method));
    for (let at = 0; at < bytes.byteLength; at += pieceBytes) counter.feed(bytes.subarray(at, at + pieceBytes));
    assert.deepEqual(methods, ["GET", "PUT", "PATCH", "HEAD"], `${pieceBytes} bytes at once`);
  }
});

pure("median() is the middle, and of an even number of values the mean of the two in the middle", () => {
  assert.equal(median([5, 1, 9]), 5);
  assert.equal(median([1, 2, 4, 100]), 3);
});

const cost = (wallMs: number) => ({ wallMs, cpuMs: wallMs / 2, rssBytes: 1024 * 1024, writtenBytes: 0 });

pure("withRatios() compares each with the best of the others", () => {
  const rows = withRatios([
    rowOf("s3lo", [cost(50)], {}),
    rowOf("crane", [cost(100)], {}),
    rowOf("oras", [cost(200)], {}),
  ]);
  assert.deepEqual(rows.map((row) => row.wallRatio), [0.5, 2, 4]);
});

pure("the table is of the newest result of each scenario, and takes the place between the markers", () => {
  const report = (date: string, wallMs: number): Report => ({
    date,
    commit: "c",
    machine: "2 cores",
    load: [0, 0],
    results: [{
      scenario: "a",
      about: "Copy",
      payload: "1 GB",
      profile: "lan",
      rows: withRatios([rowOf("s3lo", [cost(wallMs)], {}), rowOf("crane", [cost(1000)], {})]),
    }],
  });
  const history = [report("2026-01-01T00:00:00Z", 900), report("2026-02-01T00:00:00Z", 400)];
  assert.equal(newestResults(history).length, 1);
  const table = markdownTable(history);
  assert.match(table, /\| Copy, 1 GB \| 0\.400 \/ 0\.200 s \| 1 MiB \| – \| crane 1\.00 \/ 0\.500 s \| 0\.40 \|/);
  assert.ok(!table.includes("0.900"));
  assert.equal(renderInto("a <!-- bench -->old<!-- /bench --> b", "T"), "a <!-- bench -->\n\nT\n\n<!-- /bench --> b");
  assert.throws(() => renderInto("no markers", "T"));
});

Deno.test({
  name: "a Wire with a distance delays answers by the round trip and lets no more through than it is wide",
  permissions: { net: ["127.0.0.1"] },
  fn: async () => {
    await using server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      () => new Response("x".repeat(100_000)),
    );
    await using wire = new Wire(`127.0.0.1:${server.addr.port}`, { roundTripMs: 40, bytesPerSecond: 1_000_000 });
    using client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
    const started = performance.now();
    const response = await fetch(`http://${wire.host}/`, { client });
    assert.equal((await response.text()).length, 100_000);
    // A round trip to open the connection, one for question and answer, and a tenth of a second for the bytes.
    assert.ok(performance.now() - started >= 175, `${performance.now() - started} ms`);
    const traffic = wire.take();
    assert.equal(traffic.requests, 1);
    assert.ok(traffic.receivedBytes > 100_000);
  },
});
