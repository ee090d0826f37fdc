import assert from "node:assert/strict";
import { bytesReader } from "../../src/bytes/blob_reader.ts";
import type { EngineClient } from "../../src/engine/engine_client.ts";
import { isImageError } from "../../src/errors.ts";
import { digestOf } from "../../src/oci/digest.ts";
import type { Manifest } from "../../src/oci/manifest.ts";
import { openDaemonTarget } from "../../src/transports/docker_daemon_target.ts";
import { configReader, connectDaemon, pullInto, removeNames, runContainer } from "../support/daemon_api.ts";
import { alpineImage, writeImage } from "../support/daemon_images.ts";
import { multiImage, singleImage, type TestImage, type TestImageOptions } from "../support/images.ts";
import { fixtureTest, type ServiceName, serviceTest } from "../support/services.ts";

const DAEMONS = ["docker20", "docker29", "podman"] as const satisfies readonly ServiceName[];
const AMD64 = { os: "linux", architecture: "amd64" };

let seed = Date.now() % 1_000_000;

/** An image that no daemon has seen. */
function freshImage(options: TestImageOptions = {}): TestImage {
  return singleImage(AMD64, { seed: seed++, layerBytes: 50_000, layersPerPlatform: 3, ...options });
}

function layersOf(manifest: Manifest) {
  return manifest.content.kind === "image" ? manifest.content.layers : [];
}

/** A test that runs against each daemon; names that it uses are removed afterwards. */
function daemonTest(
  name: string,
  names: readonly string[],
  body: (client: EngineClient, socket: string) => Promise<void>,
  daemons: readonly (typeof DAEMONS)[number][] = DAEMONS,
): void {
  for (const daemon of daemons) {
    serviceTest(`${name} (${daemon})`, [daemon], (addresses) => withDaemon(addresses[daemon], names, body));
  }
}

/** Such a test with the real image of the shared test data. */
function alpineTest(
  name: string,
  names: readonly string[],
  body: (client: EngineClient, alpine: TestImage, socket: string) => Promise<void>,
): void {
  for (const daemon of DAEMONS) {
    fixtureTest(`${name} (${daemon})`, "s3lo-store", [daemon], async (folder, addresses) => {
      const alpine = await alpineImage(folder);
      await withDaemon(addresses[daemon], names, (client, socket) => body(client, alpine, socket));
    });
  }
}

async function withDaemon(
  socket: string,
  names: readonly string[],
  body: (client: EngineClient, socket: string) => Promise<void>,
): Promise<void> {
  using client = await connectDaemon(socket);
  await removeNames(client, names);
  try {
    await body(client, socket);
  } finally {
    await removeNames(client, names);
  }
}

/** The ID that the image must have. */
function expectedId(client: EngineClient, root: Manifest): string {
  if (client.info.store === "containerd") return root.descriptor.digest;
  return root.content.kind === "image" ? root.content.config.digest : "";
}

alpineTest("DaemonTarget loads a real image that runs", ["s3lo-test/alpine:run"], async (client, alpine, socket) => {
  const root = alpine.platforms.get("linux/amd64")!;
  const { imageId } = await pullInto(client, alpine, "s3lo-test/alpine:run", { root });
  assert.equal(imageId, expectedId(client, root));
  const printed = await runContainer(socket, "s3lo-test/alpine:run", ["cat", "/etc/os-release"]);
  assert.match(printed, /^ID=alpine$/m);
});

alpineTest(
  "DaemonTarget stores exactly the platform that was chosen",
  ["s3lo-test/alpine:arm"],
  async (client, alpine) => {
    const root = alpine.platforms.get("linux/arm/v7")!;
    await pullInto(client, alpine, "s3lo-test/alpine:arm", { root });
    const image = await client.inspectImage("s3lo-test/alpine:arm");
    assert.equal(image.id, expectedId(client, root));
    assert.deepEqual([image.platform.architecture, image.platform.os], ["arm", "linux"]);
  },
);

for (const compression of ["none", "gzip", "zstd"] as const) {
  for (const docker of [false, true]) {
    const kind = `${compression} layers, ${docker ? "Docker's" : "OCI's"} media types`;
    daemonTest(`DaemonTarget loads ${kind}`, ["s3lo-test/kinds:1"], async (client) => {
      const image = freshImage({ compression, docker });
      const { imageId, moved } = await pullInto(client, image, "s3lo-test/kinds:1");
      assert.equal(imageId, expectedId(client, image.root));
      assert.ok(moved >= 4, `${moved} blobs`);
    });
  }
}

daemonTest("DaemonTarget moves nothing for an image that is there", [
  "s3lo-test/same:1",
  "s3lo-test/same:2",
], async (client) => {
  const image = freshImage();
  assert.equal((await pullInto(client, image, "s3lo-test/same:1")).moved, 4);
  const again = await pullInto(client, image, "s3lo-test/same:2");
  assert.equal(again.moved, 0);
  assert.equal((await client.inspectImage("s3lo-test/same:2")).id, expectedId(client, image.root));
});

daemonTest("DaemonTarget leaves nothing of an image with a corrupt blob", ["s3lo-test/bad:1"], async (client) => {
  const before = (await client.listImages()).map((image) => image.id).sort();
  const image = freshImage({ layerBytes: 2_000_000 });
  const blobs = [image.root.content.kind === "image" ? image.root.content.config : undefined, ...layersOf(image.root)];
  for (const blob of blobs) {
    await assert.rejects(
      pullInto(client, image, "s3lo-test/bad:1", { corrupt: new Set([blob!.digest]) }),
      (error) => isImageError(error, "digest-mismatch") && error.message.includes(blob!.digest),
    );
    assert.deepEqual((await client.listImages()).map((entry) => entry.id).sort(), before);
    await assert.rejects(client.inspectImage("s3lo-test/bad:1"), (error) => isImageError(error, "not-found"));
  }
  // The same name and the same blobs are no worse for it.
  assert.equal((await pullInto(client, image, "s3lo-test/bad:1")).imageId, expectedId(client, image.root));
});

daemonTest("DaemonTarget keeps the old image when a load is given up", ["s3lo-test/kept:1"], async (client) => {
  const [old, next] = [freshImage(), freshImage()];
  await pullInto(client, old, "s3lo-test/kept:1");
  {
    await using target = openDaemonTarget(client, "s3lo-test/kept:1");
    const [blob] = layersOf(next.root);
    const bytes = next.blobs.get(blob!.digest)!;
    await target.writeBlob({
      blob: blob!,
      open: () => Promise.resolve(bytesReader(bytes)),
    });
  }
  assert.equal((await client.inspectImage("s3lo-test/kept:1")).id, expectedId(client, old.root));
});

daemonTest("DaemonTarget does not fetch layers that the daemon holds", [
  "s3lo-test/app:1",
  "s3lo-test/app:2",
], async (client) => {
  const [first, second] = versions();
  await pullInto(client, first, "s3lo-test/app:1");
  const findManifest = (digest: string) =>
    Promise.resolve(digest === first.root.descriptor.digest ? first.root : undefined);
  const outcome = await pullInto(client, second, "s3lo-test/app:2", { findManifest });
  assert.equal(outcome.moved, 2, "the config and the new layer");
  assert.equal(outcome.imageId, expectedId(client, second.root));
  await client.removeImage("s3lo-test/app:1");
  const image = await client.inspectImage("s3lo-test/app:2");
  assert.equal(image.diffIds.length, 3);
  assert.ok(image.manifests.every((manifest) => manifest.isComplete));
});

daemonTest("DaemonTarget notices layers that vanish while it loads", [
  "s3lo-test/gone:1",
  "s3lo-test/gone:2",
], async (client) => {
  const [first, second] = versions();
  await pullInto(client, first, "s3lo-test/gone:1");
  const root = second.root;
  const findManifest = () => Promise.resolve(first.root);
  await using target = openDaemonTarget(client, "s3lo-test/gone:2", { readConfig: configReader(second), findManifest });
  const find = target.findBlobs.bind(target);
  target.findBlobs = async (blobs) => {
    const held = await find(blobs);
    assert.ok(held.size >= 2);
    await client.removeImage("s3lo-test/gone:1");
    return held;
  };
  // The containerd store collects what nobody needs some time later: until then the image is whole all the same.
  const failure = await writeImage(second, target, { root }).then(() => undefined, (error) => error);
  const image = await client.inspectImage("s3lo-test/gone:2").catch(() => undefined);
  if (failure === undefined) {
    assert.ok(image && image.manifests.length > 0);
    assert.ok(image.manifests.every((manifest) => manifest.isComplete));
  } else assert.equal(image, undefined);
  if (client.info.store !== "containerd") assert.ok(failure);
});

daemonTest("DaemonTarget keeps a whole index with attestations", [
  "s3lo-test/multi:1",
  "s3lo-test/multi:2",
], async (client) => {
  const image = multiImage({ seed: seed++, attestations: true });
  const { imageId } = await pullInto(client, image, "s3lo-test/multi:1");
  assert.equal(imageId, image.root.descriptor.digest);
  const inspected = await client.inspectImage("s3lo-test/multi:1");
  assert.equal(inspected.manifests.length, 6);
  assert.ok(inspected.manifests.every((manifest) => manifest.isComplete));
  assert.equal((await pullInto(client, image, "s3lo-test/multi:2")).moved, 0);
}, ["docker29"]);

daemonTest("DaemonTarget says that it takes one platform", [], async (client) => {
  await using target = openDaemonTarget(client, "s3lo-test/one:1");
  assert.equal(target.limits.acceptsIndex, false);
}, ["docker20", "podman"]);

Deno.test("openDaemonTarget() refuses names that are no name and tag", async () => {
  const client = { info: { store: "classic" } } as EngineClient;
  for (const name of ["s3://bucket/app:v1", `app@${digestOf(new Uint8Array())}`, "App", ""]) {
    assert.throws(() => openDaemonTarget(client, name), (error) => isImageError(error, "invalid-reference"), name);
  }
  await using target = openDaemonTarget(client, "app");
  assert.equal(target.name, "docker.io/library/app:latest");
});

/** Two images; the second has the layers of the first and one more. */
function versions(): [TestImage, TestImage] {
  const own = seed++;
  return [freshImage({ seed: own, layersPerPlatform: 2 }), freshImage({ seed: own, layersPerPlatform: 3 })];
}
