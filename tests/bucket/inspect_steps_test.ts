import assert from "node:assert/strict";
import { ImageStore } from "../../src/bucket/image_store.ts";
import { blobPath, digestOf } from "../../src/oci/digest.ts";
import { Session } from "../../src/transports/session.ts";
import { chunkedImage } from "../support/chunked_images.ts";
import { multiImage } from "../support/images.ts";
import { MemoryStore } from "../support/memory_store.ts";
import { inspectCommand } from "../support/by_text.ts";

/** A session whose every bucket is this store. */
class MemorySession extends Session {
  readonly #store: MemoryStore;

  constructor(store: MemoryStore) {
    super();
    this.#store = store;
  }

  override bucket(): Promise<ImageStore> {
    return Promise.resolve(new ImageStore(this.#store));
  }
}

/** A store that counts how many requests had to wait for each other, one after another. */
function steppingStore(): { store: MemoryStore; steps: () => number } {
  let done = 0;
  const store = new MemoryStore("s3://bucket", {
    before: async () => {
      const step = done + 1;
      await new Promise((resolve) => setTimeout(resolve, 100));
      done = Math.max(done, step);
    },
  });
  return { store, steps: () => done };
}

const permissions = "none";

Deno.test(
  "inspect of an index with six platforms and their attestations takes three steps",
  { permissions },
  async () => {
    const { store, steps } = steppingStore();
    const platforms = ["linux/amd64", "linux/arm64", "linux/arm/v7", "linux/386", "linux/s390x", "linux/ppc64le"];
    const image = multiImage({ seed: 5, platforms, attestations: true, layersPerPlatform: 4, compression: "zstd" });
    for (const [digest, bytes] of image.blobs) store.set(blobPath(digest), bytes);
    store.set("manifests/app/v1/manifest.json", image.root.bytes);
    const report = await inspectCommand(new MemorySession(store), "s3://bucket/app:v1");
    assert.equal(steps(), 3, store.log.join("\n"));
    assert.ok(report.platforms!.every((each) => each.layers.every((layer) => layer.stored === "whole")));
  },
);

Deno.test(
  "inspect of a chunked image takes two steps, and tells of a recipe that is not its own",
  { permissions },
  async () => {
    const { store, steps } = steppingStore();
    const image = chunkedImage(12);
    for (const [key, bytes] of image.layer.objects) store.set(key, bytes);
    store.set(blobPath(digestOf(image.config)), image.config);
    store.set("manifests/app/v1/manifest.json", image.manifest);
    const report = await inspectCommand(new MemorySession(store), "s3://bucket/app:v1");
    assert.equal(steps(), 2, store.log.join("\n"));
    const [layer] = report.layers!;
    assert.deepEqual([layer?.stored, layer?.chunks, layer?.raw_size], ["chunks", 3, image.layer.raw.byteLength]);
    const recipe = store.keys.find((key) => key.startsWith("recipes/"))!;
    store.set(recipe, new TextEncoder().encode("{}"));
    const damaged = await inspectCommand(new MemorySession(store), "s3://bucket/app:v1");
    assert.equal(damaged.layers![0]!.stored, "damaged");
    assert.match(damaged.layers![0]!.problem!, /compressedDigest/);
    store.delete(recipe);
    const missing = await inspectCommand(new MemorySession(store), "s3://bucket/app:v1");
    assert.equal(missing.layers![0]!.stored, "missing");
  },
);
