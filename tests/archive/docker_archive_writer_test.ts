import assert from "node:assert/strict";
import { type BlobReader, bytesReader, readAll } from "../../src/bytes/blob_reader.ts";
import { dockerArchive, type DockerArchiveOptions } from "../../src/archive/docker_archive_writer.ts";
import { parseTarHeader, tarPadding } from "../../src/archive/tar_header.ts";
import { isImageError } from "../../src/errors.ts";
import { blobPath, type Digest, digestOf } from "../../src/oci/digest.ts";
import { readManifest } from "../../src/oci/manifest.ts";
import { singleImage, type TestImage } from "../support/images.ts";
import { FILES } from "./support.ts";

const MAX = 1 << 26;
const LINUX = { os: "linux", architecture: "amd64" };

function opener(image: TestImage, opened: Digest[] = []) {
  return ({ digest }: { digest: Digest }): Promise<BlobReader> => {
    opened.push(digest);
    return Promise.resolve(bytesReader(image.blobs.get(digest)!));
  };
}

async function archiveOf(image: TestImage, names: readonly string[], options: DockerArchiveOptions = {}) {
  const archive = await dockerArchive({ manifest: image.root, names }, opener(image), options);
  await using reader = archive.reader;
  const bytes = await readAll(reader, MAX, "archive");
  if (archive.sizeBytes !== undefined) assert.equal(bytes.byteLength, archive.sizeBytes);
  return { bytes, files: filesOf(bytes), archive };
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
      const { files, archive } = await archiveOf(image, ["app:v1", "registry.example.com/team/app:v2"]);
      assert.equal(archive.manifest, image.root);
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
    const { files, archive, bytes } = await archiveOf(image, ["app:v1"]);
    assert.equal(archive.sizeBytes, undefined);
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
    const measured = await archiveOf(image, ["app:v1"], {
      tarSizeOf: ({ digest }) => {
        const position = content.layers.findIndex((_, index) =>
          image.root.content.kind === "image" && image.root.content.layers[index]?.digest === digest
        );
        return Promise.resolve(content.layers[position]?.size);
      },
    });
    assert.deepEqual(measured.bytes, bytes);
    const kept = await archiveOf(image, ["app:v1"], { zstd: "keep" });
    assert.equal(kept.archive.manifest, image.root);
  },
});

Deno.test({
  name: "dockerArchive() leaves out layers that the reader has, and the layout with them",
  permissions: "none",
  async fn() {
    const image = singleImage(LINUX, { layersPerPlatform: 3 });
    const opened: Digest[] = [];
    const { content } = image.root;
    assert.ok(content.kind === "image");
    const archive = await dockerArchive({ manifest: image.root, names: ["app:v1"] }, opener(image, opened), {
      isPresent: (_, position) => position < 2,
    });
    await using reader = archive.reader;
    const files = filesOf(await readAll(reader, MAX, "archive"));
    assert.deepEqual(opened, [content.config.digest, content.layers[2]!.digest]);
    assert.deepEqual([...files.keys()], [
      blobPath(content.config.digest),
      blobPath(content.layers[2]!.digest),
      "manifest.json",
    ]);
    assert.equal(jsonOf(files, "manifest.json")[0].Layers.length, 3);
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
        const { reader } = await dockerArchive({ manifest: image.root, names: [] }, opener(damaged));
        await using closing = reader;
        let count = 0;
        await assert.rejects(async () => {
          while (true) {
            const piece = await closing.read(new Uint8Array(1000));
            if (piece.byteLength === 0) break;
            count += piece.byteLength;
          }
        }, (error) => isImageError(error, "digest-mismatch"));
        assert.ok(count > 0);
      }
    }
  },
});
