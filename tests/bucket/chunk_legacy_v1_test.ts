import assert from "node:assert/strict";
import { isLegacyName, LegacyImage } from "../../src/bucket/legacy_v1.ts";
import { readAll } from "../../src/bytes/blob_reader.ts";
import { isImageError } from "../../src/errors.ts";
import { blobPath, digestOf } from "../../src/oci/digest.ts";
import { blobsOf } from "../../src/oci/manifest.ts";
import { parsePlatform } from "../../src/oci/platform.ts";
import { singleImage, type TestImage } from "../support/images.ts";
import { MemoryStore } from "../support/memory_store.ts";

/** Writes an image as the Go tool v1.0 did: everything below the tag's own folder. */
function putLegacy(store: MemoryStore, folder: string, image: TestImage): void {
  store.set(`${folder}/manifest.json`, image.root.bytes);
  for (const [digest, bytes] of image.blobs) store.set(`${folder}/${blobPath(digest)}`, bytes);
  const { content } = image.root;
  if (content.kind === "image") store.set(`${folder}/config.json`, image.blobs.get(content.config.digest)!);
  store.set(`${folder}/oci-layout`, new TextEncoder().encode(`{"imageLayoutVersion":"1.0.0"}`));
}

const platform = parsePlatform("linux/amd64");

Deno.test(
  "LegacyImage reads a v1.0 tag by exact keys and touches none of its neighbours",
  { permissions: "none" },
  async () => {
    const store = new MemoryStore();
    const image = singleImage(platform, { seed: 1 });
    putLegacy(store, "team/app/v1", image);
    putLegacy(store, "team/app/v10", singleImage(platform, { seed: 10 }));
    putLegacy(store, "team/app/v1/nested", singleImage(platform, { seed: 11 }));
    const legacy = await LegacyImage.open(store, {
      image: "team/app",
      tag: "v1",
      digest: image.root.descriptor.digest,
    });
    assert.ok(legacy);
    assert.deepEqual(legacy.root.bytes, image.root.bytes);
    for (const blob of blobsOf(legacy.root.content).blobs) {
      await using reader = await legacy.openBlob(blob);
      assert.equal(digestOf(await readAll(reader, 1_000_000, "blob")), blob.digest);
      assert.equal(await legacy.findBlob(blob), blob.size);
      await using part = await legacy.openBlob(blob, { start: 3, length: 5 });
      assert.deepEqual(await readAll(part, 100, "blob"), image.blobs.get(blob.digest)!.slice(3, 8));
    }
    assert.ok(store.log.length > 0);
    assert.ok(
      store.log.every((line) => / team\/app\/v1\/(manifest\.json|blobs\/sha256\/[0-9a-f]{64})$/.test(line)),
      store.log.join("\n"),
    );
  },
);

Deno.test("LegacyImage is undefined where there is no such tag, also for keys of later layouts", {
  permissions: "none",
}, async () => {
  const store = new MemoryStore();
  const image = singleImage(platform);
  putLegacy(store, "app/v10", image);
  store.set("manifests/app/v1/manifest.json", image.root.bytes);
  assert.equal(await LegacyImage.open(store, { image: "app", tag: "v1" }), undefined);
  assert.equal(await LegacyImage.open(store, { image: "manifests/app", tag: "v1" }), undefined);
  assert.equal(isLegacyName("blobs/x"), false);
  assert.equal(isLegacyName("blobs2/x"), true);
});

Deno.test(
  "LegacyImage refuses a manifest that is not the one wanted, or none at all",
  { permissions: "none" },
  async () => {
    const store = new MemoryStore();
    putLegacy(store, "app/v1", singleImage(platform));
    const digest = digestOf(new Uint8Array(1));
    await assert.rejects(
      LegacyImage.open(store, { image: "app", tag: "v1", digest }),
      (error) => isImageError(error, "digest-mismatch"),
    );
    store.set("app/v1/manifest.json", new TextEncoder().encode("{}"));
    await assert.rejects(LegacyImage.open(store, { image: "app", tag: "v1" }), (error) => {
      assert.ok(isImageError(error, "invalid-input"));
      assert.match(error.message, /manifest of "s3:\/\/memory\/app:v1"/);
      return true;
    });
  },
);

Deno.test("LegacyImage reads a config that only lies beside the manifest, and says which blob is missing", {
  permissions: "none",
}, async () => {
  const store = new MemoryStore();
  const image = singleImage(platform);
  putLegacy(store, "app/v1", image);
  const legacy = await LegacyImage.open(store, { image: "app", tag: "v1" });
  const content = legacy!.root.content;
  assert.ok(legacy && content.kind === "image");
  store.delete(`app/v1/${blobPath(content.config.digest)}`);
  await using reader = await legacy.openBlob(content.config);
  assert.equal(digestOf(await readAll(reader, 100_000, "config")), content.config.digest);
  store.delete("app/v1/config.json");
  store.delete(`app/v1/${blobPath(content.layers[0]!.digest)}`);
  for (const blob of [content.config, content.layers[0]!]) {
    await assert.rejects(
      legacy.openBlob(blob),
      (error) => isImageError(error, "not-found") && error.message.includes(blob.digest.slice(7)),
    );
  }
});
