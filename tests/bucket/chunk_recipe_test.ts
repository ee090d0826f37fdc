import assert from "node:assert/strict";
import { parseRecipe, type Recipe } from "../../src/bucket/recipe.ts";
import { isImageError } from "../../src/errors.ts";
import { digestOf, parseDigest } from "../../src/oci/digest.ts";
import { chunkedLayer, jsonBytes, type RecipeJson } from "../support/chunked_layers.ts";
import { Random } from "../support/images.ts";
import { splitmixBytes } from "../support/splitmix.ts";

/** Section 11.2 of the format: the Go encoder's recipe of the first 8 MiB of S(1), 567 bytes. */
const GO_RECIPE = '{"layer":"b90e46b6528f14cd05f49c4f0105e3e446a20698f4a401f621d6bfac85143403","size":8388608,' +
  '"compressedDigest":"c361a65f370d82760f785c26fad401af376741bfdafd4b7c7f9589100ecb993a","compressedSize":8388842,' +
  '"chunks":[' +
  '{"digest":"5b9eba8568027f36e97a87e3806de12079e444172558945b1b77f1dc88728456","size":5879325,"compressedSize":5879473},' +
  '{"digest":"0a76715cd561f2a4ae1943407363cffff4980f0a234b3ae67fdc0906ab85250b","size":1476613,"compressedSize":1476662},' +
  '{"digest":"0b47a45d1383134124cdb04f1a2e9c9c1064c5b097ca15afdd0d0747a56c3288","size":1032670,"compressedSize":1032707}' +
  "]}";
const GO_DIGEST = parseDigest("sha256:c361a65f370d82760f785c26fad401af376741bfdafd4b7c7f9589100ecb993a");

const what = `layer 0 of "s3://bucket/app:v1"`;

function refused(recipe: unknown, message: string | RegExp, options: Parameters<typeof parseRecipe>[2] = {}): void {
  const bytes = recipe instanceof Uint8Array ? recipe : jsonBytes(recipe);
  assert.throws(() => parseRecipe(bytes, GO_DIGEST, { what, ...options }), (error) => {
    assert.ok(isImageError(error, "invalid-input"), String(error));
    if (typeof message === "string") assert.equal(error.message, message);
    else assert.match(error.message, message);
    assert.match(error.message, /of layer 0 of "s3:\/\/bucket\/app:v1"/);
    assert.doesNotMatch(error.message, /\n/);
    return true;
  });
}

function forged(change: (recipe: RecipeJson & Record<string, unknown>) => void): RecipeJson {
  const recipe = JSON.parse(GO_RECIPE);
  change(recipe);
  return recipe;
}

Deno.test("parseRecipe() reads the Go encoder's recipe, whose chunks are those of the raw layer", {
  permissions: "none",
}, () => {
  assert.equal(GO_RECIPE.length, 567);
  const recipe: Recipe = parseRecipe(new TextEncoder().encode(GO_RECIPE), GO_DIGEST, { sizeBytes: 8388842 });
  const raw = splitmixBytes(1n, 8 * 1024 * 1024);
  assert.equal(recipe.diffId, digestOf(raw));
  assert.equal(recipe.storedSizeBytes, 8388842);
  let at = 0;
  for (const chunk of recipe.chunks) {
    assert.equal(chunk.digest, digestOf(raw.subarray(at, at + chunk.rawSizeBytes)));
    at += chunk.rawSizeBytes;
  }
  assert.equal(at, recipe.rawSizeBytes);
});

Deno.test("parseRecipe() ignores members that it does not know", { permissions: "none" }, () => {
  const recipe = parseRecipe(jsonBytes(forged((it) => it["note"] = "../../etc/passwd")), GO_DIGEST);
  assert.deepEqual(Object.keys(recipe).sort(), ["chunks", "diffId", "digest", "rawSizeBytes", "storedSizeBytes"]);
});

Deno.test("parseRecipe() refuses every forged digest with its own line", { permissions: "none" }, () => {
  const hexProblem = "must be 64 lower-case hex digits";
  for (
    const text of [
      "",
      "../../../../etc/passwd",
      "b90e46b6528f",
      "B90E46" + "0".repeat(58),
      "g".repeat(64),
      "0".repeat(65),
    ]
  ) {
    refused(forged((it) => it.layer = text), `Invalid recipe of ${what}: "layer" ${hexProblem}`);
    refused(forged((it) => it.compressedDigest = text), `Invalid recipe of ${what}: "compressedDigest" ${hexProblem}`);
    refused(
      forged((it) => it.chunks[1]!.digest = text),
      `Invalid chunk 1 of recipe of ${what}: "digest" ${hexProblem}`,
    );
  }
  refused(forged((it) => it.layer = `sha256:${it.layer}`), `Invalid recipe of ${what}: "layer" ${hexProblem}`);
  refused(forged((it) => it.layer = `${it.layer}\n`), `Invalid recipe of ${what}: "layer" ${hexProblem}`);
  refused(
    forged((it) => it.compressedDigest = it.layer),
    `Invalid recipe of ${what}: "compressedDigest" must be the digest "${GO_DIGEST.slice(7)}" of its key and manifest`,
  );
  const diffId = digestOf(new Uint8Array(1));
  refused(
    JSON.parse(GO_RECIPE),
    `Invalid recipe of ${what}: "layer" must be the diff id "${diffId.slice(7)}" of the image's config`,
    { diffId },
  );
});

Deno.test("parseRecipe() refuses every forged size with its own line", { permissions: "none" }, () => {
  const whole = "must be a whole number, 0 or more";
  for (const size of [-1, 1.5, "8388608", true, {}, 1e300]) {
    refused(forged((it) => it["size"] = size as number), `Invalid recipe of ${what}: "size" ${whole}`);
    refused(
      forged((it) => it["compressedSize"] = size as number),
      `Invalid recipe of ${what}: "compressedSize" ${whole}`,
    );
    refused(
      forged((it) => it.chunks[2]!.size = size as number),
      `Invalid chunk 2 of recipe of ${what}: "size" ${whole}`,
    );
  }
  refused(forged((it) => it.size++), `Invalid recipe of ${what}: "size" must be the sum 8388608 of its chunks`);
  refused(forged((it) => it.size = 0), `Invalid recipe of ${what}: "size" must be the sum 8388608 of its chunks`);
  refused(
    forged((it) => it.compressedSize--),
    `Invalid recipe of ${what}: "compressedSize" must be the sum 8388842 of its chunks`,
  );
  refused(JSON.parse(GO_RECIPE), `Invalid recipe of ${what}: "compressedSize" must be the manifest's size 5`, {
    sizeBytes: 5,
  });
  refused(
    forged((it) => it.chunks[0]!.size = 0),
    `Invalid chunk 0 of recipe of ${what}: "size" must be from 1 to 16777216`,
  );
  refused(
    forged((it) => it.chunks[0]!.size = 16777217),
    `Invalid chunk 0 of recipe of ${what}: "size" must be from 1 to 16777216`,
  );
  refused(
    forged((it) => it.chunks[0]!.compressedSize = 0),
    `Invalid chunk 0 of recipe of ${what}: "compressedSize" must be from 1 to 16908288`,
  );
  refused(
    forged((it) => it.chunks[0]!.compressedSize = 2 ** 40),
    `Invalid chunk 0 of recipe of ${what}: "compressedSize" must be from 1 to 16908288`,
  );
});

Deno.test("parseRecipe() refuses recipes of another shape", { permissions: "none" }, () => {
  refused(new Uint8Array(0), `Cannot read recipe of ${what}: it is not valid JSON`);
  refused(jsonBytes([]), `Cannot read recipe of ${what}: it is not a JSON object`);
  refused(new Uint8Array(17 * 1024 * 1024), /it has more than 16777216 bytes$/);
  for (const key of ["layer", "size", "compressedDigest", "compressedSize"]) {
    refused(forged((it) => delete it[key]), `Invalid recipe of ${what}: "${key}" is missing`);
  }
  for (const key of ["digest", "size", "compressedSize"] as const) {
    const recipe = forged((it) => delete (it.chunks[0] as Partial<RecipeJson["chunks"][0]>)[key]);
    refused(recipe, `Invalid chunk 0 of recipe of ${what}: "${key}" is missing`);
  }
  refused(forged((it) => it["chunks"] = {} as never), `Invalid recipe of ${what}: "chunks" must be a list`);
  refused(forged((it) => it["chunks"] = ["x"] as never), `Invalid chunk 0 of recipe of ${what}: expected an object`);
  refused(forged((it) => it.chunks.pop()), /"size" must be the sum 7355938 of its chunks$/);
  refused(forged((it) => it.chunks.push(it.chunks[0]!)), /"size" must be the sum 14267933 of its chunks$/);
  refused(
    forged((it) => it.chunks = Array(65537).fill(it.chunks[0])),
    `Invalid recipe of ${what}: "chunks" must be a list of 65536 chunks at most`,
  );
  const again = { size: 1, compressedSize: 5879473 };
  refused(
    forged((it) => it.chunks.push({ ...it.chunks[0]!, ...again })),
    `Invalid chunk 3 of recipe of ${what}: "size" must be the same for each use of one chunk`,
  );
  refused(
    forged((it) => it.chunks.push({ ...it.chunks[0]!, compressedSize: 9 })),
    `Invalid chunk 3 of recipe of ${what}: "compressedSize" must be the same for each use of one chunk`,
  );
});

Deno.test("parseRecipe() takes a layer without chunks only for the empty one", { permissions: "none" }, () => {
  const empty = chunkedLayer(new Uint8Array(0), []);
  for (const chunks of [[], null]) {
    const recipe = parseRecipe(jsonBytes({ ...empty.recipe, chunks }), empty.descriptor.digest, {
      diffId: empty.diffId,
    });
    assert.deepEqual(recipe.chunks, []);
    assert.equal(recipe.rawSizeBytes, 0);
  }
  const bare = { size: 0, compressedSize: 0, chunks: [] };
  refused(
    forged((it) => Object.assign(it, bare)),
    `Invalid recipe of ${what}: "chunks" must be filled: its layer is not empty`,
  );
  const layer = JSON.parse(GO_RECIPE).layer;
  assert.throws(
    () => parseRecipe(jsonBytes({ ...empty.recipe, layer }), empty.descriptor.digest, { what }),
    /"layer" must be the digest of no bytes: it has no chunks$/,
  );
});

Deno.test("parseRecipe() answers random damage with a recipe or an error of its own, never with another", {
  permissions: "none",
}, () => {
  const bytes = new TextEncoder().encode(GO_RECIPE);
  for (let seed = 1; seed <= 2000; seed++) {
    const random = new Random(seed);
    const damaged = bytes.slice(0, random.next(4) === 0 ? random.next(bytes.length) : bytes.length);
    for (let count = random.next(4); count >= 0; count--) damaged[random.next(damaged.length)] = random.next(128);
    try {
      parseRecipe(damaged, GO_DIGEST);
    } catch (error) {
      assert.ok(isImageError(error, "invalid-input"), `seed ${seed}: ${error}`);
    }
  }
});
