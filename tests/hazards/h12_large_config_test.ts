import assert from "node:assert/strict";
import { listFiles, tempFolder } from "../cli/places.ts";
import { s3loJson } from "../cli/program.ts";
import { copy, putImage } from "./kit.ts";

Deno.test("hazard 12: a config of two megabytes stays a blob, and can be read", async () => {
  await using folder = await tempFolder();
  const history = Array.from({ length: 2000 }, (_, index) => ({ created_by: `RUN step ${index} ${"x".repeat(1000)}` }));
  await putImage(`${folder.path}/a`, ["app", "v1"], [], [], { history });
  await copy(`local://${folder.path}/a//app:v1`, `local://${folder.path}/b//app:v1`);
  const files = await listFiles(`${folder.path}/b`);
  assert.equal(files.filter((path) => /^(chunks|recipes)\//.test(path)).length, 0);
  const report = await s3loJson(["inspect", `local://${folder.path}/b//app:v1`]);
  assert.match(JSON.stringify(report), /linux\/amd64/);
});
