/** A part of an unfinished upload is taken for ours only where the server's SHA-256 or MD5 of it proves that it is. */
import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import { readAll } from "../../src/bytes/blob_reader.ts";
import { crc32Base64 } from "../../src/objects/s3_habits.ts";
import { digestOf } from "../../src/oci/digest.ts";
import { forgedLike } from "../support/forged_crc32.ts";
import { serviceTest } from "../support/services.ts";
import { contentOf, pattern } from "./object_store_contract.ts";
import { type OddS3, oddS3, type Quirk, refuse } from "./odd_s3_server.ts";
import { etagOf, sha256Of, xml } from "./odd_s3_answers.ts";
import { s3Kit } from "./s3_kit.ts";

const PERMISSIONS: Deno.PermissionOptions = { net: ["127.0.0.1"], env: true, read: "inherit", sys: "inherit" };
const blob = { isBlob: true };
const whole = pattern(3500);

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, permissions: PERMISSIONS, fn });
}

/** Numbers of the parts that were sent. */
function sentParts(odd: OddS3): string[] {
  return odd.requests.filter(({ operation }) => operation === "UploadPart").map(({ query }) =>
    query.get("partNumber") ?? ""
  ).sort();
}

/** An unfinished upload of the blob whose parts are these, with the checksum that they say they have. */
function plant(
  odd: OddS3,
  parts: readonly (readonly [number, Uint8Array<ArrayBuffer>, Record<string, string>, string?])[],
): void {
  const held = parts.map(([number, bytes, checksums, etag]) =>
    [number, { bytes, checksums, etag: etag ?? etagOf(bytes) }] as const
  );
  odd.uploads.set("planted", { key: "blobs/a", headers: {}, parts: new Map(held) });
}

const crcOf = (bytes: Uint8Array) => ({ ChecksumCRC32: crc32Base64(bytes) });
const part = (number: number) => whole.slice((number - 1) * 1000, number * 1000);

Deno.test("forgedLike() gives other bytes of the same CRC32", { permissions: "none" }, () => {
  for (const size of [5, 1000, 70_001]) {
    const bytes = pattern(size);
    const forged = forgedLike(bytes);
    assert.equal(crc32(forged), crc32(bytes));
    assert.notEqual(digestOf(forged), digestOf(bytes));
  }
});

test("a part with the wanted CRC32 and other bytes is sent again, one that is proven is not", async () => {
  await using odd = await oddS3();
  plant(odd, [[1, forgedLike(part(1)), crcOf(part(1))], [2, part(2), crcOf(part(2))]]);
  await odd.store.writeStream("blobs/a", contentOf(whole), blob);
  assert.deepEqual(odd.objects.get("blobs/a")?.bytes, whole);
  assert.deepEqual(sentParts(odd), ["1", "3", "4"]);
  assert.equal(odd.uploads.size, 0);
});

test("a part whose ETag is no MD5 proves nothing by its CRC32, and all by its SHA-256", async () => {
  {
    await using odd = await oddS3();
    plant(odd, [[1, part(1), crcOf(part(1)), '"0123456789abcdef0123456789abcdef"']]);
    await odd.store.writeStream("blobs/a", contentOf(whole), blob);
    assert.deepEqual(sentParts(odd), ["1", "2", "3", "4"]);
    assert.deepEqual(odd.objects.get("blobs/a")?.bytes, whole);
  }
  await using odd = await oddS3();
  const opaque = '"fedcba9876543210fedcba9876543210"';
  plant(odd, [
    [1, part(1), { ChecksumSHA256: sha256Of(part(1)) }, opaque],
    [2, forgedLike(part(2)), { ChecksumSHA256: sha256Of(forgedLike(part(2))) }, opaque],
  ]);
  await odd.store.writeStream("blobs/a", contentOf(whole), blob);
  assert.deepEqual(sentParts(odd), ["2", "3", "4"]);
  assert.deepEqual(odd.objects.get("blobs/a")?.bytes, whole);
  // The others go with the checksum that the upload has, and the completing call names both of each.
  for (const { operation, headers } of odd.requests) {
    if (operation === "UploadPart") assert.ok(headers.has("x-amz-checksum-sha256"));
  }
  const completing = odd.requests.find(({ operation }) => operation === "CompleteMultipartUpload");
  assert.equal(new TextDecoder().decode(completing?.body).match(/<ChecksumSHA256>/g)?.length, 4);
});

test("a part that somebody replaces after it was looked at fails the completing call", async () => {
  await using odd = await oddS3((request) => {
    if (request.operation !== "CompleteMultipartUpload") return undefined;
    odd.uploads.get("planted")?.parts.set(1, { bytes: forgedLike(part(1)), checksums: crcOf(part(1)) });
    const named = /<ETag>([^<]*)<\/ETag>/.exec(new TextDecoder().decode(request.body))?.[1]?.replaceAll("&quot;", '"');
    return named === etagOf(forgedLike(part(1))) ? undefined : refuse(400, "InvalidPart", "A part does not match");
  });
  plant(odd, [[1, part(1), crcOf(part(1))]]);
  // Begun anew after that: the trouble may lie in what was there.
  await odd.store.writeStream("blobs/a", contentOf(whole), blob).catch(() => {});
  const stored = odd.objects.get("blobs/a")?.bytes;
  assert.ok(stored === undefined || digestOf(stored) === digestOf(whole));
});

test("where the bucket encrypts with a key, parts get SHA-256 from the first upload on, and a later run knows them", async () => {
  const kms: Quirk = ({ operation, proceed }) => {
    if (operation !== "CreateMultipartUpload") return undefined;
    return new Response(proceed().body, { headers: { "x-amz-server-side-encryption": "aws:kms" } });
  };
  let broken = true;
  await using odd = await oddS3((request) => {
    if (request.operation === "ListParts") {
      // Such a server tells no MD5.
      const upload = odd.uploads.get(request.query.get("uploadId") ?? "");
      for (const [number, held] of upload?.parts ?? []) upload?.parts.set(number, { ...held, etag: '"opaque"' });
    }
    const isCut = broken && request.operation === "UploadPart" && Number(request.query.get("partNumber")) > 2;
    return isCut ? refuse(503, "SlowDown") : kms(request);
  });
  await assert.rejects(odd.store.writeStream("blobs/a", contentOf(whole), blob));
  // One was begun to find out, and ended; the other is kept.
  const begun = odd.requests.filter(({ operation }) => operation === "CreateMultipartUpload");
  assert.deepEqual(begun.map(({ headers }) => headers.get("x-amz-checksum-algorithm")), ["CRC32", "SHA256"]);
  assert.equal(odd.uploads.size, 1);
  broken = false;
  odd.requests.length = 0;
  await using next = await odd.open();
  await next.writeStream("blobs/a", contentOf(whole), blob);
  assert.deepEqual(odd.objects.get("blobs/a")?.bytes, whole);
  assert.deepEqual(sentParts(odd), ["3", "4"]);
});

test("a list of uploads that is a page, or refused, hinders nothing", async () => {
  for (const answer of [() => new Response("<html></html>"), () => refuse(403, "AccessDenied"), () => xml("<a/>")]) {
    await using odd = await oddS3(({ operation }) => operation === "ListMultipartUploads" ? answer() : undefined);
    await odd.store.writeStream("blobs/a", contentOf(whole), blob);
    assert.deepEqual(odd.objects.get("blobs/a")?.bytes, whole);
  }
});

for (const server of ["minio", "versity"] as const) {
  serviceTest(
    `a planted upload with a forged CRC32 does not become a blob (${server})`,
    [server],
    async (addresses) => {
      await using kit = await s3Kit(addresses[server]);
      const { CreateMultipartUploadCommand, UploadPartCommand } = await import("@aws-sdk/client-s3");
      const bytes = pattern(2 * kit.partBytes! + 77);
      const to = { Bucket: kit.bucket, Key: "blobs/a" };
      const { UploadId } = await kit.client.send(
        new CreateMultipartUploadCommand({ ...to, ChecksumAlgorithm: "CRC32" }),
      );
      const [first, second] = [bytes.slice(0, kit.partBytes), bytes.slice(kit.partBytes, 2 * kit.partBytes!)];
      for (const [PartNumber, Body] of [[1, forgedLike(first)], [2, second]] as const) {
        await kit.client.send(new UploadPartCommand({ ...to, UploadId, PartNumber, Body, ChecksumAlgorithm: "CRC32" }));
      }
      kit.lines.length = 0;
      await kit.store.writeStream("blobs/a", contentOf(bytes), blob);
      await using reader = await kit.store.open("blobs/a");
      assert.equal(digestOf(await readAll(reader, bytes.byteLength, "the blob")), digestOf(bytes));
      const sent = kit.lines.flatMap((line) => /^PUT .*partNumber=(\d+)/.exec(line)?.[1] ?? []).sort();
      assert.deepEqual(sent, ["1", "3"]);
    },
  );
}
