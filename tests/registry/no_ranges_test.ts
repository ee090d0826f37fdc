/**
 * A registry that answers 200 with everything where a range was asked for: large layers are read in ranges, and each of those
 * would be the whole layer again. After the first such answer one stream is read, whatever comes.
 */
import assert from "node:assert/strict";
import { readAll } from "../../src/bytes/blob_reader.ts";
import { SharedBuffers } from "../../src/bytes/shared_buffers.ts";
import { copyImage } from "../../src/image/copy_image.ts";
import { SourceBlob } from "../../src/image/source_blob.ts";
import type { Descriptor } from "../../src/oci/descriptor.ts";
import { digestOf } from "../../src/oci/digest.ts";
import { exactReader } from "../../src/registry/exact_reader.ts";
import { openRegistrySource } from "../../src/transports/registry.ts";
import { singleImage } from "../support/images.ts";
import { MemoryTarget } from "../support/memory_place.ts";
import { serveRaw, serveScript, writeText } from "../support/scripted_server.ts";
import { registryReference, testSession } from "./support.ts";

const KIB = 1024;
const bytes = new Uint8Array(600 * KIB + 1).map((_, index) => index * 31 + (index >> 9));
const blob: Descriptor = { mediaType: "application/octet-stream", digest: digestOf(bytes), size: bytes.byteLength };

/** A registry with the blob that gives no ranges, and tells how many bytes of it went out. */
function wholeOnly(status: 200 | 416) {
  const served = { whole: 0, ranges: 0 };
  const server = serveScript(({ path, headers }) => {
    if (path === "/v2/") return new Response("{}");
    if (headers.has("range")) served.ranges++;
    if (headers.has("range") && status === 416) return new Response(null, { status });
    served.whole++;
    return new Response(bytes);
  });
  return { served, server, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

for (const status of [200, 416] as const) {
  Deno.test(`a layer that is to be read in ranges is read as one stream where a range is answered ${status}`, async () => {
    await using registry = wholeOnly(status);
    using session = testSession({ plainHttp: true });
    const source = openRegistrySource(registryReference(`${registry.server.host}/app:v1`), session);
    // Ten ranges, seven at once.
    const ranges = new SharedBuffers(7, 64 * KIB);
    assert.equal(source.parallelRanges, 8);
    for (const asked of [1, 1]) {
      await using reader = await new SourceBlob(source, blob, { ranges, baseDelayMs: 1 }).open();
      assert.deepEqual(await readAll(reader, bytes.byteLength, "the blob"), bytes);
      assert.equal(registry.served.ranges, asked, "one range is asked for, and none after its answer");
    }
    assert.equal(source.parallelRanges, 1);
    assert.ok(registry.served.whole <= 3, `${registry.served.whole} times the whole`);
  });
}

Deno.test("a registry that stops giving ranges in the middle of a layer is read on as one stream", async () => {
  let ranges = 0;
  await using server = serveScript(({ path, headers }) => {
    if (path === "/v2/") return new Response("{}");
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(headers.get("range") ?? "") ?? [];
    if (from === undefined || ++ranges > 3) return new Response(bytes);
    const part = bytes.subarray(Number(from), Number(to) + 1);
    return new Response(part, { status: 206, headers: { "content-range": `bytes ${from}-${to}/${bytes.byteLength}` } });
  });
  using session = testSession({ plainHttp: true });
  const source = openRegistrySource(registryReference(`${server.host}/app:v1`), session);
  const ranged = new SourceBlob(source, blob, { ranges: new SharedBuffers(2, 64 * KIB), baseDelayMs: 1 });
  await using reader = await ranged.open();
  assert.deepEqual(await readAll(reader, bytes.byteLength, "the blob"), bytes);
  // Two may be on their way when the first whole answer comes, and one stream follows.
  assert.ok(server.requests.length <= 1 + 3 + 2 + 1, `${server.requests.length} requests`);
});

Deno.test("a stream that breaks again and again is not read from its start without end", async () => {
  let sent = 0;
  let asked = 0;
  await using server = serveRaw(async (head, connection) => {
    if (head.startsWith("GET /v2/ ")) {
      return await writeText(connection, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    }
    // Each connection brings a little more than the one before, so that there is always progress.
    const length = Math.min(bytes.byteLength, ++asked * 10 * KIB);
    await writeText(connection, `HTTP/1.1 200 OK\r\ncontent-length: ${bytes.byteLength}\r\nconnection: close\r\n\r\n`);
    for (let done = 0; done < length;) done += await connection.write(bytes.subarray(done, length));
    sent += length;
  });
  using session = testSession({ plainHttp: true });
  const source = openRegistrySource(registryReference(`${server.host}/app:v1`), session);
  await using reader = await new SourceBlob(source, blob, { baseDelayMs: 1 }).open();
  await assert.rejects(readAll(reader, bytes.byteLength, "the blob"), {
    code: "unavailable",
    message: /connections break, and the registry gives no ranges/,
  });
  // The whole would take 60 connections and 18 MiB.
  assert.ok(asked <= 12, `${asked} connections`);
  assert.ok(sent < 2 * bytes.byteLength, `${sent} bytes`);
});

Deno.test("bytes at the start are not skipped through the consumer's small buffer", async () => {
  let reads = 0;
  const inner = {
    read: (into: Uint8Array<ArrayBuffer>) => {
      reads++;
      return Promise.resolve(into.fill(7));
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  await using reader = exactReader(inner, { skip: 32 * KIB * KIB, length: 1, what: "the blob" });
  assert.deepEqual(await reader.read(new Uint8Array(1)), new Uint8Array([7]));
  assert.equal((await reader.read(new Uint8Array(1))).byteLength, 0);
  assert.ok(reads <= 129, `${reads} reads`);
});

Deno.test("a copy of a large layer from a registry without ranges moves it once", async () => {
  const image = singleImage({ os: "linux", architecture: "amd64" }, {
    seed: 15,
    layerBytes: 17 * KIB * KIB,
    compression: "none",
  });
  let wholes = 0;
  await using server = serveScript(({ path }) => {
    if (path === "/v2/") return new Response("{}");
    const { bytes, descriptor } = image.root;
    if (path.includes("/manifests/")) {
      return new Response(new Uint8Array(bytes), { headers: { "content-type": descriptor.mediaType } });
    }
    const found = image.blobs.get(path.slice(path.lastIndexOf("/") + 1) as never);
    if (found && found.byteLength > KIB * KIB) wholes++;
    return found && new Response(new Uint8Array(found));
  });
  using session = testSession({ plainHttp: true });
  await using source = openRegistrySource(registryReference(`${server.host}/app:v1`), session);
  const target = new MemoryTarget();
  await copyImage(source, target);
  for (const digest of image.blobs.keys()) assert.equal(digestOf(target.blobs.get(digest)!), digest);
  // At most the first answer to a range in vain, for each of the layers.
  if (image.root.content.kind !== "image") throw new Error("no image");
  const large = image.root.content.layers.filter(({ size }) => size > KIB * KIB).length;
  assert.ok(wholes <= 2 * large, `${wholes} answers for ${large} layers`);
});
