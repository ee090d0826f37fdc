/** Reads what the Go tool really wrote: two tags of one image, each with a chunked layer and a whole one. */
import assert from "node:assert/strict";
import { copyChunkedLayer } from "../../src/bucket/chunk_copy.ts";
import { openRawLayer } from "../../src/bucket/chunked_layer.ts";
import { openLayer, readRecipe } from "../../src/bucket/find_layer.ts";
import { readAll } from "../../src/bytes/blob_reader.ts";
import { isObject, parseJsonObject } from "../../src/oci/json.ts";
import { blobPath, digestOf, parseDigest } from "../../src/oci/digest.ts";
import { type ImageManifest, readManifest } from "../../src/oci/manifest.ts";
import { MemoryStore } from "../support/memory_store.ts";
import { fixturePath } from "../support/services.ts";

const fixture = fixturePath("go-chunked");
const TAGS = ["v1", "v2"] as const;

function fixtureTest(name: string, body: (path: string) => Promise<void>): void {
  const isSkipped = fixture === undefined;
  Deno.test({
    name: isSkipped ? `${name} (skipped: no fixture "go-chunked")` : name,
    ignore: isSkipped,
    permissions: { read: [fixture ?? "."] },
    fn: () => body(fixture ?? ""),
  });
}

function manifestOf(store: MemoryStore, tag: string): ImageManifest {
  const { content } = readManifest(store.get(`manifests/team/app/${tag}/manifest.json`)!, `"${tag}"`);
  assert.ok(content.kind === "image");
  return content;
}

fixtureTest("the Go tool's layers are read as the manifest names them, and raw as the config does", async (path) => {
  const store = await MemoryStore.fromFolder(path);
  const seen: string[] = [];
  for (const tag of TAGS) {
    const manifest = manifestOf(store, tag);
    const config = parseJsonObject(store.get(blobPath(manifest.config.digest))!, "config");
    const rootfs = config["rootfs"];
    assert.ok(isObject(rootfs) && Array.isArray(rootfs["diff_ids"]));
    for (const [index, descriptor] of manifest.layers.entries()) {
      const diffId = parseDigest(rootfs["diff_ids"][index]);
      await using reader = await openLayer(store, descriptor);
      const bytes = await readAll(reader, 10_000_000, "layer");
      assert.equal(digestOf(bytes), descriptor.digest);
      const recipe = await readRecipe(store, descriptor, { diffId });
      if (!recipe) {
        assert.equal(digestOf(bytes), diffId);
        continue;
      }
      await using rawReader = openRawLayer(store, recipe, { diffId });
      const raw = await readAll(rawReader, 10_000_000, "layer");
      assert.equal(digestOf(raw), diffId);
      assert.equal(raw.byteLength, recipe.rawSizeBytes);
      seen.push(...recipe.chunks.map((chunk) => chunk.digest));
    }
  }
  assert.equal(seen.length, 4);
  assert.equal(new Set(seen).size, 3);
});

fixtureTest("the Go tool's layers are copied with their keys, the second tag with one chunk less", async (path) => {
  const source = await MemoryStore.fromFolder(path);
  for (const copiesOnServer of [true, false]) {
    const target = new MemoryStore("s3://target", { copiesOnServer });
    const copied: number[] = [];
    for (const tag of TAGS) {
      for (const layer of manifestOf(source, tag).layers) {
        const result = await copyChunkedLayer(source, target, { layer });
        if (result) copied.push(result.chunksCopied);
      }
    }
    assert.deepEqual(copied, [2, 1]);
    const wanted = source.keys.filter((key) => /^(chunks|indexes|recipes)\//.test(key));
    assert.deepEqual(target.keys, wanted);
    for (const key of wanted) assert.deepEqual(target.get(key), source.get(key));
  }
});
