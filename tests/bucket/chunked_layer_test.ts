import assert from "node:assert/strict";
import { chunkKey, recipeKey } from "../../src/bucket/chunk_keys.ts";
import { openChunkedLayer, openRawLayer } from "../../src/bucket/chunked_layer.ts";
import { openLayer, readRecipe } from "../../src/bucket/find_layer.ts";
import { parseRecipe, type Recipe } from "../../src/bucket/recipe.ts";
import { type BlobReader, readAll } from "../../src/bytes/blob_reader.ts";
import { type ErrorCode, ImageError, isImageError } from "../../src/errors.ts";
import { blobPath, digestOf, parseDigest } from "../../src/oci/digest.ts";
import { MEDIA_TYPES } from "../../src/oci/media_types.ts";
import { chunkedLayer, jsonBytes, putLayer, zstdFrame } from "../support/chunked_layers.ts";
import { Random } from "../support/images.ts";
import { MemoryStore } from "../support/memory_store.ts";
import { splitmixBytes } from "../support/splitmix.ts";
import { concat } from "../support/concat.ts";

const MIB = 1024 * 1024;
const what = `layer 0 of "s3://bucket/app:v1"`;

async function bytesOf(reader: BlobReader | Promise<BlobReader>): Promise<Uint8Array<ArrayBuffer>> {
  await using open = await reader;
  return await readAll(open, 256 * MIB, what);
}

function refusal(code: ErrorCode, message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(isImageError(error, code), String(error));
    assert.match(error.message, message);
    return true;
  };
}

/** A layer of four chunks, the third of which is the first again. */
function smallLayer(seed = 1) {
  const random = new Random(seed);
  const first = random.bytes(70_000);
  return chunkedLayer(concat([first, random.bytes(1), first, random.bytes(50_000)]), [70_000, 1, 70_000]);
}

function stored(layer: ReturnType<typeof smallLayer>): { store: MemoryStore; recipe: Recipe } {
  const store = new MemoryStore();
  putLayer(store, layer);
  return { store, recipe: parseRecipe(jsonBytes(layer.recipe), layer.descriptor.digest) };
}

Deno.test("openChunkedLayer() gives the blob that the manifest names, openRawLayer() the tar of the diff id", {
  permissions: "none",
}, async () => {
  const layer = smallLayer();
  const { store, recipe } = stored(layer);
  assert.deepEqual(await bytesOf(openChunkedLayer(store, recipe)), layer.stored);
  assert.deepEqual(await bytesOf(openRawLayer(store, recipe, { diffId: layer.diffId })), layer.raw);
});

Deno.test("openRawLayer() reads chunks that are any sequence of frames", { permissions: "none" }, async () => {
  const skippable = Uint8Array.of(0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 9);
  const layer = chunkedLayer(
    new Random(2).bytes(90_000),
    [40_000],
    (chunk) => concat([zstdFrame(chunk.subarray(0, 7)), skippable, zstdFrame(chunk.subarray(7), 9), skippable]),
  );
  const { store, recipe } = stored(layer);
  assert.deepEqual(await bytesOf(openRawLayer(store, recipe, { diffId: layer.diffId })), layer.raw);
});

Deno.test("openRawLayer() and openChunkedLayer() read an empty layer", { permissions: "none" }, async () => {
  const layer = chunkedLayer(new Uint8Array(0), []);
  const { store, recipe } = stored(layer);
  assert.equal((await bytesOf(openRawLayer(store, recipe, { diffId: layer.diffId }))).byteLength, 0);
  assert.equal((await bytesOf(openChunkedLayer(store, recipe))).byteLength, 0);
});

Deno.test("openChunkedLayer() gives every range over chunk borders, and fetches no more than that", {
  permissions: "none",
}, async () => {
  const layer = smallLayer();
  const { store, recipe } = stored(layer);
  const size = layer.stored.byteLength;
  const borders = recipe.chunks.map((_, index) =>
    recipe.chunks.slice(0, index + 1).reduce((sum, it) => sum + it.storedSizeBytes, 0)
  );
  const points = [...new Set([0, 1, ...borders.flatMap((at) => [at - 1, at, at + 1]), size - 1])].filter((at) =>
    at <= size
  );
  for (const start of points) {
    for (const end of points.filter((at) => at >= start)) {
      store.bytesOut = 0;
      const range = { start, length: end - start };
      assert.deepEqual(await bytesOf(openChunkedLayer(store, recipe, { range })), layer.stored.slice(start, end));
      assert.equal(store.bytesOut, end - start);
    }
    assert.deepEqual(await bytesOf(openChunkedLayer(store, recipe, { range: { start } })), layer.stored.slice(start));
  }
  const beyond = { start: size + 5, length: 10 };
  assert.equal((await bytesOf(openChunkedLayer(store, recipe, { range: beyond }))).byteLength, 0);
});

Deno.test("openRawLayer() refuses a recipe of another layer before it reads anything", { permissions: "none" }, () => {
  const { store, recipe } = stored(smallLayer());
  const diffId = digestOf(new Uint8Array(3));
  assert.throws(
    () => openRawLayer(store, recipe, { diffId, what }),
    refusal(
      "invalid-input",
      /^Invalid recipe of layer 0 of "s3:.*": "layer" must be the diff id "[0-9a-f]{64}" of the image's config$/,
    ),
  );
  assert.deepEqual(store.log, []);
});

/** What becomes of a damaged chunk when the layer is read in one of the two ways; undefined: that way does not notice. */
type Refusal = readonly [ErrorCode, RegExp] | undefined;

function damaged(bytes: Uint8Array<ArrayBuffer>, at: number): Uint8Array<ArrayBuffer> {
  const copy = bytes.slice();
  copy[at]! ^= 1;
  return copy;
}

Deno.test("a chunk that is missing, cut, too long, swapped or damaged fails the reading with its own line", {
  permissions: "none",
}, async () => {
  const layer = smallLayer();
  const { recipe } = stored(layer);
  const last = recipe.chunks.at(-1)!;
  const object = layer.objects.get(chunkKey(last.digest))!;
  const other = layer.objects.get(chunkKey(recipe.chunks[0]!.digest))!;
  const missing: Refusal = ["not-found", /^Cannot read chunk ".*" of layer 0 of .*: "s3:\/\/memory" does not hold it$/];
  const cut: Refusal = [
    "invalid-input",
    /^Cannot decompress chunk ".*" of layer 0 .*: it ends in the middle of a zstd frame$/,
  ];
  const cases: readonly [string, Uint8Array<ArrayBuffer> | undefined, Refusal, Refusal][] = [
    ["missing", undefined, missing, missing],
    ["cut", object.slice(0, -1), ["digest-mismatch", /has \d+ bytes, not the recipe's \d+$/], cut],
    [
      "empty",
      new Uint8Array(0),
      ["digest-mismatch", /has 0 bytes, not the recipe's \d+$/],
      ["digest-mismatch", /it unpacks to 0 bytes, not 50000$/],
    ],
    ["longer", concat([object, new Uint8Array(1)]), ["digest-mismatch", /has more bytes, not the recipe's \d+$/], cut],
    [
      "longer than any",
      concat([object, new Uint8Array(17 * MIB)]),
      ["digest-mismatch", /has more bytes, not the recipe's \d+$/],
      ["digest-mismatch", /has more than 16908288 bytes, not the recipe's \d+$/],
    ],
    [
      "swapped",
      other,
      ["digest-mismatch", /has more bytes, not the recipe's \d+$/],
      ["digest-mismatch", /^Cannot use chunk ".*" of layer 0 of .*: it unpacks to more than 50000 bytes$/],
    ],
    ["no zstd", new Uint8Array(object.byteLength), undefined, ["invalid-input", /of layer 0 .*: it is not zstd data$/]],
    ["damaged sum", damaged(object, object.byteLength - 1), undefined, ["invalid-input", /^Cannot decompress chunk /]],
    ["damaged", damaged(object, object.byteLength >> 1), undefined, ["invalid-input", /^Cannot decompress chunk /]],
  ];
  for (const [name, bytes, whenStored, whenRaw] of cases) {
    const { store } = stored(layer);
    if (bytes) store.set(chunkKey(last.digest), bytes);
    else store.delete(chunkKey(last.digest));
    const raw = bytesOf(openRawLayer(store, recipe, { diffId: layer.diffId, what }));
    await assert.rejects(raw, refusal(...whenRaw!), name);
    const reading = bytesOf(openChunkedLayer(store, recipe, { what }));
    if (whenStored) await assert.rejects(reading, refusal(...whenStored), name);
    else assert.notEqual(digestOf(await reading), layer.descriptor.digest, name);
  }
  const { store } = stored(layer);
  store.set(chunkKey(last.digest), zstdFrame(new Random(77).bytes(50_000)));
  await assert.rejects(
    bytesOf(openRawLayer(store, recipe, { diffId: layer.diffId, what })),
    refusal("digest-mismatch", /^Cannot use chunk ".*" of layer 0 of .*: it unpacks to digest "sha256:[0-9a-f]{64}"$/),
  );
});

Deno.test("openRawLayer() reads a layer whose chunk another encoder had stored before the recipe was written", {
  permissions: "none",
}, async () => {
  // The Go tool reuses a chunk by its name, and counts what its own encoder would have made of it.
  const layer = smallLayer();
  const raw = layer.raw.slice(0, 70_000);
  for (const foreign of [concat([zstdFrame(raw.subarray(0, 5)), zstdFrame(raw.subarray(5))]), zstdFrame(raw, 19)]) {
    const { store, recipe } = stored(layer);
    assert.notEqual(foreign.byteLength, recipe.chunks[0]!.storedSizeBytes);
    store.set(chunkKey(recipe.chunks[0]!.digest), foreign);
    assert.deepEqual(await bytesOf(openRawLayer(store, recipe, { diffId: layer.diffId })), layer.raw);
    await assert.rejects(
      bytesOf(openChunkedLayer(store, recipe)),
      refusal(
        "digest-mismatch",
        /^Cannot use chunk .*: its object in "s3:\/\/memory" has \w+ bytes, not the recipe's \d+$/,
      ),
    );
  }
});

Deno.test("a zstd bomb in a chunk stops at the chunk's size", { permissions: "none" }, async () => {
  const bomb = zstdFrame(new Uint8Array(64 * MIB));
  const layer = chunkedLayer(new Random(1).bytes(5000), [], () => bomb);
  const { store, recipe } = stored(layer);
  await assert.rejects(
    bytesOf(openRawLayer(store, recipe, { diffId: layer.diffId, what })),
    refusal("digest-mismatch", /^Cannot use chunk .*: it unpacks to more than 5000 bytes$/),
  );
});

Deno.test(
  "openRawLayer() holds the last chunk back until the whole layer is right",
  { permissions: "none" },
  async () => {
    const random = new Random(4);
    const [a, b] = [random.bytes(30_000), random.bytes(30_000)];
    const layer = chunkedLayer(concat([a, b]), [30_000]);
    const { store, recipe } = stored(layer);
    // Every chunk is right by itself, and so are all sums: only their order is not.
    const swapped = { ...recipe, chunks: [...recipe.chunks].reverse() };
    await using reader = openRawLayer(store, swapped, { diffId: layer.diffId, what });
    let handedOut = 0;
    const read = async () => {
      for (let piece; (piece = await reader.read(new Uint8Array(7000))).byteLength > 0;) handedOut += piece.byteLength;
    };
    const message =
      /^Cannot use layer 0 of .*: its chunks make a tar of digest "sha256:.*", not the diff id "sha256:.*"$/;
    await assert.rejects(read(), refusal("digest-mismatch", message));
    assert.equal(handedOut, 30_000);
    await assert.rejects(read(), refusal("digest-mismatch", message));
    assert.equal(handedOut, 30_000);
  },
);

Deno.test("openChunkedLayer() tries a broken read of a chunk again, and gives up when that does not help", {
  permissions: "none",
}, async () => {
  const layer = smallLayer();
  const { store, recipe } = stored(layer);
  const retry = { tries: 3, baseDelayMs: 1 };
  let failures = 2;
  store.hooks.before = (request) => {
    if (request === "open" && failures-- > 0) throw new ImageError("unavailable", "Connection lost");
  };
  assert.deepEqual(await bytesOf(openChunkedLayer(store, recipe, { retry })), layer.stored);
  failures = 100;
  await assert.rejects(
    bytesOf(openChunkedLayer(store, recipe, { retry })),
    refusal("unavailable", /^Connection lost$/),
  );
});

Deno.test("closing or aborting in the middle stops what is read ahead", { permissions: "none" }, async () => {
  const layer = chunkedLayer(new Random(5).bytes(20_000), Array(19).fill(1000));
  const { store, recipe } = stored(layer);
  for (
    const open of [
      openChunkedLayer,
      (...[s, r, o]: Parameters<typeof openChunkedLayer>) => openRawLayer(s, r, { ...o, diffId: layer.diffId }),
    ]
  ) {
    store.requests.open = 0;
    const reader = open(store, recipe);
    await reader.read(new Uint8Array(10));
    await reader[Symbol.asyncDispose]();
    assert.ok(store.requests.open <= 5, `${store.requests.open} chunks were opened`);
    const stop = new AbortController();
    await using stopped = open(store, recipe, { signal: stop.signal });
    await stopped.read(new Uint8Array(10));
    await assert.rejects(
      reader.read(new Uint8Array(10)),
      refusal("aborted", /^Stopped reading: the reader was closed$/),
    );
    stop.abort(new ImageError("aborted", "Stopped"));
    await assert.rejects(readAll(stopped, MIB, what), refusal("aborted", /^Stopped$/));
  }
});

Deno.test(
  "reading a layer holds a few chunks at once, whatever their number and size",
  { permissions: "none" },
  async () => {
    // 30 chunks of the largest size, incompressible, made as they are read; and 200 of 1 MiB.
    for (const [count, sizeBytes, limit] of [[30, 16 * MIB, 65 * MIB], [200, MIB, 4 * MIB + 4096]] as const) {
      let most = 0;
      const store = new MemoryStore("s3://memory", { onInFlight: (bytes) => most = Math.max(most, bytes) });
      const raw = splitmixBytes(BigInt(count), sizeBytes);
      const object = zstdFrame(raw);
      store.set(chunkKey(digestOf(raw)), object);
      const chunk = { digest: digestOf(raw), rawSizeBytes: raw.byteLength, storedSizeBytes: object.byteLength };
      const recipe: Recipe = {
        digest: digestOf(new Uint8Array(1)),
        diffId: digestOf(new Uint8Array(2)),
        storedSizeBytes: count * object.byteLength,
        rawSizeBytes: count * raw.byteLength,
        chunks: Array(count).fill(chunk),
      };
      await using reader = openChunkedLayer(store, recipe);
      let total = 0;
      for (
        let into = new Uint8Array(MIB), piece;
        (piece = await reader.read(into)).byteLength > 0;
        into = new Uint8Array(piece.buffer)
      ) {
        total += piece.byteLength;
      }
      assert.equal(total, recipe.storedSizeBytes);
      assert.ok(most <= limit, `${most} bytes were held at once`);
      assert.ok(most > sizeBytes, "nothing was read ahead");
    }
  },
);

Deno.test("openLayer() asks once where a layer is stored, as a rule", { permissions: "none" }, async () => {
  const layer = smallLayer();
  const store = new MemoryStore();
  const whole = { mediaType: MEDIA_TYPES.ociLayerGzip, digest: digestOf(layer.raw), size: layer.raw.byteLength };
  store.set(blobPath(whole.digest), layer.raw);
  putLayer(store, layer);
  assert.deepEqual(await bytesOf(openLayer(store, layer.descriptor)), layer.stored);
  assert.deepEqual(await bytesOf(openLayer(store, whole)), layer.raw);
  const asked = store.log.filter((line) => !line.includes(" chunks/"));
  assert.deepEqual(asked, [`read ${recipeKey(layer.descriptor.digest)}`, `open ${blobPath(whole.digest)}`]);
});

Deno.test(
  "openLayer() looks in the other place when the first has nothing",
  { permissions: "none" },
  async () => {
    const layer = smallLayer();
    const chunked = { ...layer.descriptor, mediaType: MEDIA_TYPES.ociLayer };
    const store = new MemoryStore();
    putLayer(store, layer);
    assert.deepEqual(await bytesOf(openLayer(store, chunked)), layer.stored);
    const other = new MemoryStore();
    other.set(blobPath(layer.descriptor.digest), layer.stored);
    const range = { start: 3, length: 70_000 };
    assert.deepEqual(await bytesOf(openLayer(other, layer.descriptor, { range })), layer.stored.slice(3, 70_003));
    const none = new MemoryStore();
    await assert.rejects(
      openLayer(none, layer.descriptor, { what }),
      refusal("not-found", /^Cannot read layer 0 of .*: "s3:\/\/memory" holds it neither whole nor in chunks$/),
    );
    const sha512 = parseDigest(`sha512:${"0".repeat(128)}`);
    await assert.rejects(openLayer(none, { ...layer.descriptor, digest: sha512 }), refusal("not-found", /neither/));
  },
);

Deno.test("openLayer() reads a recipe once for many ranges", { permissions: "none" }, async () => {
  const layer = smallLayer();
  const { store } = stored(layer);
  const recipes = new Map();
  const parts = await Promise.all(
    [0, 50_000, 100_000, 150_000].map((start) =>
      bytesOf(openLayer(store, layer.descriptor, { range: { start, length: 50_000 }, recipes }))
    ),
  );
  assert.deepEqual(concat(parts), layer.stored);
  assert.equal(store.requests.read, 1);
});

Deno.test(
  "openLayer() takes a refusal for a missing key where the other place has the layer",
  { permissions: "none" },
  async () => {
    const layer = smallLayer();
    const whole = new MemoryStore();
    whole.set(blobPath(layer.descriptor.digest), layer.stored);
    whole.hooks.before = (_request, key) => {
      if (whole.get(key) === undefined) throw new ImageError("denied", `Not allowed to read "${key}"`);
    };
    assert.deepEqual(await bytesOf(openLayer(whole, layer.descriptor)), layer.stored);
    whole.delete(blobPath(layer.descriptor.digest));
    await assert.rejects(openLayer(whole, layer.descriptor), refusal("denied", /^Not allowed to read "recipes\//));
  },
);

Deno.test("readRecipe() checks the recipe against the manifest's size", { permissions: "none" }, async () => {
  const layer = smallLayer();
  const { store } = stored(layer);
  await assert.rejects(
    readRecipe(store, { ...layer.descriptor, size: layer.stored.byteLength + 1 }, { what }),
    refusal("invalid-input", /^Invalid recipe of layer 0 of .*: "compressedSize" must be the manifest's size \d+$/),
  );
});
