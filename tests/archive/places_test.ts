import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { openArchiveFile } from "../../src/archive/archive_file.ts";
import { readDockerManifest } from "../../src/archive/docker_manifest.ts";
import { namesOf, readLayoutIndex } from "../../src/archive/layout_reader.ts";
import { type BlobReader, bytesReader } from "../../src/bytes/blob_reader.ts";
import { isImageError } from "../../src/errors.ts";
import { copyImage, type CopyOptions } from "../../src/image/copy_image.ts";
import type { ImageSource, ImageTarget } from "../../src/image/places.ts";
import { parseLocation } from "../../src/oci/location.ts";
import type { ArchiveLocation } from "../../src/oci/locations/archive.ts";
import { formatPlatform } from "../../src/oci/platform.ts";
import { openDockerArchiveSource, openDockerArchiveTarget } from "../../src/transports/docker_archive.ts";
import { openOciArchiveSource, openOciArchiveTarget } from "../../src/transports/oci_archive.ts";
import { openOciLayoutSource, openOciLayoutTarget } from "../../src/transports/oci_layout.ts";
import { indexOf, multiImage, referrerOf, singleImage, type TestImage } from "../support/images.ts";
import { MemorySource, type Misbehaviour } from "../support/memory_place.ts";
import { concat } from "../support/concat.ts";
import { FILES, temporaryFolder } from "./support.ts";

const LINUX = { os: "linux", architecture: "amd64" };

interface Streams {
  readonly stdin?: BlobReader;
  readonly stdout?: { write(bytes: Uint8Array): Promise<number> };
  readonly names?: readonly string[];
}

function openSource(text: string, streams: Streams = {}): Promise<ImageSource> {
  const reference = parseLocation(text) as ArchiveLocation;
  if (reference.kind === "oci") return openOciLayoutSource(reference, text);
  return reference.kind === "oci-archive"
    ? openOciArchiveSource(reference, text, streams)
    : openDockerArchiveSource(reference, text, streams);
}

async function openTarget(text: string, streams: Streams = {}): Promise<ImageTarget> {
  const reference = parseLocation(text) as ArchiveLocation;
  if (reference.kind === "oci") return openOciLayoutTarget(reference, text, streams);
  return reference.kind === "oci-archive"
    ? await openOciArchiveTarget(reference, text, streams)
    : await openDockerArchiveTarget(reference, text, streams);
}

async function save(image: TestImage, text: string, streams: Streams = {}, misbehaviour: Misbehaviour = {}) {
  await using target = await openTarget(text, streams);
  return await copyImage(new MemorySource(image, { misbehaviour }), target);
}

async function copy(from: string, to: string, options: CopyOptions = {}) {
  await using source = await openSource(from);
  await using target = await openTarget(to);
  return await copyImage(source, target, options);
}

/** Every file below a folder with its content's length, for comparing before and after. */
async function listing(path: string, prefix = ""): Promise<string[]> {
  const names: string[] = [];
  for await (const entry of Deno.readDir(path)) {
    if (entry.isDirectory) names.push(...await listing(`${path}/${entry.name}`, `${prefix}${entry.name}/`));
    else names.push(`${prefix}${entry.name} ${(await Deno.stat(`${path}/${entry.name}`)).size}`);
  }
  return names.sort();
}

async function rootDigest(text: string): Promise<string> {
  await using source = await openSource(text);
  return (await source.root()).descriptor.digest;
}

Deno.test({
  name: "copyImage() goes round layouts and archives without changing a digest",
  permissions: FILES,
  async fn() {
    await using folder = await temporaryFolder();
    const { path } = folder;
    const images = [
      multiImage({ attestations: true }),
      indexOf([multiImage({ seed: 4 }), multiImage({ seed: 5, platforms: ["linux/s390x"] })]),
      singleImage(LINUX, { compression: "zstd" }),
      singleImage(LINUX, { docker: true, layersPerPlatform: 0 }),
    ];
    for (const [index, image] of images.entries()) {
      const { digest } = image.root.descriptor;
      await save(image, `oci:${path}/a:v${index}`);
      await copy(`oci:${path}/a:v${index}`, `oci-archive:${path}/b${index}.tar:v${index}`);
      await copy(`oci-archive:${path}/b${index}.tar`, `oci:${path}/c:v${index}`);
      const result = await copy(`oci:${path}/c:v${index}`, `oci-archive:${path}/d${index}.tar:v${index}`);
      assert.equal(result.root.descriptor.digest, digest);
      assert.equal(result.movedBlobs.length + result.manifests.length, image.blobs.size + 1);
      assert.deepEqual(await Deno.readFile(`${path}/b${index}.tar`), await Deno.readFile(`${path}/d${index}.tar`));
      const again = await copy(`oci-archive:${path}/d${index}.tar`, `oci:${path}/c:v${index}`);
      assert.equal(again.movedBlobs.length, 0);
    }
    for (const [index, image] of images.entries()) {
      assert.equal(await rootDigest(`oci:${path}/c:v${index}`), image.root.descriptor.digest);
    }
    assert.ok((await listing(path)).every((name) => !name.includes("s3lo-")));
  },
});

Deno.test({
  name: "docker and OCI archives of one image are the same bytes each time, whatever order the blobs come in",
  permissions: FILES,
  async fn() {
    await using folder = await temporaryFolder();
    const image = singleImage(LINUX, { layersPerPlatform: 7, layerBytes: 200_000 });
    const slow: MemorySource["openBlob"] = async function (this: MemorySource, blob, range) {
      await new Promise((resolve) => setTimeout(resolve, Number(`0x${blob.digest.slice(-1)}`)));
      return await MemorySource.prototype.openBlob.call(this, blob, range);
    };
    for (const kind of ["docker-archive", "oci-archive"]) {
      const files: Uint8Array[] = [];
      for (const concurrentBlobs of [1, 3, 8]) {
        const text = `${kind}:${folder.path}/${concurrentBlobs}.tar:app:v1`;
        await using target = await openTarget(text);
        await copyImage(Object.assign(new MemorySource(image), { openBlob: slow }), target, { concurrentBlobs });
        files.push(await Deno.readFile(`${folder.path}/${concurrentBlobs}.tar`));
      }
      assert.deepEqual(files[0], files[1]);
      assert.deepEqual(files[0], files[2]);
    }
  },
});

Deno.test({
  name: "archives go to standard output and come from standard input, compressed or not",
  permissions: FILES,
  async fn() {
    const image = singleImage(LINUX);
    for (const kind of ["docker-archive", "oci-archive"]) {
      const pieces: Uint8Array[] = [];
      const stdout = {
        write: (bytes: Uint8Array) => {
          const taken = bytes.slice(0, 1000);
          pieces.push(taken);
          return Promise.resolve(taken.byteLength);
        },
      };
      await save(image, `${kind}:-:app:v1`, { stdout });
      const tar = concat(pieces);
      const packed = new Uint8Array(gzipSync(tar));
      for (const stdin of [bytesReader(tar), bytesReader(packed)]) {
        await using source = await openSource(`${kind}:-:app:v1`, { stdin });
        assert.equal((await source.root()).descriptor.digest, image.root.descriptor.digest);
      }
    }
  },
});

Deno.test({
  name: "a target stays as it was when a blob is corrupt, a source fails or nothing is published",
  permissions: FILES,
  async fn() {
    await using folder = await temporaryFolder();
    const { path } = folder;
    const old = singleImage(LINUX, { seed: 1 });
    const image = singleImage(LINUX, { seed: 2, layersPerPlatform: 3, layerBytes: 100_000 });
    const targets = [`oci:${path}/layout:v1`, `oci-archive:${path}/o.tar:v1`, `docker-archive:${path}/d.tar:app:v1`];
    for (const text of targets) await save(old, text);
    const before = await listing(path);
    assert.ok(image.root.content.kind === "image");
    const lastLayer = image.root.content.layers.at(-1)?.digest;
    const flip: Misbehaviour = {
      alter: (digest, bytes) => {
        if (digest !== lastLayer) return bytes;
        const copy = bytes.slice();
        copy[copy.byteLength - 1]! ^= 1;
        return copy;
      },
    };
    for (const text of targets) {
      await assert.rejects(save(image, text, {}, flip), (error) => isImageError(error, "digest-mismatch"));
      await assert.rejects(
        save(image, text, {}, {
          alter: (_, bytes) => bytes.byteLength > 10_000 ? concat([bytes, new Uint8Array(1)]) : bytes,
        }),
        (error) => isImageError(error, "digest-mismatch"),
      );
      await using target = await openTarget(text);
      await copyImage(new MemorySource(image), target, { dryRun: true });
    }
    // Whole blobs may stay in a layout, where the next try finds them; nothing names them.
    const after = (await listing(path)).filter((name) => !name.startsWith("layout/blobs/"));
    assert.deepEqual(after, before.filter((name) => !name.startsWith("layout/blobs/")));
    for (const text of targets) assert.equal(await rootDigest(text), old.root.descriptor.digest);
  },
});

Deno.test({
  name: "a name that is given twice, in two spellings, is written once",
  permissions: FILES,
  async fn() {
    await using folder = await temporaryFolder();
    const names = ["docker.io/library/app:v1", "app:v2"];
    for (const kind of ["docker-archive", "oci-archive"] as const) {
      const path = `${folder.path}/${kind}.tar`;
      await save(singleImage(LINUX), `${kind}:${path}:app:v1`, { names });
      await using files = await openArchiveFile(path);
      assert.deepEqual((await readLayoutIndex(files))?.entries.map((each) => namesOf(each)[0]), [
        "docker.io/library/app:v1",
        "docker.io/library/app:v2",
      ]);
      const list = await readDockerManifest(files);
      assert.deepEqual(list?.map((each) => each.names), [["docker.io/library/app:v1", "docker.io/library/app:v2"]]);
    }
  },
});

Deno.test({
  name: "an archive target passes on why its output fails, and not that it stopped",
  permissions: FILES,
  async fn() {
    const image = singleImage(LINUX, { layersPerPlatform: 5, layerBytes: 3_000_000, compression: "none" });
    for (const kind of ["docker-archive", "oci-archive"]) {
      let written = 0;
      const stdout = {
        write: (bytes: Uint8Array) => {
          written += bytes.byteLength;
          if (written > 5_000_000) return Promise.reject(new Deno.errors.BrokenPipe("gone"));
          return Promise.resolve(bytes.byteLength);
        },
      };
      await assert.rejects(save(image, `${kind}:-:app:v1`, { stdout }), /nobody reads it any more/);
    }
  },
});

Deno.test({
  name: "an OCI layout keeps its other images, replaces a tag, and tells images apart by name, digest and place",
  permissions: FILES,
  async fn() {
    await using folder = await temporaryFolder();
    const [first, second, third] = [1, 2, 3].map((seed) => singleImage(LINUX, { seed })) as [
      TestImage,
      TestImage,
      TestImage,
    ];
    const layout = `oci:${folder.path}/layout`;
    await save(first, `${layout}:v1`);
    await save(second, layout, { names: ["team/app:v1", "docker.io/library/db:v1"] });
    await assert.rejects(
      rootDigest(layout),
      (error) => isImageError(error, "usage") && /"docker\.io/.test(error.message),
    );
    assert.equal(await rootDigest(`${layout}:v1`), first.root.descriptor.digest);
    await assert.rejects(rootDigest(`${layout}:v2`), (error) => isImageError(error, "not-found"));
    const { digest } = second.root.descriptor;
    for (const name of ["team/app:v1", "docker.io/team/app:v1", "db:v1", `@${digest}`, digest, "@1"]) {
      assert.equal(await rootDigest(`${layout}:${name}`), digest);
    }
    assert.equal(await rootDigest(`${layout}:@0`), first.root.descriptor.digest);
    await save(third, layout, { names: ["team/app:v1"] });
    assert.equal(await rootDigest(`${layout}:team/app:v1`), third.root.descriptor.digest);
    assert.equal(await rootDigest(`${layout}:db:v1`), digest);
    const index = JSON.parse(await Deno.readTextFile(`${folder.path}/layout/index.json`));
    assert.equal(index.manifests.length, 3);
    // A tag that only full names have, of two images.
    index.manifests.shift();
    await Deno.writeTextFile(`${folder.path}/layout/index.json`, JSON.stringify(index));
    await assert.rejects(rootDigest(`${layout}:v1`), (error) => isImageError(error, "usage"));
  },
});

Deno.test({
  name: "publishing into one OCI layout from several writers loses none of them",
  permissions: FILES,
  async fn() {
    await using folder = await temporaryFolder();
    const images = Array.from({ length: 12 }, (_, seed) => singleImage(LINUX, { seed, layerBytes: 100 }));
    await Promise.all(images.map((image, index) => save(image, `oci:${folder.path}/layout:t${index}`)));
    for (const [index, image] of images.entries()) {
      assert.equal(await rootDigest(`oci:${folder.path}/layout:t${index}`), image.root.descriptor.digest);
    }
  },
});

Deno.test({
  name: "unnamed manifests of one index.json, each for a platform, are one image",
  permissions: FILES,
  async fn() {
    await using folder = await temporaryFolder();
    const image = multiImage();
    assert.ok(image.root.content.kind === "index");
    await save(image, `oci:${folder.path}/layout:v1`);
    await Deno.writeFile(`${folder.path}/layout/index.json`, image.root.bytes);
    await using source = await openSource(`oci:${folder.path}/layout`);
    const root = await source.root();
    assert.equal(root.descriptor.digest, image.root.descriptor.digest);
    assert.ok(root.content.kind === "index");
    assert.deepEqual(root.content.manifests.map(({ platform }) => formatPlatform(platform!)), [
      ...image.platforms.keys(),
    ]);
  },
});

Deno.test({
  name: "signatures come along into layouts and OCI archives, and are found there",
  permissions: FILES,
  async fn() {
    await using folder = await temporaryFolder();
    const image = multiImage();
    const signature = referrerOf(image.root, "application/vnd.example.sig", new Uint8Array([1, 2, 3]));
    for (const kind of ["oci", "oci-archive"]) {
      const text = `${kind}:${folder.path}/${kind}:v1`;
      await using target = await openTarget(text);
      const source = new MemorySource(image, { referrers: [signature] });
      await copyImage(source, target, { includeReferrers: true });
      await using opened = await openSource(text);
      const found = await opened.referrers!(image.root.descriptor.digest);
      assert.deepEqual(found.map(({ digest, artifactType }) => [digest, artifactType]), [
        [signature.root.descriptor.digest, "application/vnd.example.sig"],
      ]);
      assert.deepEqual((await opened.manifest(found[0]!)).bytes, signature.root.bytes);
    }
  },
});

Deno.test({
  name: "a layout whose folder of blobs may not be made is refused with its name",
  permissions: FILES,
  async fn() {
    await using folder = await temporaryFolder();
    const { mkdirSync } = Deno;
    // Root may write anywhere, so that no mode of a real folder shows this to every tester.
    Deno.mkdirSync = (path, options) => {
      if (String(path).includes("/blobs")) throw new Deno.errors.PermissionDenied("no");
      mkdirSync(path, options);
    };
    try {
      await assert.rejects(
        save(singleImage(LINUX), `oci:${folder.path}/layout`),
        (error) => isImageError(error, "denied") && error.message.includes(`"${folder.path}/layout"`),
      );
    } finally {
      Deno.mkdirSync = mkdirSync;
    }
  },
});

Deno.test({
  name: "openDockerArchiveTarget() refuses what a docker archive cannot hold, and leaves nothing behind",
  permissions: FILES,
  async fn() {
    await using folder = await temporaryFolder();
    const text = `docker-archive:${folder.path}/x.tar:app:v1`;
    await assert.rejects(save(multiImage(), text), (error) => isImageError(error, "unsupported"));
    const artifact = referrerOf(singleImage(LINUX).root, "application/vnd.example", new Uint8Array(9));
    await assert.rejects(save(artifact, text), (error) => isImageError(error, "unsupported"));
    await assert.rejects(
      openTarget(`docker-archive:${folder.path}/x.tar:Bad Name`),
      (error) => isImageError(error, "invalid-reference"),
    );
    await assert.rejects(openTarget(`docker-archive:${folder.path}:app:v1`), (error) => isImageError(error, "usage"));
    await assert.rejects(
      openTarget(`oci-archive:${folder.path}/no/x.tar`),
      (error) => isImageError(error, "not-found"),
    );
    assert.deepEqual(await listing(folder.path), []);
  },
});

Deno.test({
  name: "parseLocation() reads skopeo's spellings and refuses half ones",
  permissions: "none",
  fn() {
    const read = (text: string) => {
      const { text: written, ...place } = parseLocation(text);
      assert.equal(written, text);
      return place;
    };
    assert.deepEqual(read("oci:dir"), { kind: "oci", path: "dir" });
    assert.deepEqual(read("oci-archive:/a/b.tar:v1"), {
      kind: "oci-archive",
      path: "/a/b.tar",
      name: "v1",
    });
    assert.deepEqual(read("docker-archive:-:localhost:5000/app:v1"), {
      kind: "docker-archive",
      path: "-",
      name: "localhost:5000/app:v1",
    });
    assert.deepEqual(read("oci:C:\\images:v1"), { kind: "oci", path: "C:\\images", name: "v1" });
    const others = { "alpine:3": "registry", "s3://bucket/a:v1": "s3", "docker://alpine": "registry" };
    for (const [text, kind] of Object.entries(others)) assert.equal(parseLocation(text).kind, kind);
    for (const text of ["oci://x", "oci:", "oci::v1", "docker-archive:a.tar:", "oci:-"]) {
      assert.throws(() => parseLocation(text), (error) => isImageError(error, "invalid-reference"));
    }
  },
});
