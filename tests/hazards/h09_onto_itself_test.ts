import assert from "node:assert/strict";
import { listFiles, tempFolder, writeStore } from "../cli/places.ts";
import { multiImage } from "../support/images.ts";
import { copy, putObject } from "./kit.ts";

// That a crash leaves no half-written file under a final name is in tests/crash.
Deno.test("hazard 9: an image that is copied onto itself stays as it is, signatures and all", async () => {
  await using folder = await tempFolder();
  await writeStore(folder.path, "app", "v1", multiImage({ seed: 2 }));
  await putObject(
    folder.path,
    "manifests/app/v1/signatures/0123456789abcdef.json",
    new TextEncoder().encode('{"a":1}'),
  );
  const contents = async () => {
    const files = (await listFiles(folder.path)).filter((path) => !path.startsWith(".s3lo/"));
    return await Promise.all(files.map(async (path) => [path, await Deno.readFile(`${folder.path}/${path}`)]));
  };
  const before = await contents();
  await copy(`local://${folder.path}//app:v1`, `local://${folder.path}//app:v1`);
  assert.deepEqual(await contents(), before);
});
