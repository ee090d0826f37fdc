/**
 * An image may hold the same tar several times, each time packed differently. In a docker archive, where layers are
 * unpacked, they are one file: whoever offers the other ones must not wait for them to be taken.
 */
import assert from "node:assert/strict";
import { zstdCompressSync } from "node:zlib";
import { openArchiveFile } from "../../src/archive/archive_file.ts";
import { openDockerArchiveImage } from "../../src/archive/docker_archive_reader.ts";
import { copyImage } from "../../src/image/copy_image.ts";
import { openDockerArchiveTarget } from "../../src/transports/docker_archive.ts";
import { digestOf } from "../../src/oci/digest.ts";
import { jsonBytes } from "../../src/oci/json.ts";
import { readManifest } from "../../src/oci/manifest.ts";
import { MEDIA_TYPES } from "../../src/oci/media_types.ts";
import { concat } from "../support/concat.ts";
import { Random, tarOf, type TestImage } from "../support/images.ts";
import { MemorySource } from "../support/memory_place.ts";
import { checkWhole, FILES, temporaryFolder } from "./support.ts";

/** A layer: its tar, and how it is packed: in two frames cut there, or not at all. */
interface Packed {
  readonly tar: Uint8Array<ArrayBuffer>;
  readonly cut?: number;
}

function imageOf(layers: readonly Packed[]): TestImage {
  const blobs = new Map<ReturnType<typeof digestOf>, Uint8Array<ArrayBuffer>>();
  const blob = (mediaType: string, bytes: Uint8Array<ArrayBuffer>) => {
    const digest = digestOf(bytes);
    blobs.set(digest, bytes);
    return { mediaType, digest, size: bytes.byteLength };
  };
  const config = blob(
    MEDIA_TYPES.ociConfig,
    jsonBytes({
      os: "linux",
      architecture: "amd64",
      rootfs: { type: "layers", diff_ids: layers.map(({ tar }) => digestOf(tar)) },
    }),
  );
  const descriptors = layers.map(({ tar, cut }) => {
    if (cut === undefined) return blob(MEDIA_TYPES.ociLayer, tar);
    const frames = [tar.subarray(0, cut), tar.subarray(cut)].map((part) => new Uint8Array(zstdCompressSync(part)));
    return blob(MEDIA_TYPES.ociLayerZstd, concat(frames));
  });
  const manifest = { schemaVersion: 2, mediaType: MEDIA_TYPES.ociManifest, config, layers: descriptors };
  return { root: readManifest(jsonBytes(manifest), "image"), blobs, platforms: new Map() };
}

const tar = tarOf("file", new Random(3).bytes(50_000));
const other = tarOf("other", new Random(4).bytes(50_000));
const variants = (count: number): Packed[] => Array.from({ length: count }, (_, place) => ({ tar, cut: place + 1 }));

const CASES: Record<string, { readonly layers: readonly Packed[]; readonly concurrentBlobs?: number }> = {
  "two of one tar, one blob at a time": { layers: variants(2), concurrentBlobs: 1 },
  "more of one tar than are taken at once": { layers: variants(8) },
  "another tar behind many of one": { layers: [...variants(8), { tar: other, cut: 9 }] },
  "a raw one before a packed one": { layers: [{ tar }, ...variants(6), { tar: other }] },
  "a packed one before a raw one": { layers: [...variants(6), { tar }, { tar: other, cut: 9 }] },
  "the same blob twice among them": { layers: [...variants(3), ...variants(3), { tar: other, cut: 9 }] },
};

for (const [name, { layers, concurrentBlobs }] of Object.entries(CASES)) {
  Deno.test({
    name: `a docker archive takes layers that are the same tar: ${name}`,
    permissions: FILES,
    async fn() {
      await using folder = await temporaryFolder();
      const path = `${folder.path}/out.tar`;
      {
        await using target = await openDockerArchiveTarget({ kind: "docker-archive", path }, path, {
          names: ["app:v1"],
        });
        await copyImage(new MemorySource(imageOf(layers)), target, concurrentBlobs ? { concurrentBlobs } : {});
      }
      await using files = await openArchiveFile(path);
      await using image = await openDockerArchiveImage(files, undefined, { compression: "none" });
      await checkWhole(image);
      const { content } = image.root;
      assert.ok(content.kind === "image");
      assert.deepEqual(content.layers.map(({ digest }) => digest), layers.map((each) => digestOf(each.tar)));
      assert.deepEqual(content.layers.map(({ size }) => size), layers.map((each) => each.tar.byteLength));
    },
  });
}
