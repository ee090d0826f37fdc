import assert from "node:assert/strict";
import { copy, ImageError, inspect, list, openImage } from "../../src/api.ts";
import { multiImage, singleImage } from "../support/images.ts";
import { tempFolder, writeStore } from "../cli/places.ts";

Deno.test("the library copies, inspects, lists and opens images", async () => {
  await using folder = await tempFolder();
  const content = multiImage({ platforms: ["linux/amd64", "linux/arm64"] });
  const store = `local://${folder.path}/store`;
  await writeStore(`${folder.path}/store`, "app", "v1", content);

  const copied = await copy(`${store}//app:v1`, `local://${folder.path}/to//app:v2`);
  assert.equal(copied.digest, content.root.descriptor.digest);
  const all = copied.blobsCopied + copied.blobsLinked;
  assert.ok(all > 0 && copied.blobsSkipped === 0);
  const again = await copy(`${store}//app:v1`, `local://${folder.path}/to//app:v2`);
  assert.deepEqual([again.blobsCopied, again.blobsLinked, again.blobsSkipped], [0, 0, all]);

  const report = await inspect(`local://${folder.path}/to//app:v2`);
  assert.ok(report.isIndex);
  assert.deepEqual(report.images.map(({ platform }) => platform).filter((platform) => platform !== "(attestation)"), [
    "linux/amd64",
    "linux/arm64",
  ]);
  assert.deepEqual(await list(`local://${folder.path}/to`), [{ name: "app", tags: ["v2"] }]);

  const one = await copy(`${store}//app:v1`, `${store}//app:arm`, { platforms: ["linux/arm64"] });
  assert.equal(one.digest, report.images.find(({ platform }) => platform === "linux/arm64")!.digest);
  const single = await inspect(`${store}//app:arm`);
  assert.deepEqual([single.isIndex, single.images.length], [false, 1]);
  await using image = await openImage(`${store}//app:arm`);
  const manifest = JSON.parse(new TextDecoder().decode(image.manifest));
  const config = await new Response(await image.blob(manifest.config)).json();
  assert.equal(config.architecture, "arm64");
});

Deno.test("the library's blobs are never handed out whole when their bytes are wrong", async () => {
  await using folder = await tempFolder();
  const content = singleImage({ os: "linux", architecture: "amd64" });
  await writeStore(`${folder.path}/store`, "app", "v1", content);
  await using image = await openImage(`local://${folder.path}/store//app:v1`);
  const { config } = JSON.parse(new TextDecoder().decode(image.manifest));
  const path = `${folder.path}/store/blobs/sha256/${config.digest.slice(7)}`;
  const bytes = await Deno.readFile(path);
  bytes[0]! ^= 1;
  await Deno.writeFile(path, bytes);
  await assert.rejects(
    async () => await new Response(await image.blob(config)).bytes(),
    (error) => error instanceof ImageError && error.code === "digest-mismatch",
  );
  await assert.rejects(
    openImage(`local://${folder.path}/store//app:v9`),
    (error) => error instanceof ImageError && error.code === "not-found",
  );
});
