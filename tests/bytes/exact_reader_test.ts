import assert from "node:assert/strict";
import { bytesReader, readAll } from "../../src/bytes/blob_reader.ts";
import { exactReader, lengthMismatch } from "../../src/bytes/exact_reader.ts";
import { WatchedSource } from "../../src/bytes/watched_source.ts";
import { detachingReader, numbered } from "./readers.ts";

const wrong = () => new Error("wrong length");

Deno.test("exactReader() hands on every byte in order, whatever the sizes", { permissions: "none" }, async () => {
  for (const sizeBytes of [0, 1, 2, 3, 1000]) {
    for (const [piece, consumer] of [[1, 1], [3, 7], [7, 3], [1000, 1000], [1, 50]] as const) {
      await using reader = exactReader(detachingReader(numbered(sizeBytes), piece), sizeBytes, wrong);
      const bytes: number[] = [];
      for (let read; (read = await reader.read(new Uint8Array(consumer))).byteLength > 0;) bytes.push(...read);
      assert.deepEqual(bytes, [...numbered(sizeBytes)]);
    }
  }
});

Deno.test("exactReader() keeps the last byte back from whoever gets too few or too many", {
  permissions: "none",
}, async () => {
  for (const [there, announced] of [[9, 10], [11, 10], [1, 10], [0, 1], [2, 1], [100, 10]] as const) {
    let handedOut = 0;
    const wrongLength = (got: number | "more") => new Error(lengthMismatch(announced, got));
    const reader = exactReader(bytesReader(numbered(there)), announced, wrongLength);
    await assert.rejects(async () => {
      while (true) handedOut += (await reader.read(new Uint8Array(4))).byteLength;
    }, new RegExp(`^Error: expected ${announced} bytes, got ${there > announced ? "more" : there}$`));
    assert.ok(handedOut < Math.min(there, announced) || handedOut === 0, `${handedOut} of ${there} for ${announced}`);
  }
});

Deno.test("exactReader() passes on what the source fails with at its end", { permissions: "none" }, async () => {
  const source = bytesReader(numbered(10));
  let read = 0;
  const failing = {
    async read(into: Uint8Array<ArrayBuffer>) {
      if (read === 10) throw new Error("wrong digest");
      const piece = await source.read(into);
      read += piece.byteLength;
      return piece;
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  await assert.rejects(readAll(exactReader(failing, 10, wrong), 100, "blob"), /wrong digest/);
});

Deno.test("WatchedSource remembers the first failure of opening or reading", { permissions: "none" }, async () => {
  const source = new WatchedSource();
  const reader = await source.open(() => Promise.resolve(bytesReader(numbered(3))));
  assert.deepEqual(await readAll(reader, 10, "blob"), numbered(3));
  assert.equal(source.failure, undefined);
  const broken = new WatchedSource();
  const failure = new Error("broke");
  await assert.rejects(broken.open(() => Promise.reject(failure)), failure);
  await assert.rejects(broken.open(() => Promise.reject(new Error("another"))));
  assert.equal(broken.failure?.error, failure);
});
