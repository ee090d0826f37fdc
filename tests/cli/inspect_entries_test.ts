/** What inspect says of entries that name no platform, and of sizes that are small. */
import assert from "node:assert/strict";
import { type Digest, digestOf } from "../../src/oci/digest.ts";
import { type Manifest, readManifest } from "../../src/oci/manifest.ts";
import { MEDIA_TYPES } from "../../src/oci/media_types.ts";
import { formatMegabytes } from "../../src/cli/text.ts";
import { multiImage, singleImage } from "../support/images.ts";
import { tempFolder, writeStore } from "./places.ts";
import { s3loJson, s3loOk } from "./program.ts";

const CACHE_CONFIG = "application/vnd.buildkit.cacheconfig.v0";

/** Makes blobs and manifests for one image. */
class Maker {
  readonly blobs = new Map<Digest, Uint8Array<ArrayBuffer>>();

  blob(mediaType: string, content: unknown) {
    const bytes = new TextEncoder().encode(JSON.stringify(content));
    const digest = digestOf(bytes);
    this.blobs.set(digest, bytes);
    return { mediaType, digest, size: bytes.byteLength };
  }

  manifest(document: Record<string, unknown>): Manifest {
    const bytes = new TextEncoder().encode(JSON.stringify({ schemaVersion: 2, ...document }));
    const manifest = readManifest(bytes, "test manifest");
    this.blobs.set(manifest.descriptor.digest, manifest.bytes);
    return manifest;
  }

  image(configType: string, config: unknown, more: Record<string, unknown> = {}): Manifest {
    return this.manifest({
      mediaType: MEDIA_TYPES.ociManifest,
      config: this.blob(configType, config),
      layers: [this.blob("application/vnd.example.payload", { configType })],
      ...more,
    });
  }

  entry({ descriptor: { mediaType, digest, size } }: Manifest) {
    return { mediaType, digest, size };
  }
}

async function inspected(maker: Maker, root: Manifest) {
  await using folder = await tempFolder();
  await writeStore(`${folder.path}/store`, "app", "v1", { root, blobs: maker.blobs, platforms: new Map() });
  const reference = `local://${folder.path}/store//app:v1`;
  return { text: await s3loOk(["inspect", reference]), json: await s3loJson(["inspect", reference]) };
}

Deno.test("inspect says what each entry of an index is that names no platform", async () => {
  const maker = new Maker();
  const nested = multiImage({ seed: 3 });
  for (const [digest, bytes] of nested.blobs) maker.blobs.set(digest, bytes);
  maker.blobs.set(nested.root.descriptor.digest, nested.root.bytes);
  const runnable = singleImage({ os: "linux", architecture: "arm64" }, { seed: 4 });
  for (const [digest, bytes] of runnable.blobs) maker.blobs.set(digest, bytes);
  maker.blobs.set(runnable.root.descriptor.digest, runnable.root.bytes);
  const entries = [
    maker.entry(runnable.root), // its config names the platform
    maker.entry(nested.root),
    maker.entry(maker.image("application/vnd.cncf.helm.config.v1+json", { name: "chart" })),
    maker.entry(maker.image(MEDIA_TYPES.ociEmpty, {}, { artifactType: "application/vnd.example.sbom" })),
    maker.entry(maker.image(CACHE_CONFIG, { layers: [] })),
    maker.entry(maker.image(MEDIA_TYPES.ociConfig, { rootfs: { type: "layers", diff_ids: [] } })),
    maker.blob("application/vnd.example.data", { some: "data" }),
  ];
  const root = maker.manifest({ mediaType: MEDIA_TYPES.ociIndex, manifests: entries });
  const { text, json } = await inspected(maker, root);
  assert.deepEqual(json.platforms.map((each: { platform: string }) => each.platform), [
    "linux/arm64",
    "(index)",
    "(artifact)",
    "(artifact)",
    "(build cache)",
    "(no platform)",
    "(blob)",
  ]);
  assert.equal(json.platforms[1].entries, 3);
  assert.equal(json.platforms[2].artifact_type, "application/vnd.cncf.helm.config.v1+json");
  assert.equal(json.platforms[3].artifact_type, "application/vnd.example.sbom");
  assert.match(text, /^Type: multi-arch image index \(1 platform\(s\)\)$/m);
  assert.match(text, /^Platform: linux\/arm64 +Layers: 2 {2}Size: [\d.]+ kB$/m);
  assert.match(text, /^Entry: {4}\(index\) +3 entries; see it by its digest$/m);
  assert.match(
    text,
    /^Entry: {4}\(artifact\) +Layers: 1 {2}Size: \d+ B {2}application\/vnd\.cncf\.helm\.config\.v1\+json$/m,
  );
  assert.match(text, /^Entry: {4}\(build cache\) /m);
  assert.match(text, /^Entry: {4}\(no platform\) /m);
  assert.match(text, /^Entry: {4}\(blob\) +Size: \d+ B {2}application\/vnd\.example\.data$/m);
  assert.doesNotMatch(text, /0\.00 MB/);
});

Deno.test("inspect knows the two forms of BuildKit's cache", async () => {
  const old = new Maker();
  const layer = old.blob(MEDIA_TYPES.ociLayerGzip, { layer: 1 });
  const index = old.manifest({
    mediaType: MEDIA_TYPES.ociIndex,
    manifests: [layer, old.blob(CACHE_CONFIG, { layers: [{}] })],
  });
  const before = await inspected(old, index);
  assert.match(before.text, /^Type: build cache of BuildKit \(2 entries\)$/m);
  assert.deepEqual(before.json.platforms.map((each: { platform: string }) => each.platform), [
    "(layer)",
    "(build cache)",
  ]);
  const maker = new Maker();
  const now = await inspected(maker, maker.image(CACHE_CONFIG, { layers: [] }));
  assert.match(now.text, /^Type: build cache of BuildKit \(application\/vnd\.buildkit\.cacheconfig\.v0\)$/m);
  assert.equal(now.json.artifact_type, CACHE_CONFIG);
});

Deno.test("a size is never 0.00 MB for something that is there", { permissions: "none" }, () => {
  assert.deepEqual([0, 1, 999, 4999, 5000, 8_178_892].map(formatMegabytes), [
    "0 B",
    "1 B",
    "999 B",
    "5.0 kB",
    "0.01 MB",
    "8.18 MB",
  ]);
});
