import assert from "node:assert/strict";
import { bytesReader } from "../../src/bytes/blob_reader.ts";
import { ImageError } from "../../src/errors.ts";
import { HttpClient } from "../../src/http/client.ts";
import { connectionFailure } from "../../src/http/connection_failure.ts";
import { isRetriableStatus, retryAfterMs, sendRetrying } from "../../src/http/send_retrying.ts";
import { serveRaw, serveScript, writeText } from "../support/scripted_server.ts";

const permissions: Deno.PermissionOptions = { net: ["127.0.0.1"], env: true };
const quick = { baseDelayMs: 1, maxDelayMs: 2000 };

for (const status of [408, 429, 500, 502, 503, 504]) {
  Deno.test(`sendRetrying() tries again after ${status}`, { permissions }, async () => {
    let answers = 0;
    await using server = serveScript(() => new Response("x", { status: ++answers < 3 ? status : 200 }));
    using client = new HttpClient();
    const response = await sendRetrying(client, { method: "GET", url: `${server.origin}/` }, quick);
    await response.discard();
    assert.equal(response.status, 200);
    assert.equal(server.requests.length, 3);
  });
}

for (const status of [400, 401, 403, 404, 416, 501, 505]) {
  Deno.test(`sendRetrying() gives back ${status} at once`, { permissions }, async () => {
    await using server = serveScript(() => new Response("x", { status }));
    using client = new HttpClient();
    const response = await sendRetrying(client, { method: "GET", url: `${server.origin}/` }, quick);
    await response.discard();
    assert.equal(response.status, status);
    assert.equal(server.requests.length, 1);
  });
}

Deno.test("sendRetrying() gives back the last answer, body and all, when tries run out", { permissions }, async () => {
  await using server = serveScript(() => new Response("why", { status: 503 }));
  using client = new HttpClient();
  const response = await sendRetrying(client, { method: "GET", url: `${server.origin}/` }, { ...quick, tries: 2 });
  assert.equal(new TextDecoder().decode(await response.bytes(10)), "why");
  assert.equal(server.requests.length, 2);
});

Deno.test("sendRetrying() waits as long as Retry-After says, within maxDelayMs", { permissions }, async () => {
  const waits: number[] = [];
  let answers = 0;
  await using server = serveScript(() => {
    const headers = { "retry-after": ++answers === 1 ? "0.15" : "3600" };
    return new Response(null, { status: answers < 3 ? 429 : 200, headers });
  });
  using client = new HttpClient();
  const options = { baseDelayMs: 1, maxDelayMs: 300, onRetry: (_: unknown, delayMs: number) => waits.push(delayMs) };
  const response = await sendRetrying(client, { method: "GET", url: `${server.origin}/` }, options);
  await response.discard();
  assert.equal(response.status, 200);
  assert.ok(waits[0]! >= 150 && waits[0]! <= 250, `${waits[0]}`);
  assert.equal(waits[1], 300);
});

Deno.test("sendRetrying() tries again when the connection is lost", { permissions }, async () => {
  await using server = serveRaw(async (_, connection) => {
    if (server.heads.length < 3) return;
    await writeText(connection, "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n");
  });
  using client = new HttpClient();
  const response = await sendRetrying(client, { method: "GET", url: `http://${server.host}/` }, quick);
  await response.discard();
  assert.equal(response.status, 204);
});

Deno.test("sendRetrying() does not try again where the server speaks no TLS", { permissions }, async () => {
  using client = new HttpClient();
  let retries = 0;
  const options = { ...quick, onRetry: () => retries++ };
  await using plain = serveScript(() => new Response());
  const request = { method: "GET", url: `https://${plain.host}/` };
  await assert.rejects(sendRetrying(client, request, options), { code: "unavailable" });
  assert.equal(retries, 0);
});

Deno.test("sendRetrying() sends a stream once", { permissions }, async () => {
  await using server = serveScript(() => new Response(null, { status: 503 }));
  using client = new HttpClient();
  const body = { sizeBytes: 3, content: bytesReader(new Uint8Array(3)) };
  const response = await sendRetrying(client, { method: "PUT", url: `${server.origin}/`, body }, quick);
  await response.discard();
  assert.equal(response.status, 503);
  assert.equal(server.requests.length, 1);
});

Deno.test("retryAfterMs() reads seconds, dates and moments, and nothing else", { permissions: "none" }, () => {
  const now = Date.parse("2026-03-01T00:00:00Z");
  const cases: readonly (readonly [string | undefined, number | undefined])[] = [
    [undefined, undefined],
    ["", undefined],
    ["0", 0],
    ["12", 12_000],
    [" 1.5 ", 1500],
    ["Sun, 01 Mar 2026 00:00:10 GMT", 10_000],
    ["Sat, 28 Feb 2026 00:00:00 GMT", 0],
    [String(now / 1000 + 7), 7000],
    ["soon", undefined],
    ["-5", undefined],
  ];
  for (const [text, expected] of cases) {
    const headers = new Headers(text === undefined ? {} : { "retry-after": text });
    assert.equal(retryAfterMs(headers, now), expected, text);
  }
});

Deno.test("isRetriableStatus() leaves out what will never work", { permissions: "none" }, () => {
  assert.deepEqual([200, 404, 408, 429, 500, 501, 503, 505, 507].filter(isRetriableStatus), [408, 429, 500, 503, 507]);
});

Deno.test(
  "connectionFailure() looks through causes, for node's codes and fetch's words",
  { permissions: "none" },
  () => {
    const withCode = Object.assign(new Error("x"), { code: "ECONNREFUSED" });
    const cases: readonly (readonly [unknown, string])[] = [
      [withCode, "refused"],
      [new ImageError("unavailable", "Cannot", { cause: withCode }), "refused"],
      [new Error("fetch failed", { cause: new Error("invalid peer certificate: UnknownIssuer") }), "certificate"],
      [Object.assign(new Error("self-signed certificate"), { code: "DEPTH_ZERO_SELF_SIGNED_CERT" }), "certificate"],
      [new Error("dns error: failed to lookup address information"), "name"],
      [new Error("something else"), "other"],
      ["text", "other"],
    ];
    for (const [error, expected] of cases) assert.equal(connectionFailure(error), expected);
  },
);
