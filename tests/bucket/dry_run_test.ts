import assert from "node:assert/strict";
import { ImageStore } from "../../src/bucket/image_store.ts";
import { copyImage } from "../../src/image/copy_image.ts";
import { BucketTarget } from "../../src/transports/bucket_target.ts";
import { singleImage } from "../support/images.ts";
import { MemorySource } from "../support/memory_place.ts";
import { MemoryStore, type StoreRequest } from "../support/memory_store.ts";

Deno.test("a dry run writes nothing to a bucket with immutable tags either, not even to find out whether conditions are heeded", async () => {
  const image = singleImage({ os: "linux", architecture: "amd64" });
  const requests: StoreRequest[] = [];
  const objects = new MemoryStore("bucket", { before: (request) => void requests.push(request) });
  await objects.write(
    "s3lo.yaml",
    new TextEncoder().encode("default:\n  immutable: true\n") as Uint8Array<ArrayBuffer>,
  );
  const target = () =>
    new BucketTarget(
      { store: new ImageStore(objects), image: "app", tag: "v1", digest: undefined, name: "s3://bucket/app:v1" },
      { concurrentBlobs: 2 },
    );
  requests.length = 0;
  const planned = await copyImage(new MemorySource(image), target(), { dryRun: true });
  assert.equal(planned.movedBlobs.length, image.blobs.size);
  const changing = (request: StoreRequest) => ["write", "writeStream", "remove", "copyFrom"].includes(request);
  assert.deepEqual(requests.filter(changing), []);
  await copyImage(new MemorySource(image), target());
  assert.ok(requests.filter(changing).length > image.blobs.size);
});
