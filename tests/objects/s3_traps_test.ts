import assert from "node:assert/strict";
import { isImageError } from "../../src/errors.ts";
import { heedsConditions } from "../../src/objects/heeds_conditions.ts";
import { partSize } from "../../src/objects/s3_multipart.ts";
import { contentOf, pattern, readObject } from "./object_store_contract.ts";
import { type OddRequest, oddS3, type Quirk, refuse } from "./odd_s3_server.ts";

/** What the SDK reads; the network is this machine's own. */
const PERMISSIONS: Deno.PermissionOptions = { net: ["127.0.0.1"], env: true, read: "inherit", sys: "inherit" };

function trap(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, permissions: PERMISSIONS, fn });
}

const conflict = (error: unknown) => isImageError(error, "conflict");
const hasChecksum = ({ headers }: OddRequest) => [...headers.keys()].some((name) => name.startsWith("x-amz-checksum"));
const writes = (request: OddRequest) => ["PutObject", "UploadPart"].includes(request.operation);

Deno.test("trap 1 (R2 wants equal parts): partSize() keeps to 10,000 equal parts whatever the size", {
  permissions: "none",
}, () => {
  const mib = 1024 * 1024;
  for (const sizeBytes of [1, 8 * mib, 80_000 * mib, 80_000 * mib + 1, 5 * mib * mib]) {
    const bytes = partSize(sizeBytes, 8 * mib);
    assert.ok(bytes >= 8 * mib && bytes % mib === 0);
    assert.ok(Math.ceil(sizeBytes / bytes) <= 10_000);
  }
});

trap(
  "trap 1 (R2 wants equal parts): parts that are sent and parts that are copied are equal but for the last",
  async () => {
    await using odd = await oddS3(undefined, { copyLimitBytes: 2500, copyPartBytes: 1500 });
    const bytes = pattern(3456);
    await odd.store.writeStream("blobs/a", contentOf(bytes), { isBlob: true });
    assert.deepEqual(odd.objects.get("blobs/a")?.partSizes, [1000, 1000, 1000, 456]);
    assert.deepEqual(odd.objects.get("blobs/a")?.bytes, bytes);
    const large = pattern(3007);
    odd.objects.set("large", { bytes: large, headers: {}, partSizes: [] });
    assert.equal(await odd.store.copyFrom(odd.store, "large", "copy", large.byteLength, { isBlob: true }), true);
    assert.deepEqual(odd.objects.get("copy")?.partSizes, [1500, 1500, 7]);
    assert.deepEqual(odd.objects.get("copy")?.headers["content-type"], "application/octet-stream");
  },
);

for (
  const [server, quirk] of [
    [
      "R2 answers 501",
      (request) =>
        hasChecksum(request)
          ? refuse(501, "NotImplemented", "Header 'x-amz-checksum-crc32' with value 'x' not implemented")
          : undefined,
    ],
    [
      "OVH answers 400",
      (request) =>
        hasChecksum(request) ? refuse(400, "InvalidArgument", "Checksum algorithm provided is unsupported") : undefined,
    ],
    [
      "only whole objects are refused",
      (request) =>
        hasChecksum(request) && request.operation === "PutObject" ? refuse(501, "NotImplemented") : undefined,
    ],
  ] satisfies [string, Quirk][]
) {
  trap(`trap 2 (checksums refused; ${server}): writes go on with plain bytes, and that is remembered`, async () => {
    await using odd = await oddS3(quirk);
    const bytes = pattern(2500);
    await odd.store.write("small", pattern(10));
    await odd.store.writeStream("blobs/large", contentOf(bytes), { isBlob: true });
    await odd.store.writeStream("blobs/one", contentOf(pattern(900)), { isBlob: true });
    assert.deepEqual(odd.objects.get("small")?.bytes, pattern(10));
    assert.deepEqual(odd.objects.get("blobs/large")?.bytes, bytes);
    assert.deepEqual(odd.objects.get("blobs/one")?.bytes, pattern(900));
    assert.equal(odd.requests.filter((request) => writes(request) && hasChecksum(request)).length, 1);
    assert.equal(odd.uploads.size, 0);
  });
}

trap(
  "trap 2 (Oracle refuses aws-chunked): bodies are plain, of known length, and the digest is the checksum",
  async () => {
    await using odd = await oddS3();
    const bytes = pattern(900);
    await odd.store.writeStream("blobs/one", contentOf(bytes), { isBlob: true });
    await odd.store.writeStream("blobs/three", contentOf(pattern(2500)), { isBlob: true });
    const sent = odd.requests.filter(writes);
    assert.equal(sent.length, 4);
    for (const { headers, body } of sent) {
      assert.equal(headers.get("content-length"), String(body.byteLength));
      assert.equal(headers.get("transfer-encoding"), null);
      assert.equal(headers.get("content-encoding"), null);
      // Over plain http; a part's checksum is signed instead of its bytes.
      const isPart = headers.has("x-amz-checksum-crc32");
      assert.match(headers.get("x-amz-content-sha256") ?? "", isPart ? /^UNSIGNED-PAYLOAD$/ : /^[0-9a-f]{64}$/);
    }
    assert.ok(sent[0]?.headers.has("x-amz-checksum-sha256"));
    assert.ok(sent[1]?.headers.has("x-amz-checksum-crc32"));
  },
);

for (const [status, code] of [[400, "MissingContentMD5"], [400, "InvalidRequest"], [501, "NotImplemented"]] as const) {
  trap(
    `trap 3 (DeleteObjects answered ${status} ${code}): objects are removed one by one, and that is remembered`,
    async () => {
      await using odd = await oddS3(({ operation }) =>
        operation === "DeleteObjects"
          ? refuse(status, code, "Missing required header for this request: Content-Md5")
          : undefined
      );
      for (const key of ["a", "b", "c", "d"]) await odd.store.write(key, pattern(1));
      await odd.store.remove(["a", "b", "none"]);
      await odd.store.remove(["c", "d"]);
      assert.equal(odd.objects.size, 0);
      assert.equal(odd.operations().filter((name) => name === "DeleteObjects").length, 1);
    },
  );
}

trap("trap 4 (GCS rewrites Accept-Encoding): no request signs that header", async () => {
  await using odd = await oddS3();
  const { store } = odd;
  await store.write("a", pattern(1));
  await store.writeStream("b", contentOf(pattern(2500)));
  await store.head("a");
  await store.read("a", 10);
  await readObject(store, "b", 10, 10);
  await Array.fromAsync(store.list(""));
  await store.copyFrom(store, "a", "c", 1);
  await store.remove(["a", "b"]);
  assert.ok(odd.requests.length >= 12);
  for (const { headers, operation } of odd.requests) {
    const signed = /SignedHeaders=([^,]*)/.exec(headers.get("authorization") ?? "")?.[1]?.split(";") ?? [];
    assert.ok(signed.includes("host"), operation);
    assert.ok(!signed.includes("accept-encoding"), operation);
  }
});

for (
  const [status, code] of [[404, "NoSuchKey"], [409, "ConditionalRequestConflict"], [
    412,
    "PreconditionFailed",
  ]] as const
) {
  trap(`trap 5 (an unmet condition answered ${status}): it is a conflict, whole or in parts`, async () => {
    await using odd = await oddS3(({ headers, operation }) =>
      operation !== "CreateMultipartUpload" && (headers.has("if-match") || headers.has("if-none-match"))
        ? refuse(status, code)
        : undefined
    );
    const condition = { etag: '"x"' };
    await assert.rejects(odd.store.write("a", pattern(1), { condition }), conflict);
    await assert.rejects(odd.store.writeStream("a", contentOf(pattern(900)), { condition }), conflict);
    await assert.rejects(
      odd.store.writeStream("a", contentOf(pattern(2500)), { condition: { absent: true } }),
      conflict,
    );
    assert.equal(odd.objects.size, 0);
    assert.equal(odd.uploads.size, 0);
  });
}

trap("trap 5 (conditions ignored or not implemented): heedsConditions() finds out and leaves nothing", async () => {
  const ignoring: Quirk = (request) => {
    request.headers.delete("if-none-match");
    return undefined;
  };
  await using ignorant = await oddS3((request) => {
    const headers = new Headers(request.headers);
    if (request.operation !== "PutObject" || !headers.has("if-none-match")) return undefined;
    return ignoring({ ...request, headers }) ?? new Response(null, { headers: { etag: '"x"' } });
  });
  assert.equal(await heedsConditions(ignorant.store), false);
  await using refusing = await oddS3(({ headers }) =>
    headers.has("if-none-match") ? refuse(501, "NotImplemented", "A header you provided is not implemented") : undefined
  );
  assert.equal(await heedsConditions(refusing.store), false);
  await using good = await oddS3();
  assert.equal(await heedsConditions(good.store), true);
  for (const { objects } of [ignorant, refusing, good]) assert.equal(objects.size, 0);
});

trap("trap 6 (Object Lock wants a checksum on every part): every write carries one", async () => {
  await using odd = await oddS3((request) =>
    writes(request) && !hasChecksum(request) && !request.headers.has("content-md5") ? lockRefusal() : undefined
  );
  await odd.store.write("a", pattern(10));
  await odd.store.writeStream("blobs/large", contentOf(pattern(2500)), { isBlob: true });
  await odd.store.writeStream("blobs/unknown", { ...contentOf(pattern(100)), digest: undefined as never });
  assert.equal(odd.objects.size, 3);
  assert.equal(odd.requests.filter(writes).length, 5);
});

for (const refusesAmz of [false, true]) {
  const how = refusesAmz ? "refuses the new checksums and demands Content-MD5" : "knows Content-MD5 only";
  trap(`trap 6 (a server that ${how}): it is sent, and that is remembered`, async () => {
    await using odd = await oddS3((request) => {
      if (!writes(request)) return undefined;
      if (refusesAmz && hasChecksum(request)) return refuse(501, "NotImplemented", "x-amz-checksum-sha256");
      return request.headers.has("content-md5") ? undefined : lockRefusal();
    });
    await odd.store.write("a", pattern(10));
    const before = odd.requests.length;
    await odd.store.writeStream("blobs/large", contentOf(pattern(2500)), { isBlob: true });
    assert.deepEqual(odd.objects.get("blobs/large")?.bytes, pattern(2500));
    assert.equal(odd.requests.slice(before).filter(writes).length, 3);
  });
}

function lockRefusal(): Response {
  return refuse(
    400,
    "InvalidRequest",
    "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters",
  );
}
