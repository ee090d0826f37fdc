import assert from "node:assert/strict";
import { parsePlatform } from "../../src/oci/platform.ts";
import { singleImage, type TestImage } from "../support/images.ts";
import { serviceTest } from "../support/services.ts";
import { engine } from "./daemons.ts";
import { tempFolder, writeStore } from "./places.ts";
import { s3loJson, s3loOk } from "./program.ts";

/**
 * Podman refuses to export an image with zstd layers through Docker's API ("zstd compression is not supported for docker
 * images"), and zstd is what s3lo stores. Its own API exports it as an OCI archive.
 */

let seed = Date.now() % 1_000_000 + 900_000;

const image = (own: number, layersPerPlatform: number) =>
  singleImage(parsePlatform("linux/amd64"), {
    seed: own,
    compression: "zstd",
    layersPerPlatform,
    layerBytes: 200_000,
    sharedLayer: false,
  });

function podmanTest(
  name: string,
  body: (places: {
    readonly folder: string;
    /** Loads an image into podman under a name of its own. */
    readonly load: (image: TestImage) => Promise<string>;
    readonly host: readonly string[];
  }) => Promise<void>,
): void {
  serviceTest(name, ["podman"], async ({ podman: socket }) => {
    await using folder = await tempFolder();
    const names: string[] = [];
    const host = ["--docker-host", `unix://${socket}`];
    const load = async (each: TestImage) => {
      const name = `s3lo-zstd-${Date.now().toString(36)}${seed++}:v1`;
      names.push(name);
      await writeStore(`${folder.path}/${names.length}`, "app", "v1", each);
      await s3loOk(["pull", ...host, `local://${folder.path}/${names.length}//app:v1`, name]);
      return name;
    };
    try {
      await body({ folder: folder.path, load, host });
    } finally {
      for (const name of names) await engine(socket, "DELETE", `/images/${name}`);
    }
  });
}

/** What a store holds of an image. */
async function inspected(reference: string) {
  return await s3loJson(["inspect", "--platform", "linux/amd64", reference]);
}

podmanTest(
  "push, copy and bundle take an image with zstd layers out of podman, with the same config",
  async (places) => {
    const { folder, load, host } = places;
    const zstd = image(seed++, 3);
    assert.ok(zstd.root.content.kind === "image");
    const name = await load(zstd);
    const pushed = await s3loJson(["push", ...host, name, `local://${folder}/out//app:pushed`]);
    assert.equal(pushed.manifest_built, true);
    await s3loOk(["copy", ...host, `docker-daemon:${name}`, `local://${folder}/out//app:copied`]);
    await s3loOk(["bundle", "save", ...host, "-f", `${folder}/bundle.tar`, `docker-daemon:${name}`]);
    for (const tag of ["pushed", "copied"]) {
      const report = await inspected(`local://${folder}/out//app:${tag}`);
      assert.equal(report.config_digest, zstd.root.content.config.digest);
      assert.deepEqual(
        report.layers.map((layer: { media_type: string }) => layer.media_type),
        Array(3).fill("application/vnd.oci.image.layer.v1.tar+gzip"),
      );
    }
    // All of it is there: the diff ids are checked on the way.
    await s3loOk(["copy", `local://${folder}/out//app:pushed`, `local://${folder}/again//app:v1`]);
  },
);

podmanTest("push out of podman moves no layer that the target has, in whatever form it has it", async (places) => {
  const { folder, load, host } = places;
  const own = seed++;
  const [first, second] = [image(own, 2), image(own, 3)];
  assert.ok(first.root.content.kind === "image");
  await writeStore(`${folder}/out`, "app", "v1", first);
  const pushed = await s3loJson(["push", ...host, await load(second), `local://${folder}/out//app:v2`]);
  const report = await inspected(`local://${folder}/out//app:v2`);
  const digests = report.layers.map((layer: { digest: string }) => layer.digest);
  assert.deepEqual(digests.slice(0, 2), first.root.content.layers.map((layer) => layer.digest));
  assert.deepEqual([pushed.blobs_copied, pushed.blobs_skipped], [2, 2], "a config and a layer are new");
});
