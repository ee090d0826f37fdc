/** Bundles that are forged or incomplete, and targets that hold layers in chunks. */
import assert from "node:assert/strict";
import { digestOf, hexOf } from "../../src/oci/digest.ts";
import { parsePlatform } from "../../src/oci/platform.ts";
import { chunkedLayer } from "../support/chunked_layers.ts";
import { multiImage, Random, singleImage, tarOf } from "../support/images.ts";
import { readStoredTag, tempFolder, writeStore } from "./places.ts";
import { exists } from "./bundle_kit.ts";
import { s3lo, s3loJson, s3loOk, zstdTest } from "./program.ts";

const app = multiImage({ seed: 51, layerBytes: 50_000 });

/** An unpacked bundle of one image whose files can be forged; `pack` makes a tar of it again. */
async function unpacked(): Promise<AsyncDisposable & { path: string; layout: string; pack: () => Promise<string> }> {
  const folder = await tempFolder();
  await writeStore(`${folder.path}/src`, "app", "v1", app);
  await s3loOk(["bundle", "save", "-f", `${folder.path}/disk.tar`, `local://${folder.path}/src//app:v1`]);
  const layout = `${folder.path}/layout`;
  await Deno.mkdir(layout);
  const tar = async (...args: string[]) => {
    const { code } = await new Deno.Command("tar", { args }).output();
    assert.equal(code, 0);
  };
  await tar("xf", `${folder.path}/disk.tar`, "-C", layout);
  const pack = async () => {
    await tar("cf", `${folder.path}/forged.tar`, "-C", layout, ".");
    return `${folder.path}/forged.tar`;
  };
  return { ...folder, layout, pack };
}

Deno.test("bundle load names what an incomplete bundle lacks before it writes, and takes it from the target if it is there", async () => {
  await using folder = await unpacked();
  const [layer, bytes] = [...app.blobs].find(([, bytes]) => bytes.byteLength > 20_000)!;
  await Deno.remove(`${folder.layout}/blobs/sha256/${hexOf(layer)}`);
  const file = await folder.pack();
  const run = await s3lo(["bundle", "load", file, `local://${folder.path}/out`]);
  assert.equal(run.code, 1);
  assert.match(run.stderr, new RegExp(`blob "${layer}" of "app:v1" missing, in the bundle and at the target`));
  assert.equal(await exists(`${folder.path}/out`), false);
  await Deno.mkdir(`${folder.path}/out/blobs/sha256`, { recursive: true });
  await Deno.mkdir(`${folder.path}/out/manifests`);
  await Deno.writeFile(`${folder.path}/out/blobs/sha256/${hexOf(layer)}`, bytes);
  await s3loOk(["bundle", "load", file, `local://${folder.path}/out`]);
  assert.deepEqual(await readStoredTag(`${folder.path}/out`, "app", "v1"), app.root.bytes);
});

Deno.test("bundle load and list refuse forged bundles with one error and write nothing", async () => {
  const text = (value: unknown) => JSON.stringify(value);
  const digest = app.root.descriptor.digest;
  const entry = (name: string, more = {}) => ({
    mediaType: app.root.descriptor.mediaType,
    digest,
    size: app.root.bytes.byteLength,
    annotations: { "org.opencontainers.image.ref.name": name, ...more },
  });
  const index = (...manifests: unknown[]) => text({ schemaVersion: 2, manifests });
  const cases: [file: string, content: string, error: RegExp][] = [
    ["index.json", "{", /not valid JSON/],
    ["index.json", index(), /holds no image/],
    ["index.json", index({ ...entry("app:v1"), size: 3 }), /manifest "sha256:/],
    ["index.json", index({ ...entry("app:v1"), digest: "sha256:../../x" }), /Invalid digest/],
    ["index.json", index({ ...entry("app:v1"), digest: digestOf(new Uint8Array(1)) }), /it is not there/],
    ["index.json", index(entry("../../etc:v1")), /its name is not the name of an image/],
    ["index.json", index(entry("v1")), /its name is not the name of an image/],
    ["index.json", index(entry("x:v1", { "io.s3lo.image.path": "../x:v1" })), /its name is not the name of an image/],
    ["oci-layout", text({ imageLayoutVersion: "9" }), /version "9" is not known/],
    ["s3lo-bundle.json", text({ version: 2 }), /bundle of version 2/],
    ["s3lo-bundle.json", "[]", /not a JSON object/],
    ["s3lo-bundle.json", text({ version: 1, relies_on: [{ digest: "x", size: 1 }] }), /is no digest/],
    ["s3lo-bundle.json", text({ version: 1, relies_on: [{ digest, size: -1 }] }), /must be a whole number/],
    [`blobs/sha256/${hexOf(digest)}`, "{}", /manifest "sha256:/],
  ];
  for (const [file, content, error] of cases) {
    await using folder = await unpacked();
    await Deno.writeTextFile(`${folder.layout}/${file}`, content);
    for (const source of [await folder.pack(), folder.layout]) {
      const run = await s3lo(["bundle", "load", source, `local://${folder.path}/out`]);
      assert.notEqual(run.code, 0, `${file}: ${content}`);
      assert.match(run.stderr, error);
      assert.equal(run.stderr.split("\n").filter((line) => line.startsWith("Error: ")).length, 1, run.stderr);
      assert.doesNotMatch(run.stderr, /bug in s3lo/);
      assert.equal(await exists(`${folder.path}/out`), false);
    }
  }
});

Deno.test("bundle save --since refuses what is no list of blobs", async () => {
  await using folder = await unpacked();
  const since = `${folder.path}/since.json`;
  const args = ["bundle", "save", "-f", `${folder.path}/x.tar`, "--since", since, `local://${folder.path}/src//app:v1`];
  assert.match((await s3lo(args)).stderr, /there is no such file/);
  for (const content of ["", "[]", "{}", '{"blobs": [{}]}', '{"blobs": [{"digest": "sha256:x", "size": 1}]}']) {
    await Deno.writeTextFile(since, content);
    const run = await s3lo(args);
    assert.equal(run.code, 1, content);
    assert.match(run.stderr, /since\.json/);
  }
  assert.equal(await exists(`${folder.path}/x.tar`), false);
});

zstdTest(Deno.test, "a delta may rely on a layer that the target holds in chunks", async () => {
  await using folder = await tempFolder();
  const layer = chunkedLayer(tarOf("data", new Random(3).bytes(90_000)), [40_000, 30_000]);
  const base = singleImage(parsePlatform("linux/amd64"), { seed: 52 });
  const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
  const config = json({ os: "linux", architecture: "amd64", rootfs: { type: "layers", diff_ids: [layer.diffId] } });
  const image = (note: string) =>
    json({
      schemaVersion: 2,
      mediaType: base.root.content.mediaType,
      config: {
        mediaType: "application/vnd.oci.image.config.v1+json",
        digest: digestOf(config),
        size: config.byteLength,
      },
      layers: [layer.descriptor],
      annotations: { note },
    });
  const blobs = new Map([[digestOf(config), config], [layer.descriptor.digest, layer.stored]]);
  const source = `local://${folder.path}/src//app`;
  for (const tag of ["v1", "v2"]) {
    const root = { ...base.root, bytes: image(tag) };
    await writeStore(`${folder.path}/src`, "app", tag, { root, blobs, platforms: new Map() });
  }
  await s3loOk(["bundle", "save", "-f", `${folder.path}/one.tar`, `${source}:v1`]);
  await s3loOk(["bundle", "save", "-f", `${folder.path}/two.tar`, "--since", `${folder.path}/one.tar`, `${source}:v2`]);
  // A store in which somebody has cut the layer into chunks.
  await Deno.mkdir(`${folder.path}/out/manifests`, { recursive: true });
  for (const [key, bytes] of layer.objects) {
    await Deno.mkdir(`${folder.path}/out/${key.slice(0, key.lastIndexOf("/"))}`, { recursive: true });
    await Deno.writeFile(`${folder.path}/out/${key}`, bytes);
  }
  await Deno.mkdir(`${folder.path}/out/blobs/sha256`, { recursive: true });
  const [chunk, bytes] = [...layer.objects].find(([key]) => key.startsWith("chunks/"))!;
  await Deno.remove(`${folder.path}/out/${chunk}`);
  const refused = await s3lo(["bundle", "load", `${folder.path}/two.tar`, `local://${folder.path}/out`]);
  assert.match(refused.stderr, /relies on blob/, "a recipe whose chunk is gone does not count");
  await Deno.writeFile(`${folder.path}/out/${chunk}`, bytes);
  const report = await s3loJson(["bundle", "load", `${folder.path}/two.tar`, `local://${folder.path}/out`]);
  assert.equal(report.images[0].bytes_copied, config.byteLength);
  await s3loOk(["copy", `local://${folder.path}/out//app:v2`, `local://${folder.path}/end//app:v2`]);
});
