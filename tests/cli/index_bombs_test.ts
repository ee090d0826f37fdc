/**
 * A store that somebody sent can hold indexes made to exhaust whoever reads them. Every command that follows an index ends
 * at the same limits, with one line that says which.
 */
import assert from "node:assert/strict";
import { jsonBytes } from "../../src/oci/json.ts";
import { type Manifest, MAX_MANIFEST_BYTES, readManifest } from "../../src/oci/manifest.ts";
import { MEDIA_TYPES } from "../../src/oci/media_types.ts";
import { parsePlatform } from "../../src/oci/platform.ts";
import { singleImage, type TestImage } from "../support/images.ts";
import { tempFolder, writeStore } from "./places.ts";
import { s3lo } from "./program.ts";

const leaf = singleImage(parsePlatform("linux/amd64"));

function indexOver(children: readonly Manifest[], times = 1): Manifest {
  const entries = children.map(({ descriptor: { mediaType, digest, size }, content }) => ({
    mediaType,
    digest,
    size,
    ...(content.kind === "image" ? { platform: { os: "linux", architecture: "amd64" } } : {}),
  }));
  const manifests = Array.from({ length: times }, () => entries).flat();
  return readManifest(jsonBytes({ schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests }), "index");
}

function imageOf(root: Manifest, others: readonly Manifest[]): TestImage {
  const blobs = new Map([...leaf.blobs, ...others.map((each) => [each.descriptor.digest, each.bytes] as const)]);
  return { root, blobs, platforms: new Map() };
}

Deno.test("an index that names itself by the million is chosen from at once", async () => {
  await using folder = await tempFolder();
  const levels = [leaf.root];
  for (let level = 0; level < 4; level++) levels.unshift(indexOver([levels[0]!], 300));
  await writeStore(folder.path, "app", "bomb", imageOf(levels[0]!, levels.slice(1)));
  const place = `local://${folder.path}//app:bomb`;
  for (
    const args of [
      ["pull", "--platform", "linux/amd64", "-f", `${folder.path}/out.tar`, place, "app:v1"],
      ["inspect", "--platform", "linux/amd64", place],
      ["inspect", place],
      ["copy", "--platform", "linux/amd64", place, `local://${folder.path}/other//app:v1`],
      ["bundle", "save", "--platform", "linux/amd64", "-f", `${folder.path}/bundle.tar`, place],
    ]
  ) {
    const run = await s3lo(args);
    assert.equal(run.code, 0, `${args[0]}: ${run.stderr}`);
  }
});

Deno.test("an image whose manifests are too large together is refused, also where it is only looked at", async () => {
  await using folder = await tempFolder();
  const { mediaType, digest, size } = leaf.root.content.kind === "image" ? leaf.root.content.config : assert.fail();
  const large = Array.from({ length: 20 }, (_, seed) =>
    readManifest(
      jsonBytes({
        schemaVersion: 2,
        mediaType: MEDIA_TYPES.ociManifest,
        config: { mediaType, digest, size },
        layers: [],
        annotations: { filler: `${seed} ${"x".repeat(MAX_MANIFEST_BYTES - 4096)}` },
      }),
      "large manifest",
    ));
  await writeStore(folder.path, "app", "large", imageOf(indexOver(large), large));
  const place = `local://${folder.path}//app:large`;
  for (const args of [["inspect", place], ["copy", place, `local://${folder.path}/other//app:v1`]]) {
    const run = await s3lo(args);
    assert.equal(run.code, 1, `${args[0]}: ${run.stderr}`);
    assert.match(run.stderr, /^Error: Cannot read ".*app:large": it has more than \d+ bytes of manifests$/m);
  }
});
