/** Reads an image with all that belongs to it, every byte checked, and compares it with what it should be. */
import assert from "node:assert/strict";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { copyImage } from "../../src/image/copy_image.ts";
import type { ImageSource } from "../../src/image/places.ts";
import { type Digest, digestOf } from "../../src/oci/digest.ts";
import type { Manifest } from "../../src/oci/manifest.ts";
import { layerCompression } from "../../src/oci/media_types.ts";
import { MemorySource, MemoryTarget } from "../support/memory_place.ts";
import type { TestPlace } from "./place.ts";
import type { Shape } from "./shapes.ts";

/** What a place gave. */
export interface Content {
  readonly root: Manifest;
  /** Everything below the root and what refers to it, the root itself not. */
  readonly blobs: ReadonlyMap<Digest, Uint8Array>;
}

/** A shape as a source. */
export function sourceOf({ image, referrers }: Shape): MemorySource {
  return new MemorySource(image, { referrers });
}

/** Reads all of a source. The mover checks size and digest of every blob, and so that nothing is missing. */
export async function readContent(source: ImageSource): Promise<Content> {
  const target = new MemoryTarget();
  const { root } = await copyImage(source, target, { includeReferrers: true });
  assert.equal(target.published, root);
  return { root, blobs: target.blobs };
}

/** Reads all of a place's image. */
export async function readBack(place: TestPlace, name: string): Promise<Content> {
  await using source = await place.source(name);
  return await readContent(source);
}

/** The digest that a name means in a place; undefined for nothing. */
export async function rootAt(place: TestPlace, name: string): Promise<Digest | undefined> {
  try {
    await using source = await place.source(name);
    return (await source.root()).descriptor.digest;
  } catch (error) {
    assert.equal((error as { code?: string }).code, "not-found", String(error));
    return undefined;
  }
}

/** The digests of what refers to something, not to be found where referrers have no room. */
export function withoutReferrers({ root, blobs }: Content, { referrers }: Shape): Content {
  const theirs = new Set(referrers.flatMap((each) => [each.root.descriptor.digest, ...each.blobs.keys()]));
  return { root, blobs: new Map([...blobs].filter(([digest]) => !theirs.has(digest))) };
}

/** Everything of a shape. */
export function contentOf({ image, referrers }: Shape): Content {
  const beside = referrers.flatMap((each) => [...each.blobs, [each.root.descriptor.digest, each.root.bytes] as const]);
  return { root: image.root, blobs: new Map([...image.blobs, ...beside]) };
}

/** Fails unless both are the same, byte for byte. */
export function assertSame(found: Content, expected: Content, what: string): void {
  assert.equal(found.root.descriptor.digest, expected.root.descriptor.digest, `${what}: root`);
  assert.deepEqual(found.root.bytes, expected.root.bytes, `${what}: bytes of the root`);
  assert.deepEqual([...found.blobs.keys()].sort(), [...expected.blobs.keys()].sort(), `${what}: blobs`);
}

/** Fails unless both have the same config, byte for byte, and layers that unpack to the same tars. */
export function assertSameInside(found: Content, expected: Content, what: string): void {
  assert.deepEqual(inside(found), inside(expected), what);
}

/** An image of one platform as a daemon sees it: its config, and the digests of its tars. */
function inside({ root, blobs }: Content): readonly Digest[] {
  if (root.content.kind !== "image") throw new TypeError("an index where one image should be");
  const tars = root.content.layers.map(({ digest, mediaType }) => {
    const bytes = blobs.get(digest)!;
    const compression = layerCompression(mediaType);
    return compression === "gzip" ? gunzipSync(bytes) : compression === "zstd" ? zstdDecompressSync(bytes) : bytes;
  });
  return [root.content.config.digest, ...tars.map((tar) => digestOf(tar))];
}
