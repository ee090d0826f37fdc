import assert from "node:assert/strict";
import { listFiles, tempFolder, writeStore } from "../cli/places.ts";
import { s3loOk } from "../cli/program.ts";
import { singleImage } from "../support/images.ts";
import { copy } from "./kit.ts";

Deno.test("hazard 3: what is done to app:v1 leaves an image called app/v1 alone", async () => {
  await using folder = await tempFolder();
  const platform = { os: "linux", architecture: "amd64" };
  const [source, target] = [`${folder.path}/a`, `${folder.path}/b`];
  await writeStore(source, "app", "v1", singleImage(platform, { seed: 1 }));
  await writeStore(source, "app/v1", "latest", singleImage(platform, { seed: 2 }));
  await writeStore(source, "app", "v10", singleImage(platform, { seed: 3 }));
  await copy(`local://${source}//app:v1`, `local://${target}//app:v1`);
  const tags = (await listFiles(`${target}/manifests`)).filter((path) => path.endsWith("/manifest.json"));
  assert.deepEqual(tags, ["app/v1/manifest.json"]);
  assert.equal(await s3loOk(["list", `local://${target}`]), "app:v1\n");
  // Replacing app:v1 in the store that has both touches the one object.
  const before = await Deno.readFile(`${source}/manifests/app/v1/latest/manifest.json`);
  await copy(`local://${source}//app:v10`, `local://${source}//app:v1`);
  assert.deepEqual(await Deno.readFile(`${source}/manifests/app/v1/latest/manifest.json`), before);
});
