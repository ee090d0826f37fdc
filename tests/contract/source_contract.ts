/** What `ImageSource` promises (src/image/places.ts), one promise a case; every kind of place keeps all of them. */
import assert from "node:assert/strict";
import { type BlobReader, readAll } from "../../src/bytes/blob_reader.ts";
import { copyImage } from "../../src/image/copy_image.ts";
import { isImageError } from "../../src/errors.ts";
import type { ImageSource } from "../../src/image/places.ts";
import { wholePart } from "../../src/image/whole_part.ts";
import type { Descriptor } from "../../src/oci/descriptor.ts";
import { type Digest, digestOf } from "../../src/oci/digest.ts";
import { blobsOf } from "../../src/oci/manifest.ts";
import { MemorySource, MemoryTarget } from "../support/memory_place.ts";
import { WRONG_BYTES } from "./faults.ts";
import { fateOf } from "./matrix.ts";
import type { PlaceTraits, TestPlace } from "./place.ts";
import { readContent, sourceOf } from "./read_back.ts";
import { layersOf, type Shape, SHAPE_NAMES, type ShapeName, SHAPES } from "./shapes.ts";
import { image, write } from "./target_contract.ts";

/** A place that holds an image of every shape that it takes, by the shape's name. */
export interface FilledPlace {
  readonly place: TestPlace;
  readonly shapes: ReadonlyMap<ShapeName, Shape>;
}

/** One promise. */
export interface SourceCase {
  readonly name: string;
  /** Which places can be asked; default all. */
  readonly applies?: (traits: PlaceTraits, place: TestPlace) => boolean;
  readonly body: (filled: FilledPlace, seed: number) => Promise<void>;
}

/** Writes every shape that the place takes and gives back. */
export async function fill(
  place: TestPlace,
  seed: number,
  names: readonly ShapeName[] = SHAPE_NAMES,
): Promise<FilledPlace> {
  const shapes = new Map<ShapeName, Shape>();
  for (const [index, name] of names.entries()) {
    if (["refused", "kept-inside"].includes(fateOf(name, place.kind))) continue;
    const made = SHAPES[name](seed + index);
    await write(place, name, sourceOf(made), { includeReferrers: true });
    shapes.set(name, made);
  }
  return { place, shapes };
}

async function bytesOf(opened: Promise<BlobReader> | BlobReader): Promise<Uint8Array> {
  await using reader = await opened;
  return await readAll(reader, 64 * 1024 * 1024, "the blob");
}

/** The blobs of the image of one platform that a source holds. */
async function blobsIn(source: ImageSource): Promise<readonly Descriptor[]> {
  return blobsOf((await source.root()).content).blobs;
}

const NOWHERE: Digest = digestOf(new TextEncoder().encode("nowhere"));

/** The cases. */
export const SOURCE_CASES: readonly SourceCase[] = [
  {
    name: "a name that nothing has is not found",
    async body({ place }) {
      await assert.rejects(async () => {
        await using source = await place.source("nothing");
        await source.root();
      }, (error) => isImageError(error, "not-found"));
    },
  },
  {
    name: "root() and manifest() give the same documents each time, with the digests of their bytes",
    async body({ place, shapes }) {
      for (const name of shapes.keys()) {
        await using source = await place.source(name);
        const root = await source.root();
        assert.equal(digestOf(root.bytes), root.descriptor.digest);
        assert.deepEqual((await source.root()).bytes, root.bytes);
        if (root.content.kind !== "index") continue;
        for (const entry of root.content.manifests) {
          const child = await source.manifest(entry);
          assert.equal(child.descriptor.digest, entry.digest);
          assert.equal(digestOf(child.bytes), entry.digest);
        }
      }
    },
  },
  {
    name: "a manifest and a blob that are not there are not found",
    async body({ place }) {
      await using source = await place.source("single");
      const { descriptor } = await source.root();
      const [, layer] = await blobsIn(source);
      await assert.rejects(
        source.manifest({ ...descriptor, digest: NOWHERE }),
        (error) => isImageError(error, "not-found"),
      );
      await assert.rejects(
        bytesOf(source.openBlob({ ...layer!, digest: NOWHERE })),
        (error) => isImageError(error, "not-found"),
      );
    },
  },
  {
    name: "a blob is read whole, in ranges, in several at once, and behind a reader that was left in the middle",
    async body({ place }) {
      await using source = await place.source("single");
      assert.ok(source.parallelRanges >= 1);
      for (const blob of await blobsIn(source)) {
        {
          await using left = await source.openBlob(blob);
          assert.ok((await left.read(new Uint8Array(7))).byteLength > 0);
        }
        const whole = await bytesOf(source.openBlob(blob));
        assert.equal(digestOf(whole), blob.digest);
        assert.equal(whole.byteLength, blob.size);
        const half = Math.floor(blob.size / 2);
        const ranges = [[0, 1], [1, half], [half, blob.size - half], [blob.size - 1, 1]] as const;
        const parts = await Promise.all(
          ranges.map(([start, length]) => bytesOf(source.openBlob(blob, { start, length }))),
        );
        assert.deepEqual(parts, ranges.map(([start, length]) => whole.subarray(start, start + length)));
        assert.deepEqual(await bytesOf(source.openBlob(blob, { start: half })), whole.subarray(half));
        const range = await source.openRange?.(blob, { start: half, length: 3 });
        if (range) assert.deepEqual(await bytesOf(range), whole.subarray(half, half + 3));
      }
    },
  },
  {
    name: "several sources of one image are read at the same time, and closing one leaves the others",
    async body({ place }) {
      const [first, second] = [await place.source("single"), await place.source("repeated")];
      await using open = await place.source("single");
      await Promise.all([readContent(first), readContent(second), readContent(open)]);
      await first[Symbol.asyncDispose]();
      await second[Symbol.asyncDispose]();
      assert.equal((await readContent(open)).blobs.size, (await blobsIn(open)).length);
    },
  },
  {
    name: "every layer unpacks to the tar that the config names, also where the place unpacks it",
    async body({ place, shapes }) {
      await using source = await place.source("single");
      const config = shapes.get("single")!.image;
      assert.ok(config.root.content.kind === "image");
      const { rootfs } = JSON.parse(new TextDecoder().decode(config.blobs.get(config.root.content.config.digest)));
      const [, ...layers] = await blobsIn(source);
      assert.equal(layers.length, rootfs.diff_ids.length);
      for (const [index, layer] of layers.entries()) {
        const raw = await source.openRawLayer?.(layer, rootfs.diff_ids[index]);
        if (!raw) continue;
        const tar = await bytesOf(raw.content);
        assert.equal(digestOf(tar), rootfs.diff_ids[index]);
        assert.equal(tar.byteLength, raw.sizeBytes);
      }
    },
  },
  {
    name: "nothing of a whole image is said to be missing, damaged, left out or withheld",
    async body({ place, shapes }) {
      for (const name of shapes.keys()) {
        await using source = await place.source(name);
        const root = await source.root();
        assert.deepEqual(await wholePart(source, root), { root, leftOut: [] });
        assert.deepEqual([...source.withheld ?? []], []);
        assert.deepEqual(await source.signatures?.() ?? [], []);
        if (root.content.kind !== "image") continue;
        const { layers } = root.content;
        for (const layer of layers) assert.ok(await source.holds?.(layer) ?? true);
        const states = await source.storedLayers?.(layers);
        for (const layer of states ? layers : []) assert.equal(states!.get(layer.digest)?.stored, "whole");
      }
    },
  },
  {
    name: "a layer that is not there is said to be missing",
    async body({ place }) {
      await using source = await place.source("single");
      const [, layer] = await blobsIn(source);
      const gone = { ...layer!, digest: NOWHERE };
      const states = await source.storedLayers?.([gone]);
      if (states) assert.equal(states.get(NOWHERE)?.stored, "missing");
      // A folder may have lost a file that its manifest names: that is an error, and not an image in part.
      if (source.holds) assert.equal(await source.holds(gone), place.kind === "oci");
    },
  },
  {
    name: "what refers to an image, its manifests or a referrer is listed with what it is, and nothing else",
    applies: ({ holdsReferrers }) => holdsReferrers,
    async body({ place, shapes }) {
      const { image, referrers } = shapes.get("referrers")!;
      await using source = await place.source("referrers");
      const root = await source.root();
      assert.ok(source.referrers && root.content.kind === "index");
      const subjects = [root.descriptor, ...root.content.manifests, ...referrers.map((each) => each.root.descriptor)];
      const found = await Promise.all(subjects.map(({ digest }) => source.referrers!(digest)));
      const expected = subjects.map(({ digest }) =>
        referrers.filter((each) => each.root.content.subject?.digest === digest)
      );
      for (const [index, list] of found.entries()) {
        assert.deepEqual(
          list.map((each) => [each.digest, each.artifactType]),
          expected[index]!.map(({ root }) => [root.descriptor.digest, "application/vnd.example.signature"]),
        );
        for (const each of list) assert.equal((await source.manifest(each)).descriptor.digest, each.digest);
      }
      assert.equal(found.flat().length, referrers.length);
      assert.deepEqual(await source.referrers(NOWHERE), []);
      assert.ok(image.root);
    },
  },
  {
    name: "another tag is found beside the image, and one that is not there is not",
    applies: ({ hasTags }) => hasTags,
    async body({ place, shapes }) {
      await using source = await place.source("single");
      const { root } = shapes.get("index")!.image;
      assert.deepEqual((await source.tagged!("index"))?.bytes, root.bytes);
      assert.equal(await source.tagged!("nothing"), undefined);
    },
  },
  {
    name: "a source whose bytes are wrong is never copied",
    applies: (_traits, { damage }) => damage !== undefined,
    async body({ place }, seed) {
      const isTar = !["folder", "oci", "minio", "versity"].includes(place.kind);
      for (const [index, [what, change]] of Object.entries(WRONG_BYTES).entries()) {
        // A tar whose member has another length is another tar.
        if (isTar && what !== "a flipped bit") continue;
        const made = image(seed + index);
        await write(place, `wrong-${index}`, new MemorySource(made));
        const { digest } = layersOf(made).at(-1)!;
        await place.damage!(`wrong-${index}`, digest, (bytes) => change(new Uint8Array(bytes)));
        await using source = await place.source(`wrong-${index}`);
        const target = new MemoryTarget();
        await assert.rejects(copyImage(source, target, { retryDelayMs: 1 }), (error) => {
          assert.ok(isImageError(error, "digest-mismatch"), `${what}: ${error}`);
          return true;
        });
        assert.equal(target.published, undefined);
        assert.ok(!target.blobs.has(digest));
      }
    },
  },
];
