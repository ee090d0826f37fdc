import assert from "node:assert/strict";
import { copyImage } from "../../src/image/copy_image.ts";
import { selectPlatforms } from "../../src/image/select_platforms.ts";
import { isImageError } from "../../src/errors.ts";
import { digestOf } from "../../src/oci/digest.ts";
import { readManifest } from "../../src/oci/manifest.ts";
import { parsePlatform } from "../../src/oci/platform.ts";
import { indexOf, multiImage, referrerOf, singleImage, type TestImage } from "../support/images.ts";
import { MemorySource, MemoryTarget } from "../support/memory_place.ts";

const pure = (name: string, fn: () => Promise<void>) => Deno.test({ name, permissions: "none", fn });

function assertHolds(target: MemoryTarget, image: TestImage): void {
  assert.deepEqual(target.published?.bytes, image.root.bytes);
  for (const [digest, bytes] of image.blobs) assert.deepEqual(target.blobs.get(digest), bytes, digest);
}

const SHAPES: Record<string, TestImage> = {
  "a single image": singleImage(parsePlatform("linux/amd64")),
  "an index with attestations": multiImage({ attestations: true }),
  "a Docker manifest list": multiImage({ docker: true, sharedLayer: false }),
  "zstd layers": multiImage({ compression: "zstd" }),
  "a nested index": indexOf([multiImage({ seed: 2 }), multiImage({ seed: 3, attestations: true })]),
  "an image without layers": singleImage(parsePlatform("linux/arm64"), { layersPerPlatform: 0 }),
  "an artifact": referrerOf(multiImage().root, "application/vnd.example", new Uint8Array(10)),
};

for (const [name, image] of Object.entries(SHAPES)) {
  pure(`copyImage() brings over ${name}, byte for byte`, async () => {
    const target = new MemoryTarget();
    const result = await copyImage(new MemorySource(image), target);
    assertHolds(target, image);
    assert.equal(result.root.descriptor.digest, digestOf(image.root.bytes));
    assert.equal(target.events.at(-1), "publish");
  });
}

pure("copyImage() moves a blob that platforms share once", async () => {
  const image = multiImage({ sharedLayer: true });
  const source = new MemorySource(image);
  await copyImage(source, new MemoryTarget());
  const digests = source.opened.map((each) => each.digest);
  assert.equal(new Set(digests).size, digests.length);
});

pure("copyImage() writes children before the index that names them, and publishes last", async () => {
  const inner = multiImage({ seed: 5 });
  const image = indexOf([inner]);
  const target = new MemoryTarget();
  await copyImage(new MemorySource(image), target);
  const place = (digest: string) => target.events.indexOf(`manifest ${digest}`);
  for (const child of inner.platforms.values()) {
    assert.ok(place(child.descriptor.digest) < place(inner.root.descriptor.digest));
  }
  assert.ok(
    target.events.findLastIndex((event) => event.startsWith("blob ")) <
      place([...inner.platforms.values()][0]!.descriptor.digest),
  );
});

pure("copyImage() skips what is there and says so", async () => {
  const image = multiImage({ attestations: true });
  const target = new MemoryTarget();
  const first = await copyImage(new MemorySource(image), target);
  const second = await copyImage(new MemorySource(image), target);
  assert.equal(second.movedBlobs.length, 0);
  assert.equal(second.presentBlobs.length, first.movedBlobs.length);
});

pure("copyImage() writes nothing on a dry run and lists what would move", async () => {
  const image = multiImage();
  const target = new MemoryTarget();
  const result = await copyImage(new MemorySource(image), target, { dryRun: true });
  assert.ok(result.movedBlobs.length > 0);
  assert.equal(target.blobs.size, 0);
  assert.equal(target.published, undefined);
});

const DAMAGE: Record<string, (bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer> | undefined> = {
  "is corrupt": (bytes) => bytes.fill(bytes[0]! ^ 1, 0, 1),
  "is too short": (bytes) => bytes.slice(0, -1),
  "is too long": (bytes) => new Uint8Array([...bytes, 0]),
  "is missing": () => undefined,
};

for (const [name, damage] of Object.entries(DAMAGE)) {
  pure(`copyImage() publishes nothing when a layer ${name}, and names its platform`, async () => {
    const image = multiImage({ sharedLayer: false });
    const arm = image.platforms.get("linux/arm/v7")!;
    assert.ok(arm.content.kind === "image");
    const victim = arm.content.layers[1]!.digest;
    const source = new MemorySource(image, {
      misbehaviour: { alter: (digest, bytes) => digest === victim ? damage(bytes) : bytes },
    });
    const target = new MemoryTarget();
    await assert.rejects(copyImage(source, target), (error: Error) => {
      assert.ok(error.message.includes(victim), error.message);
      assert.ok(error.message.includes("linux/arm/v7"), error.message);
      return isImageError(error);
    });
    assert.equal(target.published, undefined);
    assert.ok(!target.blobs.has(victim));
  });
}

pure("copyImage() refuses a child manifest that is not the one its index names", async () => {
  const image = multiImage();
  const victim = [...image.platforms.values()][0]!.descriptor.digest;
  const source = new MemorySource(image, {
    misbehaviour: {
      alter: (digest, bytes) =>
        digest === victim
          ? new TextEncoder().encode(new TextDecoder().decode(bytes) + " ") as Uint8Array<ArrayBuffer>
          : bytes,
    },
  });
  const target = new MemoryTarget();
  await assert.rejects(copyImage(source, target), (error) => isImageError(error, "digest-mismatch"));
  assert.equal(target.blobs.size, 0);
});

pure("copyImage() goes on where a download broke", async () => {
  const image = singleImage(parsePlatform("linux/amd64"), { layerBytes: 30_000, compression: "none" });
  const source = new MemorySource(image, { misbehaviour: { breakAfter: 9_000, breaks: 3 } });
  const target = new MemoryTarget();
  const resumed: number[] = [];
  await copyImage(source, target, { onEvent: (event) => event.kind === "resumed" && resumed.push(event.position) });
  assertHolds(target, image);
  assert.ok(resumed.length > 0);
  assert.ok(source.opened.some((each) => each.range !== undefined && each.range.start === 9_000));
});

pure("copyImage() brings no index to a target that holds one platform", async () => {
  const target = new MemoryTarget({ acceptsIndex: false });
  await assert.rejects(
    copyImage(new MemorySource(multiImage()), target),
    (error) => isImageError(error, "unsupported"),
  );
  assert.equal(target.blobs.size, 0);
});

pure("copyImage() stops when its signal fires and publishes nothing", async () => {
  const stop = new AbortController();
  const target = new MemoryTarget({ refuse: () => stop.abort(new Error("stop")) });
  await assert.rejects(copyImage(new MemorySource(multiImage()), target, { signal: stop.signal }));
  assert.equal(target.published, undefined);
});

pure("copyImage() brings referrers of the image, of its manifests and of referrers, before it publishes", async () => {
  const image = multiImage();
  const child = image.platforms.get("linux/amd64")!;
  const sbom = referrerOf(child, "application/spdx+json", new Uint8Array([1]));
  const signature = referrerOf(image.root, "application/vnd.signature", new Uint8Array([2]));
  const signedSbom = referrerOf(sbom.root, "application/vnd.signature", new Uint8Array([3]));
  const target = new MemoryTarget();
  const result = await copyImage(new MemorySource(image, { referrers: [sbom, signature, signedSbom] }), target, {
    includeReferrers: true,
  });
  assert.equal(result.referrers.length, 3);
  for (const referrer of [sbom, signature, signedSbom]) {
    assert.ok(target.events.includes(`manifest ${referrer.root.descriptor.digest}`));
    for (const digest of referrer.blobs.keys()) assert.ok(target.blobs.has(digest));
  }
  assert.equal(target.events.at(-1), "publish");
});

pure("copyImage() reads a config from its descriptor when it is embedded there", async () => {
  const image = singleImage(parsePlatform("linux/amd64"));
  assert.ok(image.root.content.kind === "image");
  const config = image.root.content.config;
  const document = JSON.parse(new TextDecoder().decode(image.root.bytes));
  document.config.data = btoa(String.fromCharCode(...image.blobs.get(config.digest)!));
  const root = readManifest(new TextEncoder().encode(JSON.stringify(document)) as Uint8Array<ArrayBuffer>, "test");
  const source = new MemorySource({ ...image, root });
  const target = new MemoryTarget();
  await copyImage(source, target);
  assert.ok(!source.opened.some((each) => each.digest === config.digest));
  assert.deepEqual(target.blobs.get(config.digest), image.blobs.get(config.digest));
});

pure("copyImage() leaves layers out that must not be distributed, unless asked", async () => {
  const image = singleImage(parsePlatform("windows/amd64"));
  const document = JSON.parse(new TextDecoder().decode(image.root.bytes));
  document.layers[0].mediaType = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
  document.layers[0].urls = ["https://example.com/layer"];
  const root = readManifest(new TextEncoder().encode(JSON.stringify(document)) as Uint8Array<ArrayBuffer>, "test");
  const result = await copyImage(new MemorySource({ ...image, root }), new MemoryTarget());
  assert.equal(result.foreignBlobs.length, 1);
  const all = await copyImage(new MemorySource({ ...image, root }), new MemoryTarget(), { includeForeign: true });
  assert.equal(all.foreignBlobs.length, 0);
});

pure("selectPlatforms() gives the manifest that the index names for one platform", async () => {
  const image = multiImage({ attestations: true });
  const selection = await selectPlatforms(new MemorySource(image), image.root, [parsePlatform("linux/arm64")]);
  assert.deepEqual(selection.root.bytes, image.platforms.get("linux/arm64")!.bytes);
  assert.ok(selection.changed);
});

pure("selectPlatforms() makes an index of several platforms with their attestations", async () => {
  const image = multiImage({ attestations: true });
  const selection = await selectPlatforms(new MemorySource(image), image.root, [
    parsePlatform("linux/amd64"),
    parsePlatform("linux/arm/v7"),
  ]);
  assert.ok(selection.root.content.kind === "index");
  assert.equal(selection.root.content.manifests.length, 4);
  const target = new MemoryTarget();
  await copyImage(new MemorySource(image), target, { root: selection.root });
  assert.equal(target.published?.descriptor.digest, selection.root.descriptor.digest);
});

pure("selectPlatforms() keeps the index when nothing would be left out", async () => {
  const image = multiImage({ attestations: true });
  const all = ["linux/amd64", "linux/arm64", "linux/arm/v7"].map((text) => parsePlatform(text));
  const selection = await selectPlatforms(new MemorySource(image), image.root, all);
  assert.ok(!selection.changed);
  assert.deepEqual(selection.root.bytes, image.root.bytes);
});

pure("selectPlatforms() finds platforms in nested indexes", async () => {
  const nested = indexOf([
    multiImage({ seed: 7, platforms: ["linux/s390x"] }),
    multiImage({ seed: 8, platforms: ["linux/ppc64le"] }),
  ]);
  const selection = await selectPlatforms(new MemorySource(nested), nested.root, [parsePlatform("linux/ppc64le")]);
  assert.deepEqual(selection.root.bytes, nested.platforms.get("linux/ppc64le")!.bytes);
});

pure("selectPlatforms() lists what is there and names the nearest when one is missing", async () => {
  const image = multiImage();
  await assert.rejects(
    selectPlatforms(new MemorySource(image), image.root, [parsePlatform("linux/amd64"), parsePlatform("linux/arm/v5")]),
    (error: Error) => {
      assert.match(error.message, /linux\/amd64, linux\/arm64, linux\/arm\/v7/);
      assert.ok(isImageError(error, "not-found"));
      assert.match(error.hint ?? "", /linux\/arm\/v7/);
      return true;
    },
  );
});

pure("selectPlatforms() checks a single image against its config", async () => {
  const image = singleImage(parsePlatform("linux/amd64"));
  const source = new MemorySource(image);
  assert.equal((await selectPlatforms(source, image.root, [parsePlatform("linux/amd64")])).changed, false);
  await assert.rejects(
    selectPlatforms(source, image.root, [parsePlatform("linux/s390x")]),
    (error) => isImageError(error, "not-found"),
  );
});
