/** What `ImageTarget` promises of blobs that are there already, and of runs that stop and go on. */
import assert from "node:assert/strict";
import { isImageError } from "../../src/errors.ts";
import { type CopyEvent, copyImage } from "../../src/image/copy_image.ts";
import type { Digest } from "../../src/oci/digest.ts";
import { Random, tarOf, type TestImage } from "../support/images.ts";
import { MemorySource } from "../support/memory_place.ts";
import { StoppingSource } from "./faults.ts";
import type { TestPlace } from "./place.ts";
import { readBack, rootAt } from "./read_back.ts";
import { imageOf, layersOf } from "./shapes.ts";
import { assertHolds, image, type TargetCase, write } from "./target_contract.ts";

const MIB = 1024 * 1024;

/** Length of the parts of an upload to a bucket. */
const PART_BYTES = 8 * MIB;

const tar = (seed: number, sizeBytes = 2000) => tarOf(`file-${seed}`, new Random(seed).bytes(sizeBytes));

/** The cases that need one place. */
export const BLOB_CASES: readonly TargetCase[] = [
  {
    name: "blobs of an image that is there are found, and never opened again",
    applies: ({ reuses }) => reuses === "blobs",
    async body(place, tag, seed) {
      const [shared, own] = [tar(seed), tar(seed + 1)];
      const first = imageOf([shared]);
      await write(place, tag, new MemorySource(first));
      await using empty = await place.target(`${tag}-2`, { source: new MemorySource(first) });
      const unknown = layersOf(imageOf([own]));
      await empty.plan?.([first.root], []);
      assert.deepEqual(await empty.findBlobs(unknown), new Set());
      const second = imageOf([shared, own]);
      const source = new MemorySource(second);
      const { movedBlobs, presentBlobs } = await write(place, `${tag}-2`, source);
      const [sharedLayer, ownLayer] = layersOf(second);
      assert.deepEqual(presentBlobs.map(({ digest }) => digest), [sharedLayer!.digest]);
      assert.ok(movedBlobs.some(({ digest }) => digest === ownLayer!.digest));
      assert.ok(source.opened.every(({ digest }) => digest !== sharedLayer!.digest));
      await assertHolds(place, `${tag}-2`, second);
      await assertHolds(place, tag, first);
    },
  },
  {
    name: "an image that is there is not written again, under its own name and under another",
    applies: ({ reuses }) => reuses !== "nothing",
    async body(place, tag, seed) {
      const made = image(seed);
      await write(place, tag, new MemorySource(made));
      for (const name of [tag, `${tag}-other`]) {
        const source = new MemorySource(made);
        const { movedBlobs, presentBlobs } = await write(place, name, source);
        assert.deepEqual([movedBlobs.length, presentBlobs.length], [0, made.blobs.size]);
        // A config may be looked into, to learn what the layers are.
        const layers = new Set(layersOf(made).map(({ digest }) => digest));
        assert.ok(source.opened.every(({ digest }) => !layers.has(digest)));
        await assertHolds(place, name, made);
      }
    },
  },
  {
    name: "the same image is written any number of times, also by several at once",
    async body(place, tag, seed) {
      const made = imageOf([tar(seed), tar(seed + 1), tar(seed)]);
      const names = ["a", "b", "c"].map((each) => `${tag}-${each}`);
      if (place.traits.sharesWriting) {
        await Promise.all(names.map((name) => write(place, name, new MemorySource(made))));
      } else for (const name of names) await write(place, name, new MemorySource(made));
      for (const name of names) await assertHolds(place, name, made);
      await write(place, names[0]!, new MemorySource(made));
      await assertHolds(place, names[0]!, made);
    },
  },
  {
    name: "a blob that is there may be written once more",
    applies: ({ reuses, takesArtifacts }) => reuses !== "nothing" && takesArtifacts,
    async body(place, tag, seed) {
      const made = image(seed);
      const blind = async (name: string) => {
        const source = new MemorySource(made);
        await using target = await place.target(name, { source });
        await copyImage(
          source,
          new Proxy(target, {
            get: (of, member) => {
              if (member === "findBlobs") return () => Promise.resolve(new Set());
              const value = Reflect.get(of, member, of);
              return typeof value === "function" ? value.bind(of) : value;
            },
          }),
        );
      };
      await blind(tag);
      await blind(tag);
      await assertHolds(place, tag, made);
    },
  },
  {
    name: "a stored blob of another length is not taken for the one that it should be, and is written anew",
    applies: ({ reuses }, { damage }) => reuses === "blobs" && damage !== undefined,
    async body(place, tag, seed) {
      const made = image(seed);
      const { digest } = layersOf(made).at(-1)!;
      for (
        const change of [
          (bytes: Uint8Array) => bytes.slice(0, -1),
          (bytes: Uint8Array) => new Uint8Array([...bytes, 0]),
        ]
      ) {
        await write(place, tag, new MemorySource(made));
        await place.damage!(tag, digest, change);
        await assert.rejects(readBack(place, tag), (error) => isImageError(error, "digest-mismatch"));
        const { movedBlobs } = await write(place, tag, new MemorySource(made));
        assert.deepEqual(movedBlobs.map((each) => each.digest), [digest]);
        await assertHolds(place, tag, made);
      }
    },
  },
  {
    name: "a run that is stopped in the middle of a layer shows nothing, and the next one ends with nothing left over",
    async body(place, tag, seed) {
      const made = image(seed);
      const { digest, size } = layersOf(made)[1]!;
      const before = await place.remains(made);
      await assert.rejects(stopped(place, tag, { made, digest, atBytes: Math.floor(size / 2) }));
      assert.equal(await rootAt(place, tag), undefined);
      // So little is not worth being kept for the next run.
      assert.deepEqual(await place.remains(made), before);
      await write(place, tag, new MemorySource(made));
      await assertHolds(place, tag, made);
    },
  },
  {
    name: "a large layer that was stopped in the middle is gone on with, and nothing of it is left over",
    applies: ({ resumes }) => resumes !== "never",
    async body(place, tag, seed) {
      // Two parts of an upload and a half.
      const made = imageOf([tar(seed, 20 * MIB)], { isPacked: false });
      const { digest } = layersOf(made)[0]!;
      await assert.rejects(stopped(place, tag, { made, digest, atBytes: 19 * MIB }));
      assert.equal(await rootAt(place, tag), undefined);
      const events: CopyEvent[] = [];
      await write(place, tag, new MemorySource(made), { onEvent: (event) => void events.push(event) });
      const held = events.flatMap((event) => event.kind === "blob-bytes" && event.isHeld ? [event.count] : []);
      assert.ok(held.reduce((sum, count) => sum + count, 0) >= MIB, `held: ${held}`);
      await assertHolds(place, tag, made);
      const remains = await place.remains(made);
      assert.deepEqual(remains.filter((each) => /upload of|partial/.test(each)), []);
    },
  },
];

/** A run that is stopped, in the runtime's own way, when so much of a layer was read and its parts so far have been taken. */
async function stopped(
  place: TestPlace,
  tag: string,
  { made, digest, atBytes }: { made: TestImage; digest: Digest; atBytes: number },
): Promise<void> {
  const controller = new AbortController();
  const taken = Promise.withResolvers<void>();
  let parts = place.traits.resumes === "parts" ? Math.floor(atBytes / PART_BYTES) : 0;
  if (parts === 0) taken.resolve();
  const log = (line: string) => {
    if (/partNumber=\d.* -> 200/.test(line) && --parts === 0) taken.resolve();
  };
  const source = new StoppingSource(made, digest, atBytes, async () => {
    await taken.promise;
    // Whoever sent the last part has to learn of it, too.
    await new Promise((resolve) => setTimeout(resolve, 0));
    controller.abort();
    return controller.signal.throwIfAborted() as never;
  });
  await write(place, tag, source, { signal: controller.signal, log });
}

/** What places of one kind do for each other. */
export async function linkCase(from: TestPlace, to: TestPlace, seed: number): Promise<void> {
  const made = image(seed);
  await write(from, "linked", new MemorySource(made));
  await using source = await from.source("linked");
  const { linkedBlobs, movedBlobs, presentBlobs } = await write(to, "linked", source);
  // Two names of one daemon are one place.
  const copied = movedBlobs.length + presentBlobs.length;
  const all = made.blobs.size;
  assert.deepEqual([linkedBlobs.length, copied], to.traits.links ? [all, 0] : [0, all]);
  await assertHolds(to, "linked", made);
}

/** What a place on this machine takes over by itself is checked all the same. */
export async function damagedLinkCase(from: TestPlace, to: TestPlace, seed: number): Promise<void> {
  const made = image(seed);
  const { digest } = layersOf(made).at(-1)!;
  await write(from, "damaged", new MemorySource(made));
  await from.damage!("damaged", digest, (bytes) => bytes.map((byte, index) => index === 9 ? byte ^ 1 : byte));
  await write(to, "old", new MemorySource(image(seed + 1)));
  const before = await to.remains(made);
  await assert.rejects(async () => {
    await using source = await from.source("damaged");
    await write(to, "damaged", source);
  }, (error) => isImageError(error, "digest-mismatch"));
  assert.equal(await rootAt(to, "damaged"), undefined);
  assert.deepEqual(await to.remains(made), before);
}

/** A protected tag keeps its image, whoever asks; others and the same image again are fine. */
export async function protectedCase(place: TestPlace, seed: number): Promise<void> {
  const [old, next] = [image(seed), image(seed + 1)];
  const racing = await place.target("kept", { source: new MemorySource(next) });
  await place.protect!();
  await racing.plan?.([next.root], []);
  await write(place, "kept", new MemorySource(old));
  const before = await place.remains(old, next);
  const source = new MemorySource(next);
  await assert.rejects(write(place, "kept", source), (error) => isImageError(error, "conflict"));
  assert.equal(source.opened.length, 0);
  assert.deepEqual(await place.remains(old, next), before);
  // Who asked when the tag was free is stopped by the last write.
  await assert.rejects(racing.publish(next.root), (error) => isImageError(error, "conflict"));
  await racing[Symbol.asyncDispose]();
  await write(place, "kept", new MemorySource(old));
  await assertHolds(place, "kept", old);
  await write(place, "other", source);
  await assertHolds(place, "other", next);
}
