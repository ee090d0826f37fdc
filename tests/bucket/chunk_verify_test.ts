/** With `verifies`, a layer that is copied chunk by chunk inside of a server is read before its recipe points at it. */
import assert from "node:assert/strict";
import { copyChunkedLayer } from "../../src/bucket/chunk_copy.ts";
import { chunkKey, recipeKey } from "../../src/bucket/chunk_keys.ts";
import { isImageError } from "../../src/errors.ts";
import { chunkedLayer, putLayer } from "../support/chunked_layers.ts";
import { parseDigest } from "../../src/oci/digest.ts";
import { Random } from "../support/images.ts";
import { MemoryStore } from "../support/memory_store.ts";

for (const where of ["the source", "the target"] as const) {
  Deno.test(`a chunk of other bytes in ${where} is found by reading, and no recipe is written`, {
    permissions: "none",
  }, async () => {
    const layer = chunkedLayer(new Random(7).bytes(30_000), [9000, 8000, 7000]);
    const source = new MemoryStore("s3://source");
    const target = new MemoryStore("s3://target");
    putLayer(source, layer);
    const key = chunkKey(parseDigest(`sha256:${layer.recipe.chunks[1]!.digest}`));
    const bytes = source.get(key)!.slice();
    bytes[bytes.byteLength - 1]! ^= 1;
    (where === "the source" ? source : target).set(key, bytes);
    const copy = (verifies: boolean) =>
      copyChunkedLayer(source, target, { what: "the layer", layer: layer.descriptor, verifies });
    await assert.rejects(
      copy(true),
      (error) => isImageError(error, "digest-mismatch") || isImageError(error, "invalid-input"),
    );
    assert.ok(!target.keys.includes(recipeKey(layer.descriptor.digest)));
    // Without it lengths are what is checked.
    assert.equal((await copy(false))?.kind, "chunked");
  });
}

Deno.test("a sound layer is copied with `verifies` as without", { permissions: "none" }, async () => {
  const layer = chunkedLayer(new Random(8).bytes(30_000), [9000, 8000, 7000]);
  const source = new MemoryStore("s3://source");
  const target = new MemoryStore("s3://target");
  putLayer(source, layer);
  const done = await copyChunkedLayer(source, target, { what: "the layer", layer: layer.descriptor, verifies: true });
  assert.equal(done?.chunksCopied, 4);
  assert.equal(done?.streamedBytes, 0);
  assert.deepEqual(target.keys, source.keys);
});
