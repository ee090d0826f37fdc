import assert from "node:assert/strict";
import { isImageError } from "../../src/errors.ts";
import { bytesReader, fileReader, fill, readAll, streamReader, toStream } from "../../src/bytes/blob_reader.ts";
import { countedReader, numbered, stepReader } from "./readers.ts";

/** A byte stream of these pieces; counts what happens to it. */
function byteStream(pieces: readonly number[], end: "close" | "error" | "open" = "close") {
  const seen = { cancelled: 0, pulled: 0 };
  let at = 0;
  let total = 0;
  const stream = new ReadableStream({
    type: "bytes",
    pull(controller) {
      seen.pulled++;
      const length = pieces[at++];
      if (length !== undefined) {
        const offset = total;
        total += length;
        return controller.enqueue(numbered(length, offset));
      }
      if (end === "error") return controller.error(new Error("broken pipe"));
      if (end === "open") return new Promise<void>(() => {});
      controller.close();
      controller.byobRequest?.respond(0);
    },
    cancel() {
      seen.cancelled++;
    },
  }, { highWaterMark: 0 }) as ReadableStream<Uint8Array<ArrayBuffer>>;
  return { stream, seen };
}

Deno.test(
  "streamReader() hands on every byte in order and then stays at the end",
  { permissions: "none" },
  async () => {
    const { stream, seen } = byteStream([5, 1, 70_000, 3]);
    await using reader = streamReader(stream);
    const bytes = await readAll(reader, 100_000, "stream");
    assert.deepEqual(bytes, numbered(70_009));
    assert.equal((await reader.read(new Uint8Array(4))).byteLength, 0);
    assert.equal((await reader.read(new Uint8Array(4))).byteLength, 0);
    await reader[Symbol.asyncDispose]();
    assert.equal(seen.cancelled, 0, "a stream that ended is not cancelled");
  },
);

Deno.test("streamReader() gives the last bytes that come together with the end", { permissions: "none" }, async () => {
  // What a fetch body does when asked for a minimum: value and done at once.
  const parts = [{ done: false, value: numbered(3) }, { done: true, value: numbered(2, 3) }];
  const stream = {
    getReader: () => ({
      read: () => Promise.resolve(parts.shift()),
      releaseLock() {},
      cancel: () => Promise.resolve(),
    }),
  } as unknown as ReadableStream<Uint8Array<ArrayBuffer>>;
  await using reader = streamReader(stream);
  assert.deepEqual(await readAll(reader, 10, "stream"), numbered(5));
});

Deno.test(
  "streamReader() detaches the buffer it is given and returns another view of it",
  { permissions: "none" },
  async () => {
    await using reader = streamReader(byteStream([4]).stream);
    const into = new Uint8Array(16);
    const read = await reader.read(into);
    assert.equal(into.byteLength, 0, "the view that was handed in is gone");
    assert.equal(read.buffer.byteLength, 16);
    assert.deepEqual([...read], [0, 1, 2, 3]);
    const last = await reader.read(new Uint8Array(read.buffer));
    assert.equal(last.byteLength, 0);
    assert.equal(last.buffer.byteLength, 16, "the buffer comes back at the end too");
  },
);

Deno.test("streamReader() reads nothing into an empty view", { permissions: "none" }, async () => {
  const { stream, seen } = byteStream([4]);
  await using reader = streamReader(stream);
  assert.equal((await reader.read(new Uint8Array(0))).byteLength, 0);
  assert.equal(seen.pulled, 0);
  assert.equal((await reader.read(new Uint8Array(9))).byteLength, 4, "an empty read is not the end");
});

Deno.test("streamReader() cancels the stream when it is closed early", { permissions: "none" }, async () => {
  const { stream, seen } = byteStream([4, 4]);
  {
    await using reader = streamReader(stream);
    await reader.read(new Uint8Array(4));
  }
  assert.equal(seen.cancelled, 1);
  assert.equal(stream.locked, false);
});

Deno.test(
  "streamReader() fails a read that waits when it is closed, instead of ending",
  { permissions: "none" },
  async () => {
    const { stream, seen } = byteStream([], "open");
    const reader = streamReader(stream);
    const read = reader.read(new Uint8Array(4));
    await reader[Symbol.asyncDispose]();
    await assert.rejects(read, (error) => isImageError(error, "aborted"));
    assert.equal(seen.cancelled, 1);
  },
);

Deno.test("streamReader() passes the stream's error on, and closes after it", { permissions: "none" }, async () => {
  const reader = streamReader(byteStream([2], "error").stream);
  await reader.read(new Uint8Array(4));
  await assert.rejects(reader.read(new Uint8Array(4)), /broken pipe/);
  await reader[Symbol.asyncDispose]();
});

Deno.test("fill() fills through detached buffers", { permissions: "none" }, async () => {
  await using reader = streamReader(byteStream([3, 3, 3, 3]).stream);
  const first = await fill(reader, new Uint8Array(8));
  assert.deepEqual(first, { bytes: numbered(8), ended: false });
  const second = await fill(reader, new Uint8Array(first.bytes.buffer));
  assert.deepEqual([...second.bytes], [8, 9, 10, 11]);
  assert.equal(second.ended, true);
  assert.equal(second.bytes.buffer.byteLength, 8, "the buffer is kept for reuse");
  const third = await fill(reader, new Uint8Array(second.bytes.buffer));
  assert.equal(third.bytes.byteLength, 0);
  assert.equal(third.bytes.buffer.byteLength, 8);
});

Deno.test("fill() is done when the buffer is full, and asks no further", { permissions: "none" }, async () => {
  const reader = countedReader(bytesReader(numbered(8)));
  assert.deepEqual(await fill(reader, new Uint8Array(8)), { bytes: numbered(8), ended: false });
  assert.equal(reader.reads, 1);
  assert.deepEqual(await fill(reader, new Uint8Array(0)), { bytes: new Uint8Array(0), ended: false });
  assert.equal(reader.reads, 1);
});

Deno.test(
  "fill() keeps what was read when the end is an empty view of another buffer",
  { permissions: "none" },
  async () => {
    const reader = stepReader([(into) => (into.set(numbered(3)), into.subarray(0, 3)), () => new Uint8Array(0)]);
    const { bytes, ended } = await fill(reader, new Uint8Array(8));
    assert.deepEqual(bytes, numbered(3));
    assert.equal(ended, true);
  },
);

Deno.test("readAll() reads up to the limit and refuses one byte more", { permissions: "none" }, async () => {
  assert.deepEqual(await readAll(bytesReader(numbered(200_000)), 200_000, "list"), numbered(200_000));
  assert.deepEqual(await readAll(bytesReader(new Uint8Array()), 0, "list"), new Uint8Array());
  await assert.rejects(readAll(bytesReader(numbered(200_001)), 200_000, "the list"), (error) => {
    assert.ok(isImageError(error, "invalid-input"));
    assert.match(error.message, /^Cannot read the list: it has more than 200000 bytes$/);
    return true;
  });
  await assert.rejects(readAll(bytesReader(numbered(1)), 0, "x"), (error) => isImageError(error, "invalid-input"));
});

Deno.test("fileReader() reads on from where the file stands, no further than asked, and closes it", {
  permissions: { read: "inherit", write: "inherit" },
}, async () => {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeFile(path, numbered(1000));
    const file = await Deno.open(path);
    await file.seek(100, Deno.SeekMode.Start);
    const reader = fileReader(file, 300);
    assert.deepEqual(await readAll(reader, 1000, "file"), numbered(300, 100));
    assert.equal((await reader.read(new Uint8Array(1))).byteLength, 0);
    await reader[Symbol.asyncDispose]();
    await reader[Symbol.asyncDispose]();
    assert.throws(() => file.statSync());
    await using whole = fileReader(await Deno.open(path));
    assert.equal((await readAll(whole, 1000, "file")).byteLength, 1000);
    await using longer = fileReader(await Deno.open(path), 5000);
    assert.equal((await readAll(longer, 5000, "file")).byteLength, 1000);
  } finally {
    await Deno.remove(path);
  }
});

Deno.test(
  "toStream() gives the bytes as they are asked for, and closes the reader at the end",
  { permissions: "none" },
  async () => {
    const reader = countedReader(bytesReader(numbered(10)));
    const stream = toStream(reader, 4);
    assert.equal(reader.reads, 0, "nothing is read before somebody asks");
    const sizes: number[] = [];
    for await (const chunk of stream) sizes.push(chunk.byteLength);
    assert.deepEqual(sizes, [4, 4, 2]);
    assert.equal(reader.closed, 1);
  },
);

Deno.test("toStream() closes the reader when cancelled and when reading fails", { permissions: "none" }, async () => {
  const cancelled = countedReader(bytesReader(numbered(10)));
  await toStream(cancelled, 4).cancel();
  assert.equal(cancelled.closed, 1);
  const failing = countedReader(stepReader([() => {
    throw new Error("disk gone");
  }]));
  await assert.rejects(new Response(toStream(failing)).bytes(), /disk gone/);
  assert.equal(failing.closed, 1);
});
