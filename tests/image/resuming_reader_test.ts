import assert from "node:assert/strict";
import { type BlobReader, fill } from "../../src/bytes/blob_reader.ts";
import { prefetched } from "../../src/bytes/prefetch.ts";
import { ImageError, isImageError } from "../../src/errors.ts";
import { resumingReader } from "../../src/image/resuming_reader.ts";
import { pattern } from "../objects/object_store_contract.ts";

/** Hands out ten bytes at a time, as a stream of the runtime does: it takes the buffer, and breaks with the buffer lost. */
function taking(bytes: Uint8Array, start: number, breakAt: number): BlobReader {
  let position = start;
  return {
    read(into) {
      const { byteOffset, byteLength } = into;
      const buffer = into.buffer.transfer();
      if (position >= breakAt) return Promise.reject(new ImageError("unavailable", "Connection reset"));
      const view = new Uint8Array(buffer, byteOffset, Math.min(byteLength, 10, bytes.byteLength - position));
      view.set(bytes.subarray(position, position + view.byteLength));
      position += view.byteLength;
      return Promise.resolve(view);
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

// A broken read took the buffer along, and with it what had been read into it before: the copy then failed on its own
// buffers although the connection could be opened again.
Deno.test(
  "resumingReader() keeps what was read into the same buffer before a break",
  { permissions: "none" },
  async () => {
    const bytes = pattern(1000);
    for (const breakAt of [0, 10, 30, 990]) {
      let opened = 0;
      const reader = resumingReader(
        (range) => Promise.resolve(taking(bytes, range?.start ?? 0, opened++ === 0 ? breakAt : Infinity)),
        { start: 0, length: 1000, isWhole: true },
        { baseDelayMs: 0 },
      );
      const { bytes: first } = await fill(reader, new Uint8Array(600));
      assert.deepEqual(first, bytes.subarray(0, 600));
      const { bytes: second, ended } = await fill(reader, new Uint8Array(new ArrayBuffer(600), 0, 400));
      assert.deepEqual([second, ended], [bytes.subarray(600), false]);
      assert.equal(opened, 2);
    }
  },
);

Deno.test(
  "prefetched() tells why a read broke also when the buffer is lost with it",
  { permissions: "none" },
  async () => {
    const bytes = pattern(100);
    await using reader = prefetched(taking(bytes, 0, 30), { count: 2, bufferBytes: 64 });
    await assert.rejects(async () => {
      while ((await reader.read(new Uint8Array(64))).byteLength > 0);
    }, (error) => isImageError(error, "unavailable"));
  },
);
