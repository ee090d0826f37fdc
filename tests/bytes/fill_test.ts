import assert from "node:assert/strict";
import { fill, streamReader } from "../../src/bytes/blob_reader.ts";

/** A byte stream that answers with few bytes at a time and, as all do, takes the reader's buffer away. */
function dripping(bytes: Uint8Array<ArrayBuffer>, stepBytes: number): ReadableStream<Uint8Array<ArrayBuffer>> {
  let position = 0;
  return new ReadableStream({
    type: "bytes",
    pull(controller) {
      const step = bytes.slice(position, position + stepBytes);
      position += step.byteLength;
      if (step.byteLength > 0) return controller.enqueue(step);
      controller.close();
      controller.byobRequest?.respond(0);
    },
  });
}

const BYTES = Uint8Array.from({ length: 1000 }, (_, index) => index % 251);

Deno.test("fill() goes on until the buffer is full although each read takes the buffer away", {
  permissions: "none",
}, async () => {
  await using reader = streamReader(dripping(BYTES, 7));
  const first = await fill(reader, new Uint8Array(600));
  assert.deepEqual(first, { bytes: BYTES.slice(0, 600), ended: false });
  const second = await fill(reader, new Uint8Array(first.bytes.buffer));
  assert.deepEqual([...second.bytes], [...BYTES.slice(600)]);
  assert.equal(second.ended, true);
});

Deno.test("fill() fills the beginning of a larger buffer and keeps that buffer", { permissions: "none" }, async () => {
  await using reader = streamReader(dripping(BYTES, 7));
  const { bytes, ended } = await fill(reader, new Uint8Array(new ArrayBuffer(4096), 0, 1000));
  assert.deepEqual([...bytes], [...BYTES]);
  assert.equal(bytes.buffer.byteLength, 4096);
  assert.equal(ended, false);
  const rest = await fill(reader, new Uint8Array(bytes.buffer, 0, 10));
  assert.equal(rest.bytes.byteLength, 0);
  assert.equal(rest.bytes.buffer.byteLength, 4096);
  assert.equal(rest.ended, true);
});
