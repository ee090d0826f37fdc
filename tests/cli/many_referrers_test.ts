/** An image with dozens of signatures and SBOMs: copying it, or loading a bundle of it, must not fail over its own writes. */
import assert from "node:assert/strict";
import { parsePlatform } from "../../src/oci/platform.ts";
import { referrerOf, singleImage } from "../support/images.ts";
import { serviceTest } from "../support/services.ts";
import { makeBuckets, tempFolder, writeStore } from "./places.ts";
import { s3loJson, s3loOk } from "./program.ts";

const COUNT = 40;
const image = singleImage(parsePlatform("linux/amd64"), { seed: 90 });

/** A layout that holds the image and all that refers to it. */
async function signedLayout(folder: string): Promise<string> {
  const layout = `oci:${folder}/layout`;
  await writeStore(`${folder}/start`, "app", "v1", image);
  await s3loOk(["copy", `local://${folder}/start//app:v1`, `${layout}:v1`]);
  const index = JSON.parse(await Deno.readTextFile(`${folder}/layout/index.json`));
  for (let place = 0; place < COUNT; place++) {
    const text = new TextEncoder().encode(`referrer ${place}`) as Uint8Array<ArrayBuffer>;
    const { root, blobs } = referrerOf(image.root, "application/vnd.example.sbom", text);
    const all = [...blobs, [root.descriptor.digest, root.bytes] as const];
    for (const [digest, bytes] of all) {
      await Deno.writeFile(`${folder}/layout/blobs/${digest.replace(":", "/")}`, bytes);
    }
    const { mediaType, digest, size } = root.descriptor;
    index.manifests.push({ mediaType, digest, size });
  }
  await Deno.writeTextFile(`${folder}/layout/index.json`, JSON.stringify(index));
  return `${layout}:v1`;
}

async function assertAll(place: string, args: readonly string[] = [], env: Readonly<Record<string, string>> = {}) {
  const { referrers } = await s3loJson(["inspect", ...args, place], { env });
  assert.equal(referrers.length, COUNT, place);
}

Deno.test("an image with many referrers goes into a folder in one go, also out of a bundle", async () => {
  await using folder = await tempFolder();
  const source = await signedLayout(folder.path);
  await s3loOk(["copy", "--include-referrers", source, `local://${folder.path}/a//app:v1`]);
  await assertAll(`local://${folder.path}/a//app:v1`);
  await s3loOk(["bundle", "save", "--include-referrers", "-f", `${folder.path}/b.tar`, `${source} as app:v1`]);
  await s3loOk(["bundle", "load", `${folder.path}/b.tar`, `local://${folder.path}/loaded`, "--create"]);
  await assertAll(`local://${folder.path}/loaded//app:v1`);
});

serviceTest("an image with many referrers goes into a bucket in one go", ["minio"], async (services) => {
  await using folder = await tempFolder();
  using buckets = await makeBuckets(services.minio);
  const options = { env: buckets.env };
  const args = ["--endpoint", buckets.endpoint];
  const source = await signedLayout(folder.path);
  await s3loOk(["copy", "--include-referrers", ...args, source, `s3://${buckets.first}/app:v1`], options);
  await assertAll(`s3://${buckets.first}/app:v1`, args, buckets.env);
});
