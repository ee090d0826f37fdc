import assert from "node:assert/strict";
import { isImageError } from "../../src/errors.ts";
import { type BlobReader, bytesReader, fill, readAll } from "../../src/bytes/blob_reader.ts";
import { prefetched } from "../../src/bytes/prefetch.ts";
import { type ClosedRange, readAhead } from "../../src/bytes/read_ahead.ts";
import { SharedBuffers } from "../../src/bytes/shared_buffers.ts";
import { countedReader, detachingReader, numbered, settle, stepReader } from "./readers.ts";

Deno.test("prefetched() hands on every byte in order, whatever the sizes", { permissions: "none" }, async () => {
  for (
    const [bufferBytes, count, pieceBytes, consumer] of [[8, 2, 3, 5], [1, 1, 1, 1], [64, 3, 7, 1000], [5, 2, 100, 5]]
  ) {
    await using reader = prefetched(detachingReader(numbered(1000), pieceBytes), {
      bufferBytes: bufferBytes!,
      count: count!,
    });
    const bytes: number[] = [];
    for (let piece; (piece = await reader.read(new Uint8Array(consumer!))).byteLength > 0;) bytes.push(...piece);
    assert.deepEqual(bytes, [...numbered(1000)]);
    assert.equal((await reader.read(new Uint8Array(1))).byteLength, 0, "it stays at the end");
  }
});

Deno.test(
  "prefetched() reads on while the consumer is busy, and no further than its buffers",
  { permissions: "none" },
  async () => {
    const source = countedReader(bytesReader(numbered(1000)));
    await using reader = prefetched(source, { bufferBytes: 10, count: 3 });
    await settle();
    assert.equal(source.reads, 3);
    assert.deepEqual(await reader.read(new Uint8Array(4)), numbered(4));
    await settle();
    assert.equal(source.reads, 3, "a buffer in use is not filled");
    assert.deepEqual(await reader.read(new Uint8Array(100)), numbered(6, 4));
    await settle();
    assert.equal(source.reads, 4, "a buffer that was emptied is");
  },
);

Deno.test("prefetched() gives a waiting consumer what is there", { permissions: "none" }, async () => {
  const { promise: never, resolve } = Promise.withResolvers<void>();
  const source = stepReader([
    (into) => (into.set(numbered(2)), into.subarray(0, 2)),
    (into) => never.then(() => into.subarray(0, 0)),
  ]);
  const reader = prefetched(source, { bufferBytes: 100, count: 2 });
  assert.deepEqual(await reader.read(new Uint8Array(50)), numbered(2));
  resolve();
  await reader[Symbol.asyncDispose]();
});

Deno.test("prefetched() throws an error after the bytes before it, and again", { permissions: "none" }, async () => {
  const failure = new Error("connection reset");
  const source = stepReader([
    (into) => (into.set(numbered(4)), into.subarray(0, 4)),
    () => Promise.reject(failure),
  ]);
  await using reader = prefetched(source, { bufferBytes: 4, count: 4 });
  await settle();
  assert.deepEqual(await reader.read(new Uint8Array(9)), numbered(4));
  await assert.rejects(reader.read(new Uint8Array(9)), failure);
  await assert.rejects(reader.read(new Uint8Array(9)), failure);
});

Deno.test("prefetched() keeps what it read when the end comes as an empty view of another buffer", {
  permissions: "none",
}, async () => {
  const source = stepReader([(into) => (into.set(numbered(3)), into.subarray(0, 3)), () => new Uint8Array(0)]);
  await using reader = prefetched(source, { bufferBytes: 8, count: 2 });
  await settle();
  assert.deepEqual(await readAll(reader, 100, "stream"), numbered(3));
});

Deno.test("prefetched() stops reading and closes the source when it is closed", { permissions: "none" }, async () => {
  const source = countedReader(bytesReader(numbered(1000)));
  const reader = prefetched(source, { bufferBytes: 10, count: 2 });
  await reader.read(new Uint8Array(1));
  await reader[Symbol.asyncDispose]();
  const reads = source.reads;
  await settle();
  assert.equal(source.reads, reads);
  assert.equal(source.closed, 1);
  await assert.rejects(reader.read(new Uint8Array(1)), (error) => isImageError(error, "aborted"));
});

Deno.test("prefetched() can be closed while the source waits for bytes", { permissions: "none" }, async () => {
  const waiting = Promise.withResolvers<never>();
  const reader = prefetched({
    read: () => waiting.promise,
    [Symbol.asyncDispose]: () => Promise.resolve(waiting.reject(new Error("closed"))),
  }, { bufferBytes: 8, count: 2 });
  const read = reader.read(new Uint8Array(1));
  await settle();
  await reader[Symbol.asyncDispose]();
  await assert.rejects(read, (error) => isImageError(error, "aborted"));
});

/** Opens ranges of numbered bytes; each waits until it is let go. */
class Ranges {
  readonly opened: ClosedRange[] = [];
  closed = 0;
  active = 0;
  mostActive = 0;
  readonly #size: number;
  readonly #gate: (range: ClosedRange, signal: AbortSignal) => Promise<void>;

  constructor(
    size: number,
    gate: (range: ClosedRange, signal: AbortSignal) => Promise<void> = () => Promise.resolve(),
  ) {
    this.#size = size;
    this.#gate = gate;
  }

  readonly open = async (range: ClosedRange, signal: AbortSignal): Promise<BlobReader> => {
    this.opened.push(range);
    this.mostActive = Math.max(this.mostActive, ++this.active);
    try {
      await this.#gate(range, signal);
    } catch (error) {
      this.active--;
      throw error;
    }
    const end = Math.min(range.start + range.length, this.#size);
    const reader = detachingReader(numbered(Math.max(0, end - range.start), range.start), 7);
    return {
      read: (into) => reader.read(into),
      [Symbol.asyncDispose]: () => {
        this.closed++;
        this.active--;
        return Promise.resolve();
      },
    };
  };
}

Deno.test("readAhead() hands the ranges out in order, however they arrive", { permissions: "none" }, async () => {
  for (
    const [start, sizeBytes, partBytes, parallel] of [[0, 1000, 64, 4], [37, 1000, 100, 3], [0, 64, 64, 8], [
      999,
      1000,
      10,
      2,
    ]]
  ) {
    // Every second range takes long.
    const ranges = new Ranges(sizeBytes!, async (range) => {
      for (let turn = range.start % 2 === 0 ? 40 : 0; turn > 0; turn--) await Promise.resolve();
    });
    await using reader = readAhead(ranges.open, {
      start: start!,
      sizeBytes: sizeBytes!,
      buffers: new SharedBuffers(parallel!, partBytes!),
    });
    assert.deepEqual(await readAll(reader, 10_000, "blob"), numbered(sizeBytes! - start!, start!));
    assert.equal((await reader.read(new Uint8Array(1))).byteLength, 0);
    const expected = Math.ceil((sizeBytes! - start!) / partBytes!);
    assert.equal(ranges.opened.length, expected, "every range once");
    assert.equal(ranges.closed, expected);
    assert.ok(ranges.mostActive <= parallel!);
    assert.equal(ranges.opened.at(-1)!.start + ranges.opened.at(-1)!.length, sizeBytes);
  }
});

Deno.test("readAhead() of nothing opens nothing", { permissions: "none" }, async () => {
  const ranges = new Ranges(0);
  await using empty = readAhead(ranges.open, { sizeBytes: 0, buffers: new SharedBuffers(2, 10) });
  assert.equal((await empty.read(new Uint8Array(5))).byteLength, 0);
  await using atEnd = readAhead(ranges.open, { start: 10, sizeBytes: 10, buffers: new SharedBuffers(2, 10) });
  assert.equal((await atEnd.read(new Uint8Array(5))).byteLength, 0);
  assert.equal(ranges.opened.length, 0);
});

Deno.test(
  "readAhead() holds no more than parallel ranges while the consumer is slow",
  { permissions: "none" },
  async () => {
    const ranges = new Ranges(1000);
    await using reader = readAhead(ranges.open, { sizeBytes: 1000, buffers: new SharedBuffers(3, 10) });
    await settle();
    assert.equal(ranges.opened.length, 0, "nothing before the first read");
    await reader.read(new Uint8Array(5));
    await settle();
    assert.equal(ranges.opened.length, 3, "one being consumed, two ahead");
    await reader.read(new Uint8Array(5));
    await settle();
    assert.equal(ranges.opened.length, 4);
  },
);

Deno.test("readAhead() reads buffers full through its parts", { permissions: "none" }, async () => {
  await using reader = readAhead(new Ranges(100).open, { sizeBytes: 100, buffers: new SharedBuffers(2, 16) });
  assert.deepEqual((await fill(reader, new Uint8Array(70))).bytes, numbered(70));
  const { bytes, ended } = await fill(reader, new Uint8Array(70));
  assert.deepEqual(bytes, numbered(30, 70));
  assert.equal(ended, true);
});

Deno.test("readAhead() fails in order, hands out nothing beyond the gap, and opens nothing more", {
  permissions: "none",
}, async () => {
  const failure = new Error("503");
  const ranges = new Ranges(1000, (range) => range.start === 20 ? Promise.reject(failure) : Promise.resolve());
  await using reader = readAhead(ranges.open, { sizeBytes: 1000, buffers: new SharedBuffers(4, 10) });
  const { bytes } = await fill(reader, new Uint8Array(20));
  assert.deepEqual(bytes, numbered(20));
  await assert.rejects(reader.read(new Uint8Array(20)), failure);
  await assert.rejects(reader.read(new Uint8Array(20)), failure);
  await settle();
  assert.ok(ranges.opened.length <= 6, `${ranges.opened.length} opened`);
  assert.equal(ranges.active, 0);
});

Deno.test("readAhead() tells the failure it comes to first, though a later one happened before", {
  permissions: "none",
}, async () => {
  const ranges = new Ranges(40, async (range) => {
    if (range.start === 0) return;
    if (range.start === 10) await settle();
    throw new Error(`range ${range.start}`);
  });
  await using reader = readAhead(ranges.open, { sizeBytes: 40, buffers: new SharedBuffers(4, 10) });
  assert.equal((await reader.read(new Uint8Array(10))).byteLength, 10);
  await assert.rejects(reader.read(new Uint8Array(10)), /range 10/);
  await assert.rejects(reader.read(new Uint8Array(10)), /range 10/);
});

Deno.test("readAhead() takes a range that ends early for a broken connection", { permissions: "none" }, async () => {
  const ranges = new Ranges(25);
  await using reader = readAhead(ranges.open, { sizeBytes: 30, buffers: new SharedBuffers(2, 10) });
  assert.deepEqual((await fill(reader, new Uint8Array(20))).bytes, numbered(20));
  await assert.rejects(reader.read(new Uint8Array(10)), (error) => {
    assert.ok(isImageError(error, "unavailable"));
    assert.match(error.message, /bytes 20 to 29: only 5 came/);
    return true;
  });
});

Deno.test("readAhead() takes no more than its range from a server that sends on", { permissions: "none" }, async () => {
  const open = (range: ClosedRange) => Promise.resolve(bytesReader(numbered(1000 - range.start, range.start)));
  await using reader = readAhead(open, { sizeBytes: 25, buffers: new SharedBuffers(2, 10) });
  assert.deepEqual(await readAll(reader, 1000, "blob"), numbered(25));
});

Deno.test("readAhead() drops every range when it is closed early", { permissions: "none" }, async () => {
  const aborted: number[] = [];
  const ranges = new Ranges(1000, (range, signal) =>
    range.start < 20 ? Promise.resolve() : new Promise((_, reject) => {
      signal.addEventListener("abort", () => {
        aborted.push(range.start);
        reject(signal.reason);
      });
    }));
  const reader = readAhead(ranges.open, { sizeBytes: 1000, buffers: new SharedBuffers(4, 10) });
  await reader.read(new Uint8Array(10));
  await settle();
  await reader[Symbol.asyncDispose]();
  assert.deepEqual(aborted, [20, 30, 40]);
  assert.equal(ranges.active, 0, "nothing is left open");
  await assert.rejects(reader.read(new Uint8Array(1)), (error) => isImageError(error, "aborted"));
});

Deno.test("readAhead() closes a range that was opened too late", { permissions: "none" }, async () => {
  const late = Promise.withResolvers<void>();
  const ranges = new Ranges(100, () => late.promise);
  const reader = readAhead(ranges.open, { sizeBytes: 100, buffers: new SharedBuffers(2, 10) });
  const read = assert.rejects(reader.read(new Uint8Array(1)), (error) => isImageError(error, "aborted"));
  let isClosed = false;
  const closing = reader[Symbol.asyncDispose]().then(() => isClosed = true);
  await settle();
  assert.equal(isClosed, false, "closing waits for what is still opening");
  late.resolve();
  await closing;
  assert.equal(ranges.closed, 2);
  assert.equal(ranges.active, 0);
  await read;
});
