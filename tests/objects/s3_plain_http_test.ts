/** Over plain http a server that refuses checksums still gets signed bytes: nobody on the way can put in others. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { isImageError } from "../../src/errors.ts";
import { contentOf, pattern } from "./object_store_contract.ts";
import { onAws } from "./noting_client.ts";
import { type OddRequest, oddS3, refuse } from "./odd_s3_server.ts";
import { wrongChecksum } from "./odd_s3_answers.ts";

const PERMISSIONS: Deno.PermissionOptions = { net: ["127.0.0.1"], env: true, read: "inherit", sys: "inherit" };
const isWrite = ({ operation }: OddRequest) => ["PutObject", "UploadPart"].includes(operation);
const blob = { isBlob: true };

const REFUSALS = [
  ["a single 501", () => refuse(501, "NotImplemented"), "amz"],
  ["a demand for Content-MD5", () => refuse(400, "MissingContentMD5", "Content-MD5 is required"), "md5"],
] as const;

for (const [what, refusal, then] of REFUSALS) {
  Deno.test({
    name: `after ${what} over http every write is signed with what it holds, and other bytes are refused`,
    permissions: PERMISSIONS,
    fn: async () => {
      let refused = 0;
      let tampering = false;
      await using odd = await oddS3((request) => {
        if (!isWrite(request)) return undefined;
        if (refused++ === 0) return refusal();
        if (!tampering) return undefined;
        return wrongChecksum(request.headers, pattern(request.body.byteLength + 1).slice(1)) ?? request.proceed();
      });
      await odd.store.write("tag", pattern(10));
      await odd.store.writeStream("blobs/one", contentOf(pattern(900)), blob);
      await odd.store.writeStream("blobs/parts", contentOf(pattern(2500)), blob);
      await odd.store.writeStream("plain", { ...contentOf(pattern(2500)), digest: undefined as never });
      const writes = odd.requests.filter(isWrite).slice(1);
      assert.ok(writes.length >= 8);
      for (const { headers, body, operation } of writes) {
        const sha256 = createHash("sha256").update(body).digest("hex");
        assert.equal(headers.get("x-amz-content-sha256"), sha256, operation);
        assert.match(headers.get("authorization") ?? "", /SignedHeaders=[^,]*x-amz-content-sha256/);
        assert.equal(headers.has("content-md5"), then === "md5", operation);
      }
      tampering = true;
      const noticed = (error: unknown) => isImageError(error, "digest-mismatch");
      await assert.rejects(odd.store.write("tag2", pattern(10)), noticed);
      await assert.rejects(odd.store.writeStream("blobs/two", contentOf(pattern(900)), blob), noticed);
      await assert.rejects(odd.store.writeStream("blobs/three", contentOf(pattern(2500)), blob), noticed);
      assert.deepEqual([...odd.objects.keys()].sort(), ["blobs/one", "blobs/parts", "plain", "tag"]);
    },
  });
}

Deno.test({
  name: "where checksums are taken, whole objects are signed over http too, and parts by their signed checksum",
  permissions: PERMISSIONS,
  fn: async () => {
    await using odd = await oddS3();
    await odd.store.write("tag", pattern(10));
    await odd.store.writeStream("blobs/one", contentOf(pattern(900)), blob);
    await odd.store.writeStream("blobs/parts", contentOf(pattern(2500)), blob);
    for (const { headers, body, operation } of odd.requests.filter(isWrite)) {
      const signed = /SignedHeaders=([^,]*)/.exec(headers.get("authorization") ?? "")?.[1]?.split(";") ?? [];
      if (operation === "PutObject") {
        assert.equal(headers.get("x-amz-content-sha256"), createHash("sha256").update(body).digest("hex"));
      } else assert.ok(headers.has("x-amz-checksum-crc32") && signed.includes("x-amz-checksum-crc32"));
    }
  },
});

onAws(
  "under TLS bytes are not hashed a second time for the signature",
  () => ({ headers: { etag: '"e"' } }),
  async (http, open) => {
    const store = await open({ region: "eu-west-1" });
    await store.write("tag", pattern(10));
    assert.equal(http.requests[0]?.headers?.["x-amz-content-sha256"], "UNSIGNED-PAYLOAD");
  },
);
