/** What a copy tells of bytes: those that came, in whatever order, each once; what the target has taken, where it can tell. */
import assert from "node:assert/strict";
import type { BlobReader, ByteRange } from "../../src/bytes/blob_reader.ts";
import { SentBytes } from "../../src/bytes/sent_bytes.ts";
import { type CopyEvent, copyImage } from "../../src/image/copy_image.ts";
import type { BlobContent } from "../../src/image/places.ts";
import { SourceBlob } from "../../src/image/source_blob.ts";
import type { Descriptor } from "../../src/oci/descriptor.ts";
import { readAll } from "../../src/bytes/blob_reader.ts";
import { singleImage } from "../support/images.ts";
import { MemorySource, MemoryTarget } from "../support/memory_place.ts";

const MIB = 1024 * 1024;

/** Length of the ranges that are read at once. */
const RANGE_BYTES = 4 * MIB;

const pure = (name: string, fn: () => Promise<void>) => Deno.test({ name, permissions: "none", fn });

const large = singleImage({ os: "linux", architecture: "amd64" }, {
  seed: 77,
  layersPerPlatform: 1,
  layerBytes: 24 * MIB,
  compression: "none",
});

function layerOf(): Descriptor {
  if (large.root.content.kind !== "image") throw new Error("no image");
  return large.root.content.layers[0]!;
}

/** A source whose first range comes last. */
class LateStart extends MemorySource {
  readonly #gate = Promise.withResolvers<void>();
  #others = 0;

  /** `onOthers` is called once all the other ranges of the layer are read. */
  constructor(readonly onOthers: () => void) {
    super(large, { parallelRanges: 8 });
  }

  override async openBlob(blob: Descriptor, range?: ByteRange): Promise<BlobReader> {
    const reader = await super.openBlob(blob, range);
    if (!range) return reader;
    return {
      read: async (into) => {
        if (range.start === 0) await this.#gate.promise;
        const piece = await reader.read(into);
        if (range.start === 0 || piece.byteLength === 0) return piece;
        this.#others += piece.byteLength;
        if (this.#others === blob.size - RANGE_BYTES) this.#open();
        return piece;
      },
      [Symbol.asyncDispose]: () => reader[Symbol.asyncDispose](),
    };
  }

  #open(): void {
    // After whoever reads has been told of the last piece.
    setTimeout(() => {
      this.onOthers();
      this.#gate.resolve();
    });
  }
}

pure("ranges count when they come, not when their turn comes", async () => {
  const layer = layerOf();
  let told = 0;
  let toldBefore = -1;
  const source = new LateStart(() => toldBefore = told);
  await copyImage(source, new MemoryTarget(), {
    onEvent: (event) => {
      if (event.kind === "blob-bytes" && event.blob.digest === layer.digest) told += event.count;
    },
  });
  assert.ok(toldBefore >= 16 * MIB, `${toldBefore} bytes told while the first range was still to come`);
  assert.equal(told, layer.size);
});

pure("what is read twice counts once", async () => {
  const layer = layerOf();
  let told = 0;
  const blob = new SourceBlob(new MemorySource(large), layer, { onBytes: (count) => told += count });
  {
    await using reader = await blob.open();
    let read = 0;
    while (read < 20 * MIB) read += (await reader.read(new Uint8Array(MIB))).byteLength;
    assert.equal(told, read);
  }
  // An upload that goes on from what the registry holds.
  await using rest = await blob.open(10 * MIB + 5);
  assert.equal(told, 10 * MIB + 5);
  await readAll(rest, layer.size, "layer");
  assert.equal(told, layer.size);
  await using again = await blob.open();
  assert.equal(told, 0);
  await readAll(again, layer.size, "layer");
  assert.equal(told, layer.size);
});

pure("a target that tells what it has taken is believed, and reading is told apart", async () => {
  const layer = layerOf();
  class Sender extends MemoryTarget {
    override async writeBlob(content: BlobContent): Promise<void> {
      if (content.blob.digest !== layer.digest) return await super.writeBlob(content);
      const tell = content.countSent!();
      await super.writeBlob(content);
      tell(5 * MIB, true);
      tell(layer.size - 5 * MIB);
    }
  }
  const events: CopyEvent[] = [];
  await copyImage(new MemorySource(large), new Sender(), { onEvent: (event) => events.push(event) });
  const of = (kind: CopyEvent["kind"]) =>
    events.filter((event) => event.kind === kind && "blob" in event && event.blob.digest === layer.digest);
  assert.deepEqual(of("blob-bytes").map((event) => "count" in event && [event.count, event.kind]), [
    [5 * MIB, "blob-bytes"],
    [layer.size - 5 * MIB, "blob-bytes"],
  ]);
  assert.equal(of("blob-bytes").filter((event) => "isHeld" in event && event.isHeld).length, 1);
  assert.equal(of("blob-read").reduce((sum, event) => sum + ("count" in event ? event.count : 0), 0), layer.size);
  assert.equal(events.at(-1)!.kind, "ended");
  assert.deepEqual(events.filter(({ kind }) => kind === "phase").map((event) => "phase" in event && event.phase), [
    "looking",
    "comparing",
    "publishing",
  ]);
});

pure("SentBytes takes back what is sent again, and forgets bodies of earlier rounds", async () => {
  let total = 0;
  let held = 0;
  const sent = new SentBytes((count, isHeld) => {
    total += count;
    if (isHeld) held += count;
  });
  const [one, two] = [sent.ofBody(), sent.ofBody()];
  one(0);
  two(0);
  one(10);
  two(5);
  one(25);
  assert.equal(total, 30);
  one(0); // sent once more
  assert.equal(total, 5);
  one(25);
  sent.hold(7);
  assert.deepEqual([total, held], [37, 7]);
  sent.reset();
  two(90);
  assert.equal(total, 0);
  sent.at(40);
  sent.at(12);
  assert.equal(total, 12);
  await Promise.resolve();
});

pure("a read that breaks because the copy is over is not told as one that goes on", async () => {
  const stop = new AbortController();
  const told: string[] = [];
  const source = new MemorySource(large, { misbehaviour: { breakAfter: MIB } });
  const blob = new SourceBlob(source, layerOf(), {
    signal: stop.signal,
    baseDelayMs: 1,
    onResume: (_error, position) => told.push(`at ${position}`),
  });
  await using reader = await blob.open();
  const read = async (bytes: number) => {
    for (let left = bytes; left > 0;) left -= (await reader.read(new Uint8Array(left))).byteLength;
  };
  await read(MIB + 1);
  assert.deepEqual(told, [`at ${MIB}`]);
  await read(MIB - 1);
  const breaking = reader.read(new Uint8Array(10));
  stop.abort(new Error("over"));
  await assert.rejects(breaking);
  assert.deepEqual(told, [`at ${MIB}`]);
});
