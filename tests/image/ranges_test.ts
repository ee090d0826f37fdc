/** Which blobs are read in several ranges at once. How many those are together: see the tests of SharedBuffers. */
import assert from "node:assert/strict";
import { readAll } from "../../src/bytes/blob_reader.ts";
import { copyImage } from "../../src/image/copy_image.ts";
import type { BlobContent, TargetLimits } from "../../src/image/places.ts";
import { type Digest, digestOf } from "../../src/oci/digest.ts";
import { readManifest } from "../../src/oci/manifest.ts";
import { MEDIA_TYPES } from "../../src/oci/media_types.ts";
import type { TestImage } from "../support/images.ts";
import { MemorySource, MemoryTarget } from "../support/memory_place.ts";

const MIB = 1024 * 1024;

/** An image whose layers have these lengths. */
function imageOf(layerBytes: readonly number[]): TestImage {
  const blobs = new Map<Digest, Uint8Array<ArrayBuffer>>();
  const add = (mediaType: string, bytes: Uint8Array<ArrayBuffer>) => {
    const digest = digestOf(bytes);
    blobs.set(digest, bytes);
    return { mediaType, digest, size: bytes.byteLength };
  };
  const config = add(MEDIA_TYPES.ociConfig, new TextEncoder().encode("{}"));
  const layers = layerBytes.map((length, index) => add(MEDIA_TYPES.ociLayer, new Uint8Array(length).fill(index + 1)));
  const manifest = { schemaVersion: 2, mediaType: MEDIA_TYPES.ociManifest, config, layers };
  const root = readManifest(new TextEncoder().encode(JSON.stringify(manifest)), "manifest");
  return { root, blobs, platforms: new Map() };
}

/** How many ranges of each layer were opened; 0 where it was read as one stream. */
function rangesOf(source: MemorySource, image: TestImage): number[] {
  if (image.root.content.kind !== "image") throw new Error("no image");
  return image.root.content.layers.map(({ digest }) =>
    source.opened.filter((each) => each.digest === digest && each.range !== undefined).length
  );
}

/** A target that reads one blob after the other, all the while the next ones are open. */
class OrderedTarget extends MemoryTarget {
  override readonly limits: TargetLimits = { concurrentBlobs: 4, takesInOrder: true, acceptsIndex: true };
  #last: Promise<unknown> = Promise.resolve();

  override async writeBlob(content: BlobContent): Promise<void> {
    await using reader = await content.open();
    // Whoever waits reads ahead a little, as archives do.
    const first = await reader.read(new Uint8Array(MIB));
    const before = this.#last;
    const turn = Promise.withResolvers<void>();
    this.#last = turn.promise;
    await before;
    const rest = await readAll(reader, content.blob.size, "blob");
    this.blobs.set(content.blob.digest, new Uint8Array(await new Blob([first, rest]).arrayBuffer()));
    turn.resolve();
  }
}

function checkBlobs(target: MemoryTarget, image: TestImage): void {
  for (const digest of image.blobs.keys()) assert.equal(digestOf(target.blobs.get(digest)!), digest);
}

Deno.test("a layer that outweighs the others is read in ranges, of equal ones each as a stream", {
  permissions: "none",
}, async () => {
  const uneven = imageOf([20 * MIB, 90 * MIB, 5 * MIB, 20 * MIB]);
  const source = new MemorySource(uneven, { parallelRanges: 8 });
  const target = new MemoryTarget();
  await copyImage(source, target);
  checkBlobs(target, uneven);
  const [first, large, small, last] = rangesOf(source, uneven);
  assert.ok(large! > 10, `${large} ranges`);
  assert.deepEqual([first, small, last], [0, 0, 0]);
  const even = imageOf(Array(5).fill(17 * MIB));
  const streams = new MemorySource(even, { parallelRanges: 8 });
  await copyImage(streams, new MemoryTarget());
  assert.deepEqual(rangesOf(streams, even), [0, 0, 0, 0, 0]);
});

Deno.test("a source without ranges is read as streams", { permissions: "none" }, async () => {
  const image = imageOf([20 * MIB]);
  const source = new MemorySource(image, { parallelRanges: 1 });
  await copyImage(source, new OrderedTarget());
  assert.deepEqual(rangesOf(source, image), [0]);
});

Deno.test("a target that takes blobs in order gets every large one in ranges, and never waits for ever", {
  permissions: "none",
}, async () => {
  const image = imageOf([18 * MIB, 30 * MIB, 2 * MIB, 17 * MIB, 25 * MIB, 16 * MIB]);
  const source = new MemorySource(image, { parallelRanges: 8 });
  const target = new OrderedTarget();
  await copyImage(source, target);
  checkBlobs(target, image);
  assert.deepEqual(rangesOf(source, image).map((count) => count > 1), [true, true, false, true, true, true]);
});
