import assert from "node:assert/strict";
import { oddS3 } from "../objects/odd_s3_server.ts";
import { pattern } from "../objects/object_store_contract.ts";

Deno.test("hazard 11: an object that is made new by copying it onto itself keeps class and content type", async () => {
  await using odd = await oddS3(undefined, { storageClass: "INTELLIGENT_TIERING" });
  const bytes = pattern(500);
  odd.objects.set("blobs/a", { bytes, headers: {}, partSizes: [] });
  await odd.store.copyFrom(odd.store, "blobs/a", "blobs/a", bytes.byteLength, { isBlob: true });
  const { headers } = odd.requests.find(({ operation }) => operation === "CopyObject")!;
  assert.equal(headers.get("x-amz-storage-class"), "INTELLIGENT_TIERING");
  assert.equal(headers.get("content-type"), "application/octet-stream");
  assert.deepEqual(odd.objects.get("blobs/a")?.bytes, bytes);
});
