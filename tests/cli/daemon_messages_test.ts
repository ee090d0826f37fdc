import assert from "node:assert/strict";
import { multiImage } from "../support/images.ts";
import { serviceTest } from "../support/services.ts";
import { rawTar } from "../archive/support.ts";
import { oddImage } from "../support/odd_images.ts";
import { blobPath } from "../../src/oci/digest.ts";
import { jsonBytes } from "../../src/oci/json.ts";
import { tempFolder, writeStore } from "./places.ts";
import { s3lo } from "./program.ts";

/** One line that says what is wrong, and one that says what to do. */
function lines(stderr: string): readonly string[] {
  return stderr.trimEnd().split("\n").filter((line) => !line.startsWith("Copying "));
}

for (const daemon of ["docker20", "podman"] as const) {
  serviceTest(`an index does not fit into a daemon that keeps one platform, which names those there are (${daemon})`, [
    daemon,
  ], async (services) => {
    await using folder = await tempFolder();
    await writeStore(folder.path, "app", "v1", multiImage({ seed: 54 }));
    const host = ["--docker-host", `unix://${services[daemon]}`];
    const reference = `local://${folder.path}//app:v1`;
    for (
      const args of [["pull", "--all-platforms", reference, "s3lo-index:v1"], [
        "copy",
        reference,
        "docker-daemon:s3lo-index:v1",
      ]]
    ) {
      const run = await s3lo([...args, ...host]);
      assert.equal(run.code, 1);
      assert.deepEqual(lines(run.stderr), [
        `Error: Cannot write "docker.io/library/s3lo-index:v1": one platform of an image has room there, and ` +
        `"${reference}" is an index of linux/amd64, linux/arm64, linux/arm/v7`,
        "  Choose one with --platform linux/amd64",
      ]);
    }
  });
}

Deno.test("push --file of several images says that one is named before the reference", async () => {
  await using folder = await tempFolder();
  const images = [oddImage({ seed: 541 }), oddImage({ seed: 542 })];
  const files = images.flatMap(({ blobs }) =>
    [...blobs].map(([digest, content]) => ({ name: blobPath(digest), content }))
  );
  const list = images.map(({ root: { content } }, at) => {
    assert.ok(content.kind === "image");
    const layers = content.layers.map((layer) => blobPath(layer.digest));
    return { Config: blobPath(content.config.digest), RepoTags: [`app:${at}`], Layers: layers };
  });
  await Deno.writeFile(
    `${folder.path}/two.tar`,
    rawTar([...files, { name: "manifest.json", content: jsonBytes(list) }]),
  );
  const target = `local://${folder.path}/out//app:v1`;
  const run = await s3lo(["push", "-f", `${folder.path}/two.tar`, target]);
  assert.equal(run.code, 2);
  assert.deepEqual(lines(run.stderr), [
    `Error: Cannot choose an image of "${folder.path}/two.tar": it holds several images: "app:0", "app:1"`,
    "  Name one of them before REF: s3lo push --file PATH IMAGE REF",
  ]);
  const named = await s3lo(["push", "-f", `${folder.path}/two.tar`, "app:1", target]);
  assert.equal(named.code, 0, named.stderr);
});
