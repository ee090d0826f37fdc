import assert from "node:assert/strict";
import { copyChunkedLayer, type CopyChunkedLayerOptions } from "../../src/bucket/chunk_copy.ts";
import { chunkKey, fileIndexKey, recipeKey } from "../../src/bucket/chunk_keys.ts";
import { ChunkPresence } from "../../src/bucket/chunk_presence.ts";
import { openLayer } from "../../src/bucket/find_layer.ts";
import { readAll } from "../../src/bytes/blob_reader.ts";
import { type ErrorCode, ImageError, isImageError } from "../../src/errors.ts";
import { blobPath, digestOf } from "../../src/oci/digest.ts";
import { type ChunkedLayer, chunkedLayer, jsonBytes, putLayer, zstdFrame } from "../support/chunked_layers.ts";
import { Random } from "../support/images.ts";
import { MemoryStore } from "../support/memory_store.ts";
import { concat } from "../support/concat.ts";

const what = `layer 0 of "s3://source/app:v1"`;

/** Two layers of four chunks that share three: two tags of one image. */
function twoLayers(): readonly [ChunkedLayer, ChunkedLayer] {
  const random = new Random(1);
  const shared = [random.bytes(5000), random.bytes(6000), random.bytes(7000)];
  const [first, second] = [random.bytes(4000), random.bytes(4000)].map((own) =>
    chunkedLayer(concat([shared[0]!, own, shared[1]!, shared[2]!]), [5000, 4000, 6000])
  );
  return [first!, second!];
}

function sourceOf(...layers: readonly ChunkedLayer[]): MemoryStore {
  const store = new MemoryStore("s3://source");
  for (const layer of layers) putLayer(store, layer);
  return store;
}

function copy(source: MemoryStore, target: MemoryStore, layer: ChunkedLayer, options: CopyChunkedLayerOptions = {}) {
  return copyChunkedLayer(source, target, { what, layer: layer.descriptor, ...options });
}

function refusal(code: ErrorCode, message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(isImageError(error, code), String(error));
    assert.match(error.message, message);
    return true;
  };
}

function assertSame(source: MemoryStore, target: MemoryStore): void {
  assert.deepEqual(target.keys, source.keys);
  for (const key of source.keys) assert.deepEqual(target.get(key), source.get(key), key);
}

for (const copiesOnServer of [true, false]) {
  const how = copiesOnServer ? "server side" : "through here";
  Deno.test(`copyChunkedLayer() copies ${how} byte for byte, and of a second layer only what is missing`, {
    permissions: "none",
  }, async () => {
    const [first, second] = twoLayers();
    const source = sourceOf(first, second);
    const target = new MemoryStore("s3://target", { copiesOnServer });
    const one = await copy(source, target, first);
    assert.equal(one?.kind, "chunked");
    assert.equal(one.chunksCopied, 4);
    assert.equal(one.copiedBytes, first.stored.byteLength);
    assert.equal(one.streamedBytes, copiesOnServer ? 0 : first.stored.byteLength);
    const two = await copy(source, target, second);
    assert.equal(two?.chunksCopied, 1);
    assert.deepEqual(
      [...two.chunksPresent].sort(),
      [0, 2, 3].map((index) => `sha256:${second.recipe.chunks[index]!.digest}`).sort(),
    );
    assert.equal(target.requests.copyFrom, copiesOnServer ? 5 : 0);
    assertSame(source, target);
    const again = await copy(source, target, second);
    assert.equal(again?.chunksCopied, 0);
    assertSame(source, target);
  });
}

Deno.test("copyChunkedLayer() tells every object that a layer relies on, those that an earlier layer wrote too", {
  permissions: "none",
}, async () => {
  const [first, second] = twoLayers();
  const target = new MemoryStore("s3://target");
  const presence = new ChunkPresence(target);
  await copy(sourceOf(first), target, first, { presence });
  const two = await copy(sourceOf(second), target, second, { presence });
  assert.deepEqual(two?.objects.map((each) => each.key).sort(), sourceOf(second).keys);
});

Deno.test("copyChunkedLayer() writes chunks, then the index, then the recipe", { permissions: "none" }, async () => {
  const [layer] = twoLayers();
  const target = new MemoryStore("s3://target");
  await copy(sourceOf(layer), target, layer);
  const writes = target.log.filter((line) => /^(write|copyFrom)/.test(line)).map((line) =>
    line.split(" ")[1]!.split("/")[0]
  );
  assert.deepEqual(writes, ["chunks", "chunks", "chunks", "chunks", "indexes", "recipes"]);
});

Deno.test("copyChunkedLayer() copies a layer without a file index, and knows when there is no recipe", {
  permissions: "none",
}, async () => {
  const [layer, other] = twoLayers();
  const source = sourceOf(layer);
  source.delete(fileIndexKey(layer.descriptor.digest));
  const target = new MemoryStore("s3://target");
  await copy(source, target, layer);
  assertSame(source, target);
  assert.equal(await copy(source, target, other), undefined);
});

Deno.test(
  "copyChunkedLayer() refuses a target of another chunk format before it writes",
  { permissions: "none" },
  async () => {
    const [layer] = twoLayers();
    const target = new MemoryStore("s3://target");
    await assert.rejects(
      copy(sourceOf(layer), target, layer, { targetFormat: 2 }),
      refusal(
        "conflict",
        /^Cannot copy layer 0 of .* in chunks: "s3:\/\/target" has chunk format 2, "s3:\/\/source" has 1$/,
      ),
    );
    await assert.rejects(
      copy(sourceOf(layer), target, layer, { sourceFormat: 2, targetFormat: 1 }),
      refusal("conflict", /format/),
    );
    assert.deepEqual(target.keys, []);
    assert.equal((await copy(sourceOf(layer), target, layer, { sourceFormat: 1, targetFormat: 1 }))?.kind, "chunked");
  },
);

Deno.test("copyChunkedLayer() keeps other encoders' chunks and writes the layer whole beside them", {
  permissions: "none",
}, async () => {
  const [layer] = twoLayers();
  const chunk = layer.recipe.chunks[2]!;
  const key = `chunks/sha256/${chunk.digest}`;
  const raw = layer.raw.slice(9000, 9000 + chunk.size);
  const stored = layer.objects.get(key)!;
  const longer = concat([zstdFrame(raw.subarray(0, 100)), zstdFrame(raw.subarray(100))]);
  const sameLength = stored.slice();
  sameLength[12]! ^= 1;
  for (const [name, foreign] of [["another length", longer], ["other bytes", sameLength]] as const) {
    const source = sourceOf(layer);
    const target = new MemoryStore("s3://target");
    target.set(key, foreign);
    const result = await copy(source, target, layer);
    assert.equal(result?.kind, "whole", name);
    assert.deepEqual(target.keys, [blobPath(layer.descriptor.digest), key], name);
    assert.deepEqual(target.get(key), foreign, name);
    await using reader = await openLayer(target, layer.descriptor);
    assert.deepEqual(await readAll(reader, 1_000_000, what), layer.stored, name);
  }
});

Deno.test(
  "copyChunkedLayer() gives way to somebody who writes the same chunk meanwhile",
  { permissions: "none" },
  async () => {
    const [layer] = twoLayers();
    for (const copiesOnServer of [true, false]) {
      for (const isSame of [true, false]) {
        const target = new MemoryStore("s3://target", { copiesOnServer });
        const key = `chunks/sha256/${layer.recipe.chunks[1]!.digest}`;
        const theirs = isSame
          ? layer.objects.get(key)!
          : concat([zstdFrame(layer.raw.slice(5000, 5001)), zstdFrame(layer.raw.slice(5001, 9000))]);
        target.hooks.before = (request, wanted) => {
          if (wanted === key && ["write", "copyFrom"].includes(request)) target.set(key, theirs);
        };
        const result = await copy(sourceOf(layer), target, layer);
        assert.deepEqual(target.get(key), theirs);
        assert.equal(result?.kind, isSame ? "chunked" : "whole");
        if (isSame) assert.deepEqual(result.chunksPresent, [`sha256:${layer.recipe.chunks[1]!.digest}`]);
        assert.equal(target.get(recipeKey(layer.descriptor.digest)) !== undefined, isSame);
        if (isSame) assert.deepEqual(result.objects.map((each) => each.key).sort(), target.keys, "all is relied on");
      }
    }
  },
);

Deno.test("copyChunkedLayer() publishes no recipe when a chunk is missing, wrong, or fails on its way", {
  permissions: "none",
}, async () => {
  const [layer] = twoLayers();
  const key = `chunks/sha256/${layer.recipe.chunks[3]!.digest}`;
  const stored = layer.objects.get(key)!;
  const swapped = layer.objects.get(`chunks/sha256/${layer.recipe.chunks[0]!.digest}`)!;
  const damaged = stored.slice();
  damaged[stored.byteLength >> 1]! ^= 4;
  const cases: readonly [string, Uint8Array<ArrayBuffer> | undefined, ErrorCode, RegExp, readonly boolean[]][] = [
    ["missing", undefined, "not-found", /^Cannot read chunk .* of layer 0 of .*: "s3:\/\/source" does not hold it$/, [
      true,
      false,
    ]],
    ["cut", stored.slice(1), "digest-mismatch", /not the recipe's \d+$/, [true, false]],
    ["swapped", swapped, "digest-mismatch", /not the recipe's \d+$/, [true, false]],
    ["damaged", damaged, "invalid-input", /^Cannot decompress chunk .* of layer 0 of /, [false]],
  ];
  for (const [name, bytes, code, message, ways] of cases) {
    for (const copiesOnServer of ways) {
      const source = sourceOf(layer);
      if (bytes) source.set(key, bytes);
      else source.delete(key);
      const target = new MemoryStore("s3://target", { copiesOnServer });
      await assert.rejects(copy(source, target, layer), refusal(code, message), name);
      assert.ok(!target.keys.some((it) => !it.startsWith("chunks/")), name);
      assert.ok(!target.keys.includes(key), name);
    }
  }
  const target = new MemoryStore("s3://target");
  target.hooks.before = (request, wanted) => {
    if (request === "copyFrom" && wanted === key) throw new ImageError("denied", "Not allowed");
  };
  await assert.rejects(copy(sourceOf(layer), target, layer), refusal("denied", /^Not allowed$/));
  assert.ok(!target.keys.some((it) => !it.startsWith("chunks/")));
});

Deno.test(
  "copyChunkedLayer() replaces a recipe that differs, and makes an equal one young again",
  { permissions: "none" },
  async () => {
    const [layer] = twoLayers();
    const source = sourceOf(layer);
    const target = new MemoryStore("s3://target");
    const key = recipeKey(layer.descriptor.digest);
    target.set(key, jsonBytes({ ...layer.recipe, compressedDigest: "", compressedSize: 0 }));
    await copy(source, target, layer);
    assertSame(source, target);
    const before = (await target.head(key))!.modifiedAt;
    await copy(source, target, layer);
    assert.ok((await target.head(key))!.modifiedAt > before);
    assert.deepEqual(target.get(key), source.get(key));
  },
);

Deno.test(
  "copyChunkedLayer() refuses a forged recipe before it looks at the target",
  { permissions: "none" },
  async () => {
    const [layer] = twoLayers();
    const source = sourceOf(layer);
    const forged = structuredClone(layer.recipe);
    forged.chunks[0]!.digest = "../../../../../s3lo.yaml";
    source.set(recipeKey(layer.descriptor.digest), jsonBytes(forged));
    const target = new MemoryStore("s3://target");
    await assert.rejects(
      copy(source, target, layer),
      refusal("invalid-input", /^Invalid chunk 0 of recipe of layer 0 of .*: "digest" must be/),
    );
    assert.deepEqual(target.log, []);
  },
);

/** A store that holds `count` chunks of one byte each, evenly spread as hashes are. */
function storeOf(count: number, pageObjects: number): { store: MemoryStore; held: ReturnType<typeof digestOf>[] } {
  const store = new MemoryStore("s3://target", { pageObjects });
  const held = Array.from({ length: count }, (_, index) => digestOf(new TextEncoder().encode(`${index}`)));
  for (const chunk of held) store.set(chunkKey(chunk), new Uint8Array(1));
  return { store, held };
}

Deno.test("ChunkPresence asks with single look-ups or with the listing, whatever takes fewer steps", {
  permissions: "none",
}, async () => {
  const absent = Array.from({ length: 2000 }, (_, index) => digestOf(new TextEncoder().encode(`absent ${index}`)));
  const cases: readonly [number, number, number, number, number][] = [
    // held, asked of them, asked of others; look-ups, pages
    [50, 5, 5, 10, 0],
    [500, 100, 100, 0, 1],
    [0, 0, 100, 0, 1],
    [20_000, 100, 100, 200, 1],
    [10_000, 1000, 1000, 0, 10],
  ];
  for (const [count, asked, others, heads, pages] of cases) {
    const { store, held } = storeOf(count, 1000);
    const presence = new ChunkPresence(store);
    const wanted = [...held.slice(0, asked), ...absent.slice(0, others)];
    const found = await presence.find([...wanted, ...wanted]);
    for (const [index, chunk] of wanted.entries()) assert.equal(found.get(chunk) !== undefined, index < asked);
    assert.deepEqual(
      [store.requests.head, store.requests.list],
      [heads, pages],
      `${count} chunks, ${wanted.length} asked`,
    );
    await presence.find(wanted);
    assert.deepEqual([store.requests.head, store.requests.list], [heads, pages], "asked twice");
  }
});

Deno.test(
  "ChunkPresence makes a look-up for a layer of a full bucket no dearer than one page",
  { permissions: "none" },
  async () => {
    const { store, held } = storeOf(5000, 1000);
    const presence = new ChunkPresence(store);
    for (let at = 0; at < 300; at += 30) await presence.find(held.slice(at, at + 30));
    assert.deepEqual([store.requests.head, store.requests.list], [300, 1]);
  },
);

Deno.test("copyChunkedLayer() asks only for the new chunks of a second layer when the look-ups are shared", {
  permissions: "none",
}, async () => {
  const [first, second] = twoLayers();
  const source = sourceOf(first, second);
  const target = new MemoryStore("s3://target");
  const presence = new ChunkPresence(target);
  await copy(source, target, first, { presence });
  assert.equal(target.requests.head, 4);
  const result = await copy(source, target, second, { presence });
  assert.equal(result?.chunksCopied, 1);
  assert.equal(target.requests.head, 5);
  assert.equal(target.requests.copyFrom, 5);
  // Side by side neither of two layers knows what the other writes; both come out right all the same.
  const other = new MemoryStore("s3://other");
  const shared = new ChunkPresence(other);
  await Promise.all([first, second].map((layer) => copy(source, other, layer, { presence: shared })));
  assertSame(source, other);
});
