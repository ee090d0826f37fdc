import assert from "node:assert/strict";
import { type BlobReader, bytesReader, readAll } from "../../src/bytes/blob_reader.ts";
import { verifiedReader } from "../../src/bytes/verified_reader.ts";
import { dockerArchive, type DockerArchiveOptions } from "../../src/archive/docker_archive_writer.ts";
import { parseTarHeader, tarPadding } from "../../src/archive/tar_header.ts";
import { isImageError } from "../../src/errors.ts";
import type { Descriptor } from "../../src/oci/descriptor.ts";
import { blobPath, digestOf } from "../../src/oci/digest.ts";
import { readManifest } from "../../src/oci/manifest.ts";
import { singleImage, type TestImage } from "../support/images.ts";
import { FILES } from "./support.ts";

const MAX = 1 << 26;
const LINUX = { os: "linux", architecture: "amd64" };

/** Opens blobs checked, as the copier hands them over. */
function opener(image: TestImage) {
  return (blob: Descriptor): Promise<BlobReader> =>
    Promise.resolve(verifiedReader(bytesReader(image.blobs.get(blob.digest)!), blob, "blob"));
}

async function archiveOf(image: TestImage, names: readonly string[], options: DockerArchiveOptions = {}) {
  await using reader = await dockerArchive({ manifest: image.root, names }, opener(image), options);
  const bytes = await readAll(reader, MAX, "archive");
  return { bytes, files: filesOf(bytes) };
}

/** A tar reader of three lines, independent of the one under test. */
function filesOf(tar: Uint8Array<ArrayBuffer>): Map<string, Uint8Array<ArrayBuffer>> {
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  for (let at = 0; at < tar.byteLength;) {
    const header = parseTarHeader(tar.subarray(at, at + 512));
    if (!header) return files;
    assert.ok(!files.has(header.name), `${header.name} is there twice`);
    files.set(header.name, tar.slice(at + 512, at + 512 + header.sizeBytes));
    at += 512 + header.sizeBytes + tarPadding(header.sizeBytes);
  }
  throw new Error("no end of the archive");
}

function jsonOf(files: Map<string, Uint8Array>, name: string) {
  return JSON.parse(new TextDecoder().decode(files.get(name)!));
}

Deno.test({
  name: "dockerArchive() holds an image layout and Docker's manifest, with all blobs as they are",
  permissions: "none",
  async fn() {
    for (const compression of ["gzip", "none"] as const) {
      const image = singleImage(LINUX, { compression, layersPerPlatform: 3 });
      const { files } = await archiveOf(image, ["app:v1", "registry.example.com/team/app:v2"]);
      for (const [digest, bytes] of image.blobs) assert.deepEqual(files.get(blobPath(digest)), bytes);
      const index = jsonOf(files, "index.json");
      assert.deepEqual(files.get(blobPath(index.manifests[0].digest)), image.root.bytes);
      assert.deepEqual(index.manifests.map((entry: { annotations: unknown }) => entry.annotations), [
        { "io.containerd.image.name": "docker.io/library/app:v1", "org.opencontainers.image.ref.name": "v1" },
        {
          "io.containerd.image.name": "registry.example.com/team/app:v2",
          "org.opencontainers.image.ref.name": "v2",
        },
      ]);
      const { content } = image.root;
      assert.ok(content.kind === "image");
      assert.deepEqual(jsonOf(files, "manifest.json"), [{
        Config: blobPath(content.config.digest),
        RepoTags: ["docker.io/library/app:v1", "registry.example.com/team/app:v2"],
        Layers: content.layers.map((layer) => blobPath(layer.digest)),
      }]);
      assert.deepEqual(jsonOf(files, "oci-layout"), { imageLayoutVersion: "1.0.0" });
    }
  },
});

Deno.test({
  name: "dockerArchive() decompresses zstd layers for old readers and names the manifest it started from",
  permissions: FILES,
  async fn() {
    const image = singleImage(LINUX, { compression: "zstd", layersPerPlatform: 2, layerBytes: 300_000 });
    const { files, bytes } = await archiveOf(image, ["app:v1"]);
    const [entry] = jsonOf(files, "index.json").manifests;
    assert.equal(entry.annotations["io.s3lo.original.digest"], image.root.descriptor.digest);
    const { content } = readManifest(files.get(blobPath(entry.digest))!, "new manifest");
    assert.ok(content.kind === "image" && image.root.content.kind === "image");
    assert.equal(content.config.digest, image.root.content.config.digest);
    const config = JSON.parse(new TextDecoder().decode(image.blobs.get(content.config.digest)!));
    assert.deepEqual(content.layers.map((layer) => layer.digest), config.rootfs.diff_ids);
    for (const layer of content.layers) {
      const tar = files.get(blobPath(layer.digest))!;
      assert.equal(digestOf(tar), layer.digest);
      assert.equal(tar.byteLength, layer.size);
    }
    const raw = await archiveOf(image, ["app:v1"], {
      openRaw: (_, diffId) => {
        const tar = files.get(blobPath(diffId))!;
        return Promise.resolve({ sizeBytes: tar.byteLength, content: bytesReader(tar) });
      },
    });
    assert.deepEqual(raw.bytes, bytes);
  },
});

Deno.test({
  name: "dockerArchive() holds back the end of a blob that is damaged, too short or too long",
  permissions: FILES,
  async fn() {
    for (const compression of ["gzip", "zstd"] as const) {
      const image = singleImage(LINUX, { compression, layerBytes: 100_000 });
      const { content } = image.root;
      assert.ok(content.kind === "image");
      const victim = content.layers[1]!.digest;
      const good = image.blobs.get(victim)!;
      const flipped = good.slice();
      flipped[good.byteLength - 1]! ^= 1;
      const long = new Uint8Array(good.byteLength + 1);
      long.set(good);
      for (const bad of [flipped, good.subarray(0, -1), long]) {
        const damaged = { ...image, blobs: new Map(image.blobs).set(victim, bad as Uint8Array<ArrayBuffer>) };
        await using reader = await dockerArchive({ manifest: image.root, names: [] }, opener(damaged));
        await assertMismatch(reader);
      }
    }
  },
});

Deno.test({
  name: "dockerArchive() holds back the end of a zstd layer whose tar is not that of its diff id",
  permissions: FILES,
  async fn() {
    const image = singleImage(LINUX, { compression: "zstd", layersPerPlatform: 2, layerBytes: 100_000 });
    const { content } = image.root;
    assert.ok(content.kind === "image");
    const [first, second] = content.layers;
    const layers = [first!, first!];
    assert.notEqual(first!.digest, second!.digest);
    const manifest = { ...image.root, content: { ...content, layers } };
    await using reader = await dockerArchive({ manifest, names: [] }, opener(image));
    await assertMismatch(reader);
  },
});

async function assertMismatch(reader: BlobReader): Promise<void> {
  let count = 0;
  await assert.rejects(async () => {
    while (true) {
      const piece = await reader.read(new Uint8Array(1000));
      if (piece.byteLength === 0) break;
      count += piece.byteLength;
    }
  }, (error) => isImageError(error, "digest-mismatch"));
  assert.ok(count > 0);
}
