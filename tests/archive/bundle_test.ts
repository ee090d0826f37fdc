import assert from "node:assert/strict";
import { openArchiveFile } from "../../src/archive/archive_file.ts";
import { openArchiveOutput } from "../../src/archive/archive_output.ts";
import { checksumsPath, damagedParts, partPath, splitOutput } from "../../src/archive/archive_parts.ts";
import { heldDigests, listLayout } from "../../src/archive/list_layout.ts";
import { isImageError } from "../../src/errors.ts";
import { copyImage } from "../../src/image/copy_image.ts";
import type { Digest } from "../../src/oci/digest.ts";
import { BundleWriter } from "../../src/transports/bundle_target.ts";
import { openOciArchiveSource } from "../../src/transports/oci_archive.ts";
import { openOciLayoutSource, openOciLayoutTarget } from "../../src/transports/oci_layout.ts";
import { multiImage, type TestImage } from "../support/images.ts";
import { MemorySource, type Misbehaviour } from "../support/memory_place.ts";
import { concat, FILES, temporaryFolder } from "./support.ts";

/** Two versions of an image that share their first layer. */
const images: readonly (readonly [string, TestImage])[] = [
  ["registry.example.com/app:v1", multiImage({ seed: 31, layerBytes: 400_000 })],
  ["db:v2", multiImage({ seed: 31, layerBytes: 400_000, platforms: ["linux/amd64", "linux/s390x"] })],
];

interface SaveOptions {
  readonly splitBytes?: number;
  readonly known?: ReadonlySet<Digest>;
  readonly misbehaviour?: Misbehaviour;
}

/** Saves the images into a bundle; gives how many blobs were moved. */
async function saveBundle(path: string, options: SaveOptions = {}, chosen = images): Promise<number> {
  const output = options.splitBytes ? splitOutput(path, options.splitBytes) : await openArchiveOutput(path);
  await using bundle = new BundleWriter({ name: path, output, ...(options.known ? { known: options.known } : {}) });
  let moved = 0;
  for (const [name, image] of chosen) {
    await using target = bundle.image([name]);
    const source = new MemorySource(image, options.misbehaviour ? { misbehaviour: options.misbehaviour } : {});
    moved += (await copyImage(source, target)).movedBlobs.length;
  }
  await bundle.finish();
  return moved;
}

async function loadImage(bundle: string, name: string, layout: string): Promise<void> {
  await using source = await openOciArchiveSource({ kind: "oci-archive", path: bundle, name }, bundle);
  await using target = openOciLayoutTarget({ kind: "oci", path: layout, name: name.replaceAll("/", "-") }, layout);
  await copyImage(source, target);
}

Deno.test({
  name: "BundleWriter keeps several images whole, shared blobs once, the same bytes each time",
  permissions: FILES,
  async fn() {
    await using folder = await temporaryFolder();
    const path = `${folder.path}/disk.tar`;
    const all = new Set(images.flatMap(([, image]) => [image.root.descriptor.digest, ...image.blobs.keys()]));
    await saveBundle(path);
    {
      await using files = await openArchiveFile(path);
      assert.deepEqual(await heldDigests(files), [...all].sort());
      assert.deepEqual((await listLayout(files)).map(({ names, root }) => [names[0], root.digest]), [
        ["registry.example.com/app:v1", images[0]![1].root.descriptor.digest],
        ["docker.io/library/db:v2", images[1]![1].root.descriptor.digest],
      ]);
    }
    for (const [name] of images) await loadImage(path, name, `${folder.path}/layout`);
    await saveBundle(`${folder.path}/again.tar`);
    assert.deepEqual(await Deno.readFile(`${folder.path}/again.tar`), await Deno.readFile(path));
    await assert.rejects(
      openOciArchiveSource({ kind: "oci-archive", path }, path),
      (error) => isImageError(error, "usage") && error.message.includes("docker.io/library/db:v2"),
    );
  },
});

Deno.test({
  name: "BundleWriter leaves out what the other side has, and the rest loads there",
  permissions: FILES,
  async fn() {
    await using folder = await temporaryFolder();
    const [first, second] = [`${folder.path}/first.tar`, `${folder.path}/second.tar`];
    await saveBundle(first, {}, images.slice(0, 1));
    await using files = await openArchiveFile(first);
    const moved = await saveBundle(second, { known: new Set(await heldDigests(files)) }, images.slice(1));
    const shared = [...images[1]![1].blobs.keys()].filter((digest) => images[0]![1].blobs.has(digest));
    assert.ok(shared.length > 0);
    assert.ok(moved < images[1]![1].blobs.size);
    await assert.rejects(
      loadImage(second, "db:v2", `${folder.path}/empty`),
      (error) => isImageError(error, "not-found"),
    );
    await loadImage(first, "registry.example.com/app:v1", `${folder.path}/layout`);
    await loadImage(second, "db:v2", `${folder.path}/layout`);
    await using layout = await openOciLayoutSource(
      { kind: "oci", path: `${folder.path}/layout`, name: "db:v2" },
      "layout",
    );
    assert.equal((await layout.root()).descriptor.digest, images[1]![1].root.descriptor.digest);
  },
});

Deno.test({
  name: "splitOutput() cuts an archive that is read as one, and names parts that are missing or damaged",
  permissions: FILES,
  async fn() {
    await using folder = await temporaryFolder();
    const path = `${folder.path}/disk.tar`;
    await saveBundle(`${folder.path}/whole.tar`);
    await saveBundle(path, { splitBytes: 1024 * 1024 });
    const sums = (await Deno.readTextFile(checksumsPath(path))).trimEnd().split("\n");
    assert.ok(sums.length > 1);
    const parts = await Promise.all(sums.map((_, index) => Deno.readFile(partPath(path, index + 1))));
    assert.deepEqual(concat(parts), await Deno.readFile(`${folder.path}/whole.tar`));
    assert.deepEqual(await damagedParts(path), []);
    for (const given of [path, partPath(path, 1)]) await loadImage(given, "db:v2", `${folder.path}/layout`);
    const damaged = parts[1]!.slice();
    damaged[200_000]! ^= 1;
    await Deno.writeFile(partPath(path, 2), damaged);
    assert.deepEqual(await damagedParts(path), [partPath(path, 2)]);
    const loadAll = async () => {
      for (const [name] of images) await loadImage(path, name, `${folder.path}/other`);
    };
    await assert.rejects(loadAll(), (error) => isImageError(error, "digest-mismatch") && /sha256:/.test(error.message));
    await Deno.remove(partPath(path, 2));
    await assert.rejects(
      loadAll(),
      (error) => isImageError(error, "not-found") && error.message.includes("disk.tar.002"),
    );
    assert.throws(() => splitOutput(path, 1000), (error) => isImageError(error, "usage"));
  },
});

Deno.test({
  name: "BundleWriter leaves nothing behind when an image fails or nobody finishes it",
  permissions: FILES,
  async fn() {
    await using folder = await temporaryFolder();
    const path = `${folder.path}/disk.tar`;
    const corrupt: Misbehaviour = {
      alter: (_, bytes) => bytes.byteLength > 100_000 ? bytes.slice().fill(0, 9, 99) : bytes,
    };
    for (const options of [{ misbehaviour: corrupt }, { misbehaviour: corrupt, splitBytes: 1 << 20 }]) {
      await assert.rejects(saveBundle(path, options), (error) => isImageError(error, "digest-mismatch"));
    }
    {
      await using bundle = new BundleWriter({ name: path, output: await openArchiveOutput(path) });
      await using target = bundle.image(["app:v1"]);
      await copyImage(new MemorySource(images[0]![1]), target);
    }
    assert.deepEqual(await Array.fromAsync(Deno.readDir(folder.path)), []);
  },
});
