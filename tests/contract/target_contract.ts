/** What `ImageTarget` promises (src/image/places.ts), one promise a case; every kind of place keeps all of them. */
import assert from "node:assert/strict";
import { isImageError } from "../../src/errors.ts";
import { copyImage, type CopyOptions } from "../../src/image/copy_image.ts";
import type { ImageSource, ImageTarget } from "../../src/image/places.ts";
import { isRunnable } from "../../src/oci/manifest.ts";
import { indexOf, singleImage, type TestImage } from "../support/images.ts";
import { MemorySource } from "../support/memory_place.ts";
import { refuse, StoppingSource, WRONG_BYTES, wrongSource } from "./faults.ts";
import { fateOf } from "./matrix.ts";
import type { OpenTestTarget, PlaceTraits, TestPlace } from "./place.ts";
import {
  assertSame,
  assertSameInside,
  contentOf,
  readBack,
  readContent,
  rootAt,
  sourceOf,
  withoutReferrers,
} from "./read_back.ts";
import { artifactWithEmptyFile, layersOf, SHAPE_NAMES, SHAPES } from "./shapes.ts";

/** One promise. */
export interface TargetCase {
  readonly name: string;
  /** Which places can be asked; default all. */
  readonly applies?: (traits: PlaceTraits, place: TestPlace) => boolean;
  /** `tag`: a name of the case's own. `seed`: for images that nobody has seen; up to 10 behind it are free. */
  readonly body: (place: TestPlace, tag: string, seed: number) => Promise<void>;
}

const AMD64 = { os: "linux", architecture: "amd64" };

/** An image of one platform. */
export function image(seed: number, layersPerPlatform = 3): TestImage {
  return singleImage(AMD64, { seed, layersPerPlatform });
}

/** Copies into a place as commands do. */
export async function write(
  place: TestPlace,
  name: string,
  source: ImageSource,
  options: CopyOptions & Pick<OpenTestTarget, "log"> = {},
) {
  const { signal, log } = options;
  await using target = await place.target(name, {
    source,
    ...(signal ? { signal } : {}),
    ...(log ? { log } : {}),
  });
  return await copyImage(source, target, { retryDelayMs: 1, ...options });
}

/** Fails unless the place holds just this image by that name. */
export async function assertHolds(place: TestPlace, name: string, expected: TestImage): Promise<void> {
  const content = contentOf({ image: expected, referrers: [] });
  const assertEqual = place.traits.keepsRoot ? assertSame : assertSameInside;
  assertEqual(await readBack(place, name), content, `${place.kind} ${name}`);
}

/** Fails unless a copy fails with this code and leaves the place as it was. */
async function assertLeavesNothing(
  place: TestPlace,
  code: "digest-mismatch" | "denied" | "unsupported" | "aborted",
  images: readonly TestImage[],
  copy: () => Promise<unknown>,
): Promise<void> {
  const before = await place.remains(...images);
  await assert.rejects(copy(), (error) => {
    assert.ok(isImageError(error, code), `${code} expected: ${error}`);
    return true;
  });
  assert.deepEqual(await place.remains(...images), before);
}

/** The cases; those about blobs and runs that stop are in files of their own. */
export const IMAGE_CASES: readonly TargetCase[] = [
  {
    name: "an image of every shape comes back as it was written, or is refused before anything is written",
    async body(place, tag, seed) {
      for (const [index, shape] of SHAPE_NAMES.entries()) {
        const made = SHAPES[shape](seed + index);
        const name = `${tag}-${shape}`;
        const fate = fateOf(shape, place.kind);
        const copy = () => write(place, name, sourceOf(made), { includeReferrers: true });
        if (fate === "refused") {
          await assertLeavesNothing(place, "unsupported", [made.image], copy);
          assert.equal(await rootAt(place, name), undefined);
          continue;
        }
        const result = await copy();
        assert.equal(result.root, made.image.root);
        if (fate === "kept-inside") {
          await assert.rejects(readBack(place, name), (error) => isImageError(error) && /push/.test(error.hint ?? ""));
          continue;
        }
        const expected = fate === "same" ? contentOf(made) : withoutReferrers(contentOf(made), made);
        const assertEqual = fate === "repacked" ? assertSameInside : assertSame;
        assertEqual(await readBack(place, name), expected, `${place.kind} ${shape}`);
        assert.equal(result.leftOutReferrers.length, fate === "same" ? 0 : made.referrers.length);
      }
    },
  },
  {
    name: "the name means nothing, and then what it meant, until publish() has been called",
    async body(place, tag, seed) {
      let expected: string | undefined;
      for (const next of [image(seed), image(seed + 1)]) {
        const source = new MemorySource(next);
        const seen: (string | undefined)[] = [];
        await using target = await place.target(tag, { source });
        await copyImage(source, watched(target, async () => void seen.push(await rootAt(place, tag))));
        assert.ok(seen.length >= 2);
        assert.deepEqual(new Set(seen), new Set([expected]));
        expected = await rootAt(place, tag);
        await assertHolds(place, tag, next);
      }
    },
  },
  {
    name: "a target that is left before publish() shows nothing, and the same copy afterwards does",
    async body(place, tag, seed) {
      const made = image(seed);
      const source = new MemorySource(made);
      const before = await place.remains(made);
      const stopped = new Error("stopped before publish");
      await assert.rejects(async () => {
        await using target = await place.target(tag, { source });
        const publish = () => Promise.reject(stopped);
        await copyImage(source, { ...bound(target), publish });
      }, stopped);
      assert.equal(await rootAt(place, tag), undefined);
      assert.deepEqual(await place.remains(made), before);
      await write(place, tag, source);
      await assertHolds(place, tag, made);
    },
  },
  {
    name: "a dry run writes nothing",
    async body(place, tag, seed) {
      const made = image(seed);
      const before = await place.remains(made);
      const { movedBlobs } = await write(place, tag, new MemorySource(made), { dryRun: true });
      assert.equal(movedBlobs.length, made.blobs.size);
      assert.equal(await rootAt(place, tag), undefined);
      assert.deepEqual(await place.remains(made), before);
    },
  },
  {
    name: "an image is found at another tag that was written beside it",
    applies: ({ hasTags }) => hasTags,
    async body(place, tag, seed) {
      const [made, beside] = [image(seed), image(seed + 1)];
      const source = new MemorySource(indexOf([made, beside]));
      await using target = await place.target(tag, { source });
      await copyImage(source, { ...bound(target), publish: () => target.writeTagged!(`${tag}-beside`, beside.root) });
      assert.equal(await rootAt(place, tag), undefined);
      await assertHolds(place, `${tag}-beside`, beside);
      await target.publish(made.root);
      await using opened = await place.source(tag);
      assert.deepEqual((await opened.tagged!(`${tag}-beside`))?.bytes, beside.root.bytes);
      assert.equal(await opened.tagged!(`${tag}-nothing`), undefined);
    },
  },
  {
    name: "an artifact with a file of no bytes comes back whole",
    applies: ({ takesArtifacts }) => takesArtifacts,
    async body(place, tag, seed) {
      const made = artifactWithEmptyFile(seed);
      await write(place, tag, new MemorySource(made));
      await assertHolds(place, tag, made);
    },
  },
  {
    name: "chosen platforms of an index are all that is written",
    applies: ({ acceptsIndex }) => acceptsIndex,
    async body(place, tag, seed) {
      const { image: whole } = SHAPES.index(seed);
      assert.ok(whole.root.content.kind === "index");
      const chosen = whole.root.content.manifests.filter(isRunnable)[0]!;
      const root = [...whole.platforms.values()].find(({ descriptor }) => descriptor.digest === chosen.digest)!;
      await write(place, tag, new MemorySource(whole), { root });
      const found = await readBack(place, tag);
      assert.equal(found.root.descriptor.digest, chosen.digest);
      assert.equal(found.blobs.size, 1 + layersOf({ ...whole, root }).length);
    },
  },
  {
    name: "wrong bytes of a config or a layer are refused, and nothing of them is there",
    async body(place, tag, seed) {
      const old = image(seed);
      await write(place, tag, new MemorySource(old));
      // Each of its own: whole blobs of a copy that failed are there for the next one, which then does not open them.
      for (const [index, [what, change]] of Object.entries(WRONG_BYTES).entries()) {
        for (const part of ["config", "layer"] as const) {
          const made = image(seed + 1 + index * 2 + (part === "config" ? 0 : 1));
          assert.ok(made.root.content.kind === "image");
          const { digest } = part === "config" ? made.root.content.config : layersOf(made).at(-1)!;
          const name = part === "config" ? `${tag}-new` : tag;
          const copy = () => write(place, name, wrongSource(made, digest, change));
          await assertLeavesNothing(place, "digest-mismatch", [made], copy).catch((error) => {
            throw new Error(`${what} in a ${part}: ${error.message}`, { cause: error });
          });
        }
      }
      assert.equal(await rootAt(place, `${tag}-new`), undefined);
      await assertHolds(place, tag, old);
    },
  },
  {
    name: "a source that fails in the middle of a layer leaves nothing",
    async body(place, tag, seed) {
      const made = image(seed);
      const { digest, size } = layersOf(made)[1]!;
      const source = new StoppingSource(made, digest, Math.floor(size / 2), refuse);
      await assertLeavesNothing(place, "denied", [made], () => write(place, tag, source));
      assert.equal(await rootAt(place, tag), undefined);
    },
  },
  {
    name: "what reads while it is written gets the old image or the new one, and always all of it",
    async body(place, tag, seed) {
      const old = image(seed);
      await write(place, tag, new MemorySource(old));
      await using reading = await place.source(tag);
      const root = await reading.root();
      const made = image(seed + 1);
      await write(place, tag, new MemorySource(made));
      if (place.traits.reuses !== "nothing" && place.traits.keepsRoot) {
        const found = await readContent(reading);
        assert.ok([root.descriptor.digest, made.root.descriptor.digest].includes(found.root.descriptor.digest));
      }
      await assertHolds(place, tag, made);
    },
  },
];

/** The members of a target, to replace some of. */
export function bound(target: ImageTarget): ImageTarget {
  return watched(target, () => Promise.resolve());
}

/** A target that tells after each write, and before the one that publishes. */
function watched(target: ImageTarget, onWrite: () => Promise<void>): ImageTarget {
  const { plan, writeTagged } = target;
  return {
    name: target.name,
    limits: target.limits,
    ...(plan ? { plan: (...args) => plan.apply(target, args) } : {}),
    findBlobs: (blobs) => target.findBlobs(blobs),
    linkBlob: (content, source) => target.linkBlob(content, source),
    async writeBlob(content) {
      await target.writeBlob(content);
      await onWrite();
    },
    async writeManifest(manifest) {
      await target.writeManifest(manifest);
      await onWrite();
    },
    ...(writeTagged ? { writeTagged: (...args) => writeTagged.apply(target, args) } : {}),
    async publish(root) {
      await onWrite();
      await target.publish(root);
    },
    [Symbol.asyncDispose]: () => target[Symbol.asyncDispose](),
  };
}
