/** Buckets as source and target of a copy: chunked layers that are there already, and what cleaning can do meanwhile. */
import assert from "node:assert/strict";
import { recipeKey } from "../../src/bucket/chunk_keys.ts";
import { ImageStore } from "../../src/bucket/image_store.ts";
import { ImageError, isImageError } from "../../src/errors.ts";
import { copyImage, type CopyResult } from "../../src/image/copy_image.ts";
import { blobPath, digestOf } from "../../src/oci/digest.ts";
import { BucketSource } from "../../src/transports/bucket_source.ts";
import { BucketTarget } from "../../src/transports/bucket_target.ts";
import { type ChunkedImage, chunkedImage } from "../support/chunked_images.ts";
import { MemoryStore, type MemoryStoreHooks, type StoreRequest } from "../support/memory_store.ts";

const HOUR_MS = 60 * 60 * 1000;
const TAG = "manifests/app/v1/manifest.json";

/** A store with an image under `app:v1`. */
function storeOf(image: ChunkedImage, name: string, hooks: MemoryStoreHooks = {}): MemoryStore {
  const store = new MemoryStore(name, hooks);
  for (const [key, bytes] of image.layer.objects) store.set(key, bytes);
  store.set(blobPath(digestOf(image.config)), image.config);
  store.set("s3lo.yaml", new TextEncoder().encode("chunk_format: 1\n"));
  store.set(TAG, image.manifest);
  return store;
}

/** The same image with its layer stored whole. */
function wholeStoreOf(image: ChunkedImage, name: string): MemoryStore {
  const store = new MemoryStore(name);
  store.set(blobPath(image.layer.descriptor.digest), image.layer.stored);
  store.set(blobPath(digestOf(image.config)), image.config);
  store.set("s3lo.yaml", new TextEncoder().encode("chunk_format: 1\n"));
  store.set(TAG, image.manifest);
  return store;
}

function placeOf(store: MemoryStore, tag = "v1") {
  return { store: new ImageStore(store), image: "app", tag, digest: undefined, name: `${store.name}/app:${tag}` };
}

async function copy(from: MemoryStore, to: MemoryStore, tag = "v1"): Promise<CopyResult> {
  await using source = new BucketSource(placeOf(from));
  await using target = new BucketTarget(placeOf(to, tag), { concurrentBlobs: 4 });
  return await copyImage(source, target);
}

/** Reads every blob of the image back, through a fresh source. */
async function checkReadable(store: MemoryStore, image: ChunkedImage, tag = "v1"): Promise<void> {
  const back = new MemoryStore("s3://back", { copiesOnServer: false });
  await using source = new BucketSource(placeOf(store, tag));
  await using target = new BucketTarget(placeOf(back), { concurrentBlobs: 4 });
  const result = await copyImage(source, target);
  assert.equal(result.root.descriptor.digest, digestOf(image.manifest));
}

/** Requests between two states of a store, by kind. */
function requestsSince(store: MemoryStore, before: Record<StoreRequest, number>): number {
  return Object.entries(store.requests).reduce((sum, [kind, count]) => sum + count - before[kind as StoreRequest], 0);
}

/** What the Go tool's cleaning removes that has seen no tag yet: everything that is an hour old. */
function clean(store: MemoryStore): string[] {
  const old = store.keys.filter((key) => /^(blobs|chunks|recipes|indexes)\//.test(key))
    .filter((key) => store.timeOf(key) <= Date.now() - HOUR_MS);
  old.forEach((key) => store.delete(key));
  return old;
}

function ageAll(store: MemoryStore, ms: number): void {
  for (const key of store.keys) store.age(key, ms);
}

Deno.test(
  "copy into a bucket counts a layer whose chunks are all there as held",
  { permissions: { env: true } },
  async () => {
    const image = chunkedImage(1);
    const [source, target] = [storeOf(image, "s3://a"), storeOf(image, "s3://b")];
    const { movedBlobs, linkedBlobs, presentBlobs } = await copy(source, target, "v2");
    assert.deepEqual([movedBlobs.length, linkedBlobs.length, presentBlobs.length], [0, 0, 2]);
    assert.equal(target.requests.writeStream + target.requests.copyFrom, 0);
    assert.equal(target.requests.write, 1, "the tag alone");
  },
);

Deno.test("copy of an image that is there takes few requests", { permissions: { env: true } }, async () => {
  const image = chunkedImage(2);
  const [source, target] = [storeOf(image, "s3://a"), storeOf(image, "s3://b")];
  ageAll(target, 48 * HOUR_MS);
  const before = { ...target.requests };
  await copy(source, target);
  // Tag, settings, config, layer and recipe looked up, the recipe read, each chunk looked up; and nothing written.
  assert.equal(requestsSince(target, before), 6 + image.layer.recipe.chunks.length, target.log.join("\n"));
  assert.deepEqual([target.requests.write, target.requests.copyFrom], [0, 0]);
  assert.equal(source.requests.open + source.requests.read, 1, "the source's manifest alone");
});

for (const lost of ["chunk", "recipe"] as const) {
  Deno.test(`copy into a bucket brings back what it lost: a ${lost}`, { permissions: { env: true } }, async () => {
    const image = chunkedImage(3);
    const [source, target] = [storeOf(image, "s3://a"), storeOf(image, "s3://b")];
    const key = target.keys.find((each) => each.startsWith(lost === "chunk" ? "chunks/" : "recipes/"))!;
    target.delete(key);
    const { linkedBlobs } = await copy(source, target);
    assert.equal(linkedBlobs.length, lost === "chunk" ? 1 : 0);
    assert.deepEqual(target.keys, source.keys);
    await checkReadable(target, image);
  });
}

Deno.test("copy writes a layer whole where a recipe leads to chunks that are gone, and takes the recipe away", {
  permissions: { env: true },
}, async () => {
  const image = chunkedImage(4);
  const key = recipeKey(image.layer.descriptor.digest);
  const [source, target] = [wholeStoreOf(image, "s3://a"), storeOf(image, "s3://b")];
  target.delete(target.keys.find((each) => each.startsWith("chunks/"))!);
  await copy(source, target);
  assert.equal(target.get(key), undefined);
  await checkReadable(target, image);
});

Deno.test("copy into a bucket makes old objects young that a new tag relies on, before the tag is there", {
  permissions: { env: true },
}, async () => {
  const image = chunkedImage(5);
  const source = storeOf(image, "s3://a");
  let cleaned: string[] | undefined;
  const target = storeOf(image, "s3://b", {
    before: (request, key) => {
      if (request === "write" && key === TAG) cleaned = clean(target);
    },
  });
  target.delete(TAG);
  ageAll(target, 48 * HOUR_MS);
  await copy(source, target);
  assert.deepEqual(cleaned, []);
  await checkReadable(target, image);
});

Deno.test("copy of one layer more makes the chunks young that were there", { permissions: { env: true } }, async () => {
  const image = chunkedImage(6);
  const [source, target] = [storeOf(image, "s3://a"), storeOf(image, "s3://b")];
  target.delete(TAG);
  target.delete(target.keys.find((key) => key.startsWith("chunks/"))!);
  ageAll(target, 48 * HOUR_MS);
  await copy(source, target);
  assert.deepEqual(clean(target), []);
});

Deno.test("copy publishes nothing when a cleaning took what it relies on, and the next run completes", {
  permissions: { env: true },
}, async () => {
  const image = chunkedImage(7);
  const source = storeOf(image, "s3://a");
  const chunk = source.keys.find((key) => key.startsWith("chunks/"))!;
  const target = storeOf(image, "s3://b", {
    before: (request, key) => {
      if (request === "copyFrom" && key === chunk) target.delete(chunk);
    },
  });
  target.delete(TAG);
  ageAll(target, 48 * HOUR_MS);
  await assert.rejects(
    copy(source, target),
    (error) => isImageError(error, "conflict") && error.message.includes(chunk) && error.hint !== undefined,
  );
  assert.equal(target.get(TAG), undefined);
  target.hooks.before = () => {};
  await copy(source, target);
  await checkReadable(target, image);
});

Deno.test(
  "copy tells of objects that were lost where the store cannot make them young",
  { permissions: { env: true } },
  async () => {
    const image = chunkedImage(8);
    const source = storeOf(image, "s3://a");
    const target = storeOf(image, "s3://b", {
      copiesOnServer: false,
      before: (request, key) => {
        if (request === "write" && key === TAG) clean(target);
      },
    });
    target.delete(TAG);
    ageAll(target, 48 * HOUR_MS);
    await assert.rejects(copy(source, target), (error) => isImageError(error, "conflict"));
  },
);

Deno.test(
  "copy leaves young objects and those of a tag that means the same alone",
  { permissions: { env: true } },
  async () => {
    const image = chunkedImage(9);
    const source = storeOf(image, "s3://a");
    const young = storeOf(image, "s3://b");
    await copy(source, young, "v2");
    assert.equal(young.requests.copyFrom, 0);
    const old = storeOf(image, "s3://c");
    ageAll(old, 48 * HOUR_MS);
    await copy(source, old);
    assert.equal(old.requests.copyFrom, 0);
  },
);

Deno.test("a copy between buckets stops between two chunks", { permissions: { env: true } }, async () => {
  const image = chunkedImage(71);
  const controller = new AbortController();
  const from = storeOf(image, "s3://from");
  const to = new MemoryStore("s3://to", { copiesOnServer: false });
  to.hooks.before = (request, key) => {
    if (request === "write" && key.startsWith("chunks/")) controller.abort(new ImageError("aborted", "Stopped"));
  };
  await using source = new BucketSource(placeOf(from));
  await using target = new BucketTarget(placeOf(to), { concurrentBlobs: 4, signal: controller.signal });
  await assert.rejects(copyImage(source, target), (error) => isImageError(error, "aborted"));
  assert.ok(!to.keys.some((key) => key.startsWith("recipes/")), `${to.keys}`);
});

Deno.test("readDigest() reads no more tags than it takes to find the digest", { permissions: "none" }, async () => {
  const image = chunkedImage(72);
  const store = storeOf(image, "s3://store");
  for (let tag = 100; tag < 300; tag++) store.set(`manifests/app/v${tag}/manifest.json`, image.manifest);
  const found = await new ImageStore(store).readDigest("app", digestOf(image.manifest));
  assert.equal(found.descriptor.digest, digestOf(image.manifest));
  assert.ok(store.requests.read < 50, `${store.requests.read} objects were read`);
});
