/** A storage class that the user asked for is what the blobs get, or the write fails; one that we chose may be dropped. */
import assert from "node:assert/strict";
import { isImageError } from "../../src/errors.ts";
import { onAws } from "./noting_client.ts";
import { contentOf, pattern } from "./object_store_contract.ts";
import { oddS3, refuse } from "./odd_s3_server.ts";

const blob = { isBlob: true };

Deno.test("a storage class that was asked for and is refused fails the write, for every way of writing", async () => {
  await using odd = await oddS3(
    ({ headers }) => headers.has("x-amz-storage-class") ? refuse(400, "InvalidStorageClass", "x") : undefined,
    { storageClass: "WARM" },
  );
  const refused = (error: unknown) => isImageError(error, "unsupported") && error.hint?.includes("--storage-class");
  await odd.store.write("tag", pattern(10));
  await assert.rejects(odd.store.writeStream("blobs/a", contentOf(pattern(2500)), blob), refused);
  await assert.rejects(odd.store.writeStream("blobs/b", contentOf(pattern(25)), blob), refused);
  assert.deepEqual([...odd.objects.keys()], ["tag"]);
  // The store says no to the copy, and the bytes are then refused too.
  assert.equal(await odd.store.copyFrom(odd.store, "tag", "blobs/c", 10, blob), false);
  assert.deepEqual([...odd.objects.keys()], ["tag"]);
});

onAws(
  "the storage class that we choose on AWS is for blobs, and is left out where it is refused",
  ({ headers }) =>
    headers?.["x-amz-storage-class"] === "INTELLIGENT_TIERING"
      ? { status: 400, body: "<Error><Code>InvalidStorageClass</Code><Message>x</Message></Error>" }
      : { headers: { etag: '"e"' } },
  async (http, open) => {
    const store = await open({ region: "eu-west-1" });
    await store.write("m/manifest.json", pattern(3));
    await store.writeStream("blobs/one", contentOf(pattern(10)), blob);
    await store.writeStream("blobs/two", contentOf(pattern(10)), blob);
    const classes = http.requests.map(({ headers }) => headers?.["x-amz-storage-class"]);
    assert.deepEqual(classes, [undefined, "INTELLIGENT_TIERING", undefined, undefined]);
  },
);
