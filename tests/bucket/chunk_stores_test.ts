/** Chunked layers in stores that are not memory: a folder, a real S3 server, and from one to the other. */
import assert from "node:assert/strict";
import { copyChunkedLayer } from "../../src/bucket/chunk_copy.ts";
import { chunkKey, recipeKey } from "../../src/bucket/chunk_keys.ts";
import { openRawLayer } from "../../src/bucket/chunked_layer.ts";
import { openLayer, readRecipe } from "../../src/bucket/find_layer.ts";
import { readAll } from "../../src/bytes/blob_reader.ts";
import { isImageError } from "../../src/errors.ts";
import type { ObjectStore } from "../../src/objects/object_store.ts";
import { openLocalStore } from "../../src/objects/open_local_store.ts";
import { digestOf, parseDigest } from "../../src/oci/digest.ts";
import { s3Kit } from "../objects/s3_kit.ts";
import { type ChunkedLayer, chunkedLayer } from "../support/chunked_layers.ts";
import { Random } from "../support/images.ts";
import { serviceTest } from "../support/services.ts";
import { concat } from "../support/concat.ts";

function twoLayers(): readonly [ChunkedLayer, ChunkedLayer] {
  const random = new Random(1);
  const shared = [random.bytes(1_500_000), random.bytes(600_000)];
  const [first, second] = [1, 2].map(() =>
    chunkedLayer(concat([shared[0]!, random.bytes(400_000), shared[1]!]), [1_500_000, 400_000])
  );
  return [first!, second!];
}

async function put(store: ObjectStore, layer: ChunkedLayer): Promise<void> {
  for (const [key, bytes] of layer.objects) await store.write(key, bytes);
}

async function withFolders(body: (one: ObjectStore, other: ObjectStore) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "s3lo-chunks-" });
  try {
    await using one = await openLocalStore({ folder: `${folder}/one`, access: "write" });
    await using other = await openLocalStore({ folder: `${folder}/other`, access: "write" });
    await body(one, other);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Copies both layers, reads them back in every way, and looks at the objects. */
async function checkCopies(source: ObjectStore, target: ObjectStore): Promise<void> {
  const layers = twoLayers();
  for (const layer of layers) await put(source, layer);
  const copied: (number | undefined)[] = [];
  for (const layer of layers) {
    const result = await copyChunkedLayer(source, target, { layer: layer.descriptor });
    assert.equal(result?.kind, "chunked");
    copied.push(result.chunksCopied);
    for (const [key, bytes] of layer.objects) assert.deepEqual((await target.read(key, 1e8))?.bytes, bytes, key);
    await using stored = await openLayer(target, layer.descriptor);
    assert.equal(digestOf(await readAll(stored, 1e8, "layer")), layer.descriptor.digest);
    const range = { start: layer.recipe.chunks[0]!.compressedSize - 5, length: 11 };
    await using part = await openLayer(target, layer.descriptor, { range });
    assert.deepEqual(await readAll(part, 100, "layer"), layer.stored.slice(range.start, range.start + 11));
    const recipe = await readRecipe(target, layer.descriptor);
    assert.ok(recipe);
    await using raw = openRawLayer(target, recipe, { diffId: layer.diffId });
    assert.deepEqual(await readAll(raw, 1e8, "layer"), layer.raw);
  }
  assert.deepEqual(copied, [3, 1]);
  assert.equal((await copyChunkedLayer(source, target, { layer: layers[1].descriptor }))?.chunksCopied, 0);
  await checkDamage(target, layers[0]);
}

/** A chunk that is missing or cut is named, in a store of any kind. */
async function checkDamage(store: ObjectStore, layer: ChunkedLayer): Promise<void> {
  const chunk = layer.recipe.chunks[1]!;
  const key = chunkKey(parseDigest(`sha256:${chunk.digest}`));
  for (const [size, code] of [[chunk.compressedSize - 1, "digest-mismatch"], [undefined, "not-found"]] as const) {
    if (size === undefined) await store.remove([key]);
    else await store.write(key, layer.objects.get(key)!.slice(0, size));
    await using reader = await openLayer(store, layer.descriptor);
    await assert.rejects(readAll(reader, 1e8, "layer"), (error) => {
      assert.ok(isImageError(error, code), String(error));
      assert.ok(error.message.includes(chunk.digest));
      return true;
    });
  }
  assert.ok(await store.head(recipeKey(layer.descriptor.digest)));
}

Deno.test("chunked layers are copied between two folders and read there", async () => {
  await withFolders(checkCopies);
});

for (const service of ["minio", "versity"] as const) {
  serviceTest(
    `chunked layers are copied between two buckets of ${service} and read there`,
    [service],
    async (addresses) => {
      await using kit = await s3Kit(addresses[service]);
      await checkCopies(kit.store, kit.other);
    },
  );

  serviceTest(`chunked layers are copied from a folder to ${service} and back`, [service], async (addresses) => {
    await using kit = await s3Kit(addresses[service]);
    await withFolders(async (one, other) => {
      await checkCopies(one, kit.store);
      await checkCopies(kit.other, other);
    });
  });
}
