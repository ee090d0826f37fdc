import assert from "node:assert/strict";
import { fill, readAll, streamReader } from "../../src/bytes/blob_reader.ts";
import { prefetched } from "../../src/bytes/prefetch.ts";
import { type ClosedRange, readAhead } from "../../src/bytes/read_ahead.ts";
import { SharedBuffers } from "../../src/bytes/shared_buffers.ts";
import { numbered } from "./readers.ts";

const permissions = { net: ["127.0.0.1"] };
const SIZE = 3_000_000;

/** Serves numbered bytes, in ranges where asked, on a free port; counts requests. */
async function withServer(body: (url: string, requests: string[]) => Promise<void>): Promise<void> {
  const requests: string[] = [];
  const everything = numbered(SIZE);
  await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, (request) => {
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.get("range") ?? "");
    requests.push(range?.[0] ?? "whole");
    if (!range) return new Response(everything);
    return new Response(everything.slice(Number(range[1]), Number(range[2]) + 1), { status: 206 });
  });
  await body(`http://127.0.0.1:${(server.addr as Deno.NetAddr).port}`, requests);
}

/** Answers one request with less than it promised, and closes the connection. */
async function withCutAnswer(body: (url: string) => Promise<void>): Promise<void> {
  using listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const answer = async () => {
    using connection = await listener.accept();
    await connection.read(new Uint8Array(4096));
    const head = new TextEncoder().encode(`HTTP/1.1 200 OK\r\nContent-Length: ${SIZE}\r\n\r\n`);
    await connection.write(head);
    await connection.write(numbered(50_000));
  };
  await Promise.all([answer(), body(`http://127.0.0.1:${(listener.addr as Deno.NetAddr).port}`)]);
}

async function openUrl(url: string, range?: ClosedRange, signal?: AbortSignal) {
  const headers: Record<string, string> = range
    ? { range: `bytes=${range.start}-${range.start + range.length - 1}` }
    : {};
  const response = await fetch(url, { headers, ...(signal ? { signal } : {}) });
  return streamReader(response.body!);
}

Deno.test("streamReader() reads the body of a real answer into the same few buffers", { permissions }, async () => {
  await withServer(async (url) => {
    await using reader = await openUrl(url);
    const expected = numbered(SIZE);
    let position = 0;
    let view: Uint8Array<ArrayBuffer> = new Uint8Array(700_000);
    for (let ended = false; !ended;) {
      const filled = await fill(reader, view);
      assert.deepEqual(filled.bytes, expected.subarray(position, position + filled.bytes.byteLength));
      position += filled.bytes.byteLength;
      ended = filled.ended;
      view = new Uint8Array(filled.bytes.buffer);
      assert.equal(view.byteLength, 700_000, "no buffer is lost, at the end neither");
    }
    assert.equal(position, SIZE);
  });
});

Deno.test("streamReader() closed in the middle of a real answer leaves nothing open", { permissions }, async () => {
  await withServer(async (url) => {
    await using reader = await openUrl(url);
    assert.ok((await reader.read(new Uint8Array(1000))).byteLength > 0);
  });
});

Deno.test("streamReader() fails where a real answer is cut, and never just ends", { permissions }, async () => {
  await withCutAnswer(async (url) => {
    await using reader = await openUrl(url);
    await assert.rejects(readAll(reader, SIZE, "answer"));
  });
  await withCutAnswer(async (url) => {
    await using reader = prefetched(await openUrl(url), { bufferBytes: 16_384, count: 3 });
    await assert.rejects(readAll(reader, SIZE, "answer"));
  });
});

Deno.test("prefetched() and readAhead() read a real answer whole", { permissions }, async () => {
  await withServer(async (url, requests) => {
    await using ahead = prefetched(await openUrl(url), { bufferBytes: 100_000, count: 3 });
    assert.deepEqual(await readAll(ahead, SIZE, "answer"), numbered(SIZE));
    requests.length = 0;
    const open = (range: ClosedRange, signal: AbortSignal) => openUrl(url, range, signal);
    await using ranged = readAhead(open, { start: 10, sizeBytes: SIZE, buffers: new SharedBuffers(2, 1_000_000) });
    assert.deepEqual(await readAll(ranged, SIZE, "answer"), numbered(SIZE - 10, 10));
    assert.deepEqual(requests, ["bytes=10-1000009", "bytes=1000010-2000009", "bytes=2000010-2999999"]);
  });
});

Deno.test("readAhead() closed in the middle of real answers leaves nothing open", { permissions }, async () => {
  await withServer(async (url) => {
    const open = (range: ClosedRange, signal: AbortSignal) => openUrl(url, range, signal);
    await using reader = readAhead(open, { sizeBytes: SIZE, buffers: new SharedBuffers(3, 500_000) });
    assert.ok((await reader.read(new Uint8Array(1000))).byteLength > 0);
  });
});
