import assert from "node:assert/strict";
import { openArchiveFile } from "../../src/archive/archive_file.ts";
import { type ArchiveOutput, openArchiveOutput, streamOutput } from "../../src/archive/archive_output.ts";
import { givenBundleName } from "../../src/archive/bundle_names.ts";
import type { HeldBlobs } from "../../src/archive/bundle_needs.ts";
import { Bundle } from "../../src/archive/bundle_reader.ts";
import { BundleWriter, writtenImage } from "../../src/archive/bundle_writer.ts";
import { partListPath, partPath } from "../../src/archive/part_list.ts";
import { openSplitOutput } from "../../src/archive/split_output.ts";
import { isImageError } from "../../src/errors.ts";
import { copyImage } from "../../src/image/copy_image.ts";
import { type BundledImage, BundleTarget } from "../../src/transports/bundle_target.ts";
import { openOciArchiveSource } from "../../src/transports/oci_archive.ts";
import { openOciLayoutSource, openOciLayoutTarget } from "../../src/transports/oci_layout.ts";
import { multiImage, type TestImage } from "../support/images.ts";
import { MemorySource, type Misbehaviour } from "../support/memory_place.ts";
import { concat } from "../support/concat.ts";
import { FILES, temporaryFolder } from "./support.ts";

/** Two versions of an image that share their first layer. */
const images: readonly (readonly [string, TestImage])[] = [
  ["registry.example.com/app:v1", multiImage({ seed: 31, layerBytes: 400_000 })],
  ["db:v2", multiImage({ seed: 31, layerBytes: 400_000, platforms: ["linux/amd64", "linux/s390x"] })],
];

interface SaveOptions {
  readonly splitBytes?: number;
  readonly held?: HeldBlobs;
  readonly misbehaviour?: Misbehaviour;
}

/** Saves the images into a bundle; gives how many blobs were moved. */
async function saveBundle(path: string, options: SaveOptions = {}, chosen = images): Promise<number> {
  const output = options.splitBytes ? await openSplitOutput(path, options.splitBytes) : await openArchiveOutput(path);
  return await writeBundle(output, options, chosen);
}

async function writeBundle(output: ArchiveOutput, options: SaveOptions = {}, chosen = images): Promise<number> {
  await using bundle = new BundleWriter(output);
  const written: BundledImage[] = [];
  let moved = 0;
  for (const [name, image] of chosen) {
    await using target = new BundleTarget(bundle, givenBundleName(name), options.held ?? new Map());
    const source = new MemorySource(image, options.misbehaviour ? { misbehaviour: options.misbehaviour } : {});
    moved += (await copyImage(source, target)).movedBlobs.length;
    written.push(target.image);
  }
  await bundle.finish(written.map(({ name, manifests }) => writtenImage(name, manifests)), []);
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
    const moved = await saveBundle(path);
    const blobs = new Set(images.flatMap(([, image]) => [...image.blobs.keys()]));
    const manifests = images.flatMap(([, image]) => [...image.platforms.values()]);
    assert.equal(moved, blobs.size - new Set(manifests.map(({ descriptor }) => descriptor.digest)).size);
    {
      await using bundle = await Bundle.open(await openArchiveFile(path));
      assert.deepEqual(bundle.entries.map(({ name, descriptor }) => [name, descriptor.digest]), [
        ["registry.example.com/app:v1", images[0]![1].root.descriptor.digest],
        ["db:v2", images[1]![1].root.descriptor.digest],
      ]);
      assert.deepEqual(bundle.choose(["docker.io/library/db:v2"]), [bundle.entries[1]]);
      assert.deepEqual(bundle.choose(["app:v1"]), [bundle.entries[0]], "by the path where it lands");
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
  name: "BundleTarget leaves out what the other side has, and the rest loads there",
  permissions: FILES,
  async fn() {
    await using folder = await temporaryFolder();
    const [first, second] = [`${folder.path}/first.tar`, `${folder.path}/second.tar`];
    await saveBundle(first, {}, images.slice(0, 1));
    const held = new Map(
      [...images[0]![1].blobs].map(([digest, bytes]) => [digest, { digest, size: bytes.byteLength, images: [] }]),
    );
    const moved = await saveBundle(second, { held }, images.slice(1));
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
  name: "a bundle in parts is read as any archive, and names parts that are missing or damaged",
  permissions: FILES,
  async fn() {
    await using folder = await temporaryFolder();
    const path = `${folder.path}/disk.tar`;
    await saveBundle(`${folder.path}/whole.tar`);
    await saveBundle(path, { splitBytes: 1024 * 1024 });
    const sums = (await Deno.readTextFile(partListPath(path))).trimEnd().split("\n");
    assert.ok(sums.length > 1);
    const parts = await Promise.all(sums.map((_, index) => Deno.readFile(partPath(path, index + 1))));
    assert.deepEqual(concat(parts), await Deno.readFile(`${folder.path}/whole.tar`));
    for (const given of [path, partPath(path, 1)]) await loadImage(given, "db:v2", `${folder.path}/layout`);
    await (await openArchiveFile(path, { checkParts: true }))[Symbol.asyncDispose]();
    const damaged = parts[1]!.slice();
    damaged[200_000]! ^= 1;
    await Deno.writeFile(partPath(path, 2), damaged);
    await assert.rejects(
      openArchiveFile(path, { checkParts: true }),
      (error) => isImageError(error, "digest-mismatch") && /disk\.tar\.002".* blob "sha256:/.test(error.message),
    );
    const loadAll = async () => {
      for (const [name] of images) await loadImage(path, name, `${folder.path}/other`);
    };
    await assert.rejects(loadAll(), (error) => isImageError(error, "digest-mismatch") && /sha256:/.test(error.message));
    await Deno.remove(partPath(path, 2));
    await assert.rejects(
      loadAll(),
      (error) => isImageError(error, "not-found") && error.message.includes("disk.tar.002"),
    );
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
      await using bundle = new BundleWriter(await openArchiveOutput(path));
      await using target = new BundleTarget(bundle, givenBundleName("app:v1"), new Map());
      await copyImage(new MemorySource(images[0]![1]), target);
    }
    assert.deepEqual(await Array.fromAsync(Deno.readDir(folder.path)), []);
  },
});

Deno.test({
  name: "BundleTarget says why the output failed, and not that it was stopped",
  permissions: FILES,
  async fn() {
    const full = Object.assign(new Error("No space left on device"), { code: "ENOSPC" });
    let written = 0;
    const sink = {
      write: (bytes: Uint8Array) => {
        written += bytes.byteLength;
        return written > 300_000 ? Promise.reject(full) : Promise.resolve(bytes.byteLength);
      },
    };
    await assert.rejects(
      writeBundle(streamOutput(sink, "the pipe")),
      (error) => isImageError(error, "unsupported") && /its disk is full/.test(error.message),
    );
  },
});
