import assert from "node:assert/strict";
import { recipeKey } from "../../src/bucket/chunk_keys.ts";
import { isImageError } from "../../src/errors.ts";
import { listFiles, tempFolder } from "../cli/places.ts";
import { chunkedLayer, jsonBytes, type RecipeJson } from "../support/chunked_layers.ts";
import { pattern } from "../objects/object_store_contract.ts";
import { copy, putChunks, putImage, putObject } from "./kit.ts";

const layer = chunkedLayer(pattern(100_000), [40_000]);
const other = chunkedLayer(pattern(90_000, 7), [30_000]);

const FORGERIES: readonly [what: string, forge: (recipe: RecipeJson) => unknown][] = [
  ["a layer that is a path", (recipe) => ({ ...recipe, layer: "../../../escaped" })],
  ["a digest of a few characters", (recipe) => ({ ...recipe, chunks: [{ ...recipe.chunks[0]!, digest: "ab" }] })],
  [
    "a digest that is a path",
    (recipe) => ({ ...recipe, chunks: [{ ...recipe.chunks[0]!, digest: "../".repeat(20) + "etc" }] }),
  ],
  ["the recipe of another layer", () => other.recipe],
  [
    "another layer's chunks",
    (recipe) => ({ ...recipe, chunks: other.recipe.chunks, size: other.recipe.size, layer: other.recipe.layer }),
  ],
  [
    "a chunk of a petabyte",
    (recipe) => ({ ...recipe, size: 2 ** 50, chunks: [{ ...recipe.chunks[0]!, size: 2 ** 50 }] }),
  ],
];

for (const [what, forge] of FORGERIES) {
  Deno.test(`hazard 4: a recipe that names ${what} is refused and writes nothing anywhere`, async () => {
    await using folder = await tempFolder();
    const source = `${folder.path}/deep/er/a`;
    for (const each of [layer, other]) await putChunks(source, each);
    await putImage(source, ["app", "v1"], [layer.descriptor], [layer.diffId]);
    await putObject(source, recipeKey(layer.descriptor.digest), jsonBytes(forge(layer.recipe)));
    const before = await listFiles(folder.path);
    for (
      const target of [
        `local://${folder.path}/b//app:v1`,
        `oci:${folder.path}/layout`,
        `oci-archive:${folder.path}/a.tar`,
      ]
    ) {
      await assert.rejects(
        copy(`local://${source}//app:v1`, target),
        (error) => isImageError(error, "invalid-input") || isImageError(error, "digest-mismatch"),
      );
    }
    const added = (await listFiles(folder.path)).filter((path) => !before.includes(path));
    // Settings, configs and locks may be there, in the stores' own places; no tag, no index, no layer, nothing outside.
    assert.deepEqual(
      added.filter((path) =>
        !/^(b\/(\.s3lo\/lock|s3lo\.yaml|blobs\/sha256\/[0-9a-f]{64})|layout\/(oci-layout|blobs\/sha256\/[0-9a-f]{64}))$/
          .test(path)
      ),
      [],
    );
    for (const each of [layer, other]) {
      assert.ok(!added.some((path) => path.includes(each.descriptor.digest.slice(7))), added.join(", "));
    }
  });
}
