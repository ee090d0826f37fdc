import assert from "node:assert/strict";
import type { EngineClient } from "../../src/engine/engine_client.ts";
import { isImageError } from "../../src/errors.ts";
import type { Descriptor } from "../../src/oci/descriptor.ts";
import { type Digest, digestOf } from "../../src/oci/digest.ts";
import { readManifest } from "../../src/oci/manifest.ts";
import { layerCompression } from "../../src/oci/media_types.ts";
import { parsePlatform } from "../../src/oci/platform.ts";
import type { DaemonSourceOptions } from "../../src/transports/docker_daemon_content.ts";
import { openDaemonSource } from "../../src/transports/docker_daemon_source.ts";
import { connectDaemon, pullInto, removeNames } from "../support/daemon_api.ts";
import { alpineImage, imagesBelow, readImage } from "../support/daemon_images.ts";
import { knownContent } from "../support/known_content.ts";
import { multiImage, singleImage, type TestImage, type TestImageOptions } from "../support/images.ts";
import { fixtureTest, type ServiceName, serviceTest } from "../support/services.ts";

type Daemon = Extract<ServiceName, "docker20" | "docker29" | "podman">;

const AMD64 = { os: "linux", architecture: "amd64" };

let seed = Date.now() % 1_000_000 + 5_000_000;

function freshImage(options: TestImageOptions = {}): TestImage {
  return singleImage(AMD64, { seed: seed++, layerBytes: 200_000, layersPerPlatform: 3, ...options });
}

function daemonTest(
  name: string,
  daemons: readonly Daemon[],
  body: (client: EngineClient) => Promise<void>,
): void {
  for (const daemon of daemons) {
    serviceTest(`${name} (${daemon})`, [daemon], (addresses) => withDaemon(addresses[daemon], body));
  }
}

async function withDaemon(socket: string, body: (client: EngineClient) => Promise<void>): Promise<void> {
  using client = await connectDaemon(socket);
  await removeNames(client, NAMES);
  try {
    await body(client);
  } finally {
    await removeNames(client, NAMES);
  }
}

const NAMES = ["s3lo-test/push:1", "s3lo-test/push:2"];
const ALL: readonly Daemon[] = ["docker20", "docker29", "podman"];
const RAW: readonly Daemon[] = ["docker20", "podman"];

/** Reads an image of the daemon into memory. */
async function pushFrom(client: EngineClient, name: string, options: DaemonSourceOptions = {}): Promise<TestImage> {
  await using source = await openDaemonSource(client, name, options);
  return await readImage(source);
}

function configOf(image: TestImage): Digest | undefined {
  return image.root.content.kind === "image" ? image.root.content.config.digest : undefined;
}

function layersOf(image: TestImage): readonly Descriptor[] {
  return image.root.content.kind === "image" ? image.root.content.layers : [];
}

for (const daemon of ALL) {
  const name = `DaemonSource gives back a real image that was pulled (${daemon})`;
  fixtureTest(name, "s3lo-store", [daemon], async (folder, addresses) => {
    const alpine = await alpineImage(folder);
    await withDaemon(addresses[daemon], async (client) => {
      const root = alpine.platforms.get("linux/amd64")!;
      const first = await pullInto(client, alpine, "s3lo-test/push:1", { root });
      const pushed = await pushFrom(client, "s3lo-test/push:1");
      if (client.info.store === "containerd") assert.equal(pushed.root.descriptor.digest, root.descriptor.digest);
      await using source = await openDaemonSource(client, "s3lo-test/push:1");
      await source.root();
      assert.equal(source.isOriginal, client.info.store === "containerd");
      await client.removeImage("s3lo-test/push:1");
      const second = await pullInto(client, pushed, "s3lo-test/push:2");
      assert.equal(second.imageId, first.imageId);
    });
  });
}

for (const compression of ["none", "gzip", "zstd"] as const) {
  daemonTest(`DaemonSource stores raw layers with compression ${compression}`, RAW, async (client) => {
    const image = freshImage();
    await pullInto(client, image, "s3lo-test/push:1");
    const pushed = await pushFrom(client, "s3lo-test/push:1", { compression });
    assert.equal(configOf(pushed), configOf(image));
    assert.deepEqual(layersOf(pushed).map((layer) => layerCompression(layer.mediaType)), Array(3).fill(compression));
    const again = await pushFrom(client, "s3lo-test/push:1", { compression });
    assert.equal(again.root.descriptor.digest, pushed.root.descriptor.digest);
  });
}

daemonTest("DaemonSource keeps manifests of the containerd store byte for byte", ["docker29"], async (client) => {
  for (const options of [{ compression: "zstd" }, { docker: true }, { compression: "none" }] as const) {
    const image = freshImage(options);
    await pullInto(client, image, "s3lo-test/push:1");
    const pushed = await pushFrom(client, "s3lo-test/push:1");
    assert.deepEqual(pushed.root.bytes, image.root.bytes);
    assert.deepEqual([...pushed.blobs.keys()].sort(), [...image.blobs.keys()].sort());
  }
});

daemonTest("DaemonSource gives a whole index byte for byte", ["docker29"], async (client) => {
  const image = multiImage({ seed: seed++, attestations: true });
  await pullInto(client, image, "s3lo-test/push:1");
  const pushed = await pushFrom(client, "s3lo-test/push:1");
  assert.deepEqual(pushed.root.bytes, image.root.bytes);
  assert.deepEqual([...pushed.blobs.keys()].sort(), [...image.blobs.keys()].sort());
});

daemonTest("DaemonSource gives a chosen platform of an index", ["docker29"], async (client) => {
  const image = multiImage({ seed: seed++, attestations: true });
  await pullInto(client, image, "s3lo-test/push:1");
  const pushed = await pushFrom(client, "s3lo-test/push:1", { platform: parsePlatform("linux/arm/v7") });
  assert.equal(pushed.root.descriptor.digest, image.platforms.get("linux/arm/v7")!.descriptor.digest);
  await assert.rejects(
    openDaemonSource(client, "s3lo-test/push:1", { platform: parsePlatform("linux/s390x") }),
    (error) => isImageError(error, "not-found") && /linux\/amd64, linux\/arm64, linux\/arm\/v7/.test(error.message),
  );
});

daemonTest("DaemonSource leaves out platforms that are not there, and says so", ["docker29"], async (client) => {
  const image = multiImage({ seed: seed++, attestations: true });
  const partial = without(image, "linux/arm/v7");
  await pullInto(client, partial, "s3lo-test/push:1");
  await using source = await openDaemonSource(client, "s3lo-test/push:1");
  assert.deepEqual(source.leftOut.map((entry) => entry.label), ["linux/arm/v7"]);
  const pushed = await readImage(source);
  assert.equal(pushed.root.content.kind, "index");
  assert.deepEqual([...pushed.platforms.keys()], ["linux/amd64", "linux/arm64"]);
  assert.equal(imagesBelow(pushed, pushed.root).length, 4, "two images and their attestations");
  for (const [name, manifest] of pushed.platforms) {
    assert.equal(manifest.descriptor.digest, image.platforms.get(name)!.descriptor.digest);
  }
});

daemonTest("DaemonSource makes a single image of the only platform that is there", ["docker29"], async (client) => {
  const image = multiImage({ seed: seed++, attestations: true, platforms: ["linux/amd64", "linux/arm64"] });
  await pullInto(client, without(image, "linux/arm64"), "s3lo-test/push:1");
  const pushed = await pushFrom(client, "s3lo-test/push:1");
  assert.equal(pushed.root.descriptor.digest, image.platforms.get("linux/amd64")!.descriptor.digest);
  const kept = await pushFrom(client, "s3lo-test/push:1", { allPlatforms: true });
  assert.equal(kept.root.content.kind, "index");
  assert.deepEqual([...kept.platforms.keys()], ["linux/amd64"]);
  assert.equal(imagesBelow(kept, kept.root).length, 2, "the image and its attestation");
});

daemonTest("DaemonSource exports nothing for an image that the target has", ALL, async (client) => {
  const image = freshImage();
  await pullInto(client, image, "s3lo-test/push:1");
  const pushed = await pushFrom(client, "s3lo-test/push:1");
  const exports = countExports(client);
  await using source = await openDaemonSource(client, "s3lo-test/push:1", {
    known: knownContent([{ manifest: pushed.root }]),
  });
  assert.equal((await source.root()).descriptor.digest, pushed.root.descriptor.digest);
  assert.equal(exports.count, 0);
  assert.ok(source.isOriginal);
});

daemonTest("DaemonSource does not compress layers that the target has", RAW, async (client) => {
  const own = seed++;
  const first = freshImage({ seed: own, layersPerPlatform: 2 });
  const second = freshImage({ seed: own, layersPerPlatform: 3 });
  await pullInto(client, first, "s3lo-test/push:1");
  const pushed = await pushFrom(client, "s3lo-test/push:1");
  const known = knownContent([{ manifest: pushed.root, config: pushed.blobs.get(configOf(pushed)!) }]);
  await pullInto(client, second, "s3lo-test/push:2");
  await using source = await openDaemonSource(client, "s3lo-test/push:2", {
    level: 19, // layers that were compressed again would come out different
    known,
  });
  const root = await source.root();
  const layers = root.content.kind === "image" ? root.content.layers : [];
  assert.deepEqual(layers.slice(0, 2).map((layer) => layer.digest), layersOf(pushed).map((layer) => layer.digest));
  await using reader = await source.openBlob(layers[2]!);
  assert.ok((await reader.read(new Uint8Array(1000))).byteLength > 0);
});

daemonTest("DaemonSource stores no blobs that the target has, unless they are wanted after all", ["docker29"], async (
  client,
) => {
  const image = freshImage();
  await pullInto(client, image, "s3lo-test/push:1");
  const exports = countExports(client);
  const [base] = layersOf(image);
  await using source = await openDaemonSource(client, "s3lo-test/push:1", {
    known: { hasBlob: (digest) => Promise.resolve(digest === base!.digest) },
  });
  await source.root();
  for (const layer of layersOf(image).slice(1)) {
    await using reader = await source.openBlob(layer);
    assert.ok((await reader.read(new Uint8Array(10))).byteLength > 0);
  }
  assert.equal(exports.count, 1);
  assert.deepEqual([...(await readImage(source)).blobs.keys()].sort(), [...image.blobs.keys()].sort());
  assert.equal(exports.count, 2);
});

daemonTest("DaemonSource leaves no temporary files", ALL, async (client) => {
  await pullInto(client, freshImage(), "s3lo-test/push:1");
  const folder = await Deno.makeTempDir();
  await using source = await openDaemonSource(client, "s3lo-test/push:1", { temporaryFolder: folder });
  await source.root();
  assert.deepEqual(await Array.fromAsync(Deno.readDir(folder)), []);
  await Deno.remove(folder);
});

daemonTest("DaemonSource and DaemonTarget know layers that an image has twice", ALL, async (client) => {
  const image = repeatedLayer(freshImage({ layersPerPlatform: 2 }));
  const first = await pullInto(client, image, "s3lo-test/push:1");
  const pushed = await pushFrom(client, "s3lo-test/push:1");
  assert.equal(layersOf(pushed).length, 3);
  assert.equal(layersOf(pushed)[0]!.digest, layersOf(pushed)[2]!.digest);
  await client.removeImage("s3lo-test/push:1");
  assert.equal((await pullInto(client, pushed, "s3lo-test/push:2")).imageId, first.imageId);
});

daemonTest("openDaemonSource() finds what podman has built under a short name", ["podman"], async (client) => {
  const image = freshImage();
  await pullInto(client, image, "localhost/s3lo-test/built:1");
  try {
    await using source = await openDaemonSource(client, "s3lo-test/built:1");
    assert.equal(source.image.id, configOf(image));
  } finally {
    await removeNames(client, ["localhost/s3lo-test/built:1"]);
  }
});

daemonTest("openDaemonSource() says what is not there", ALL, async (client) => {
  await assert.rejects(
    openDaemonSource(client, "s3lo-test/none:1"),
    (error) => isImageError(error, "not-found") && error.message.includes("s3lo-test/none:1"),
  );
  await pullInto(client, freshImage(), "s3lo-test/push:1");
  await assert.rejects(
    openDaemonSource(client, "s3lo-test/push:1", { platform: parsePlatform("linux/arm64") }),
    (error) => isImageError(error, "not-found") && /linux\/arm64.*linux\/amd64/.test(error.message),
  );
});

/** Counts the exports that a client is asked for. */
function countExports(client: EngineClient): { readonly count: number } {
  const counter = { count: 0 };
  const save = client.saveImage.bind(client);
  client.saveImage = (...given) => {
    counter.count++;
    return save(...given);
  };
  return counter;
}

/** The image with one platform's layers and manifests missing, as after a partial pull. */
function without(image: TestImage, platform: string): TestImage {
  const gone = image.platforms.get(platform)!;
  const blobs = new Map(image.blobs);
  blobs.delete(gone.descriptor.digest);
  return { ...image, blobs };
}

/** The image with its lowest layer once more on top. */
function repeatedLayer(image: TestImage): TestImage {
  const [base] = layersOf(image);
  const config = JSON.parse(new TextDecoder().decode(image.blobs.get(configOf(image)!)));
  config.rootfs.diff_ids.push(config.rootfs.diff_ids[0]);
  config.history.push({ created_by: "once more" });
  const configBytes = new TextEncoder().encode(JSON.stringify(config));
  const manifest = JSON.parse(new TextDecoder().decode(image.root.bytes));
  manifest.config = { ...manifest.config, digest: digestOf(configBytes), size: configBytes.byteLength };
  manifest.layers.push({ ...base });
  const root = readManifest(new TextEncoder().encode(JSON.stringify(manifest)), "manifest");
  return { root, blobs: new Map([...image.blobs, [digestOf(configBytes), configBytes]]), platforms: new Map() };
}
