/**
 * What follows the end of compressed bytes: tapes and writers of whole blocks leave zeros there, a download that was joined
 * wrongly leaves something else. Neither may be waited on.
 */
import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { type BlobReader, bytesReader, readAll } from "../../src/bytes/blob_reader.ts";
import { gunzipReader, zstdReader } from "../../src/bytes/decompress.ts";
import { isImageError } from "../../src/errors.ts";
import { zstdFrame } from "../support/chunked_layers.ts";
import { concat } from "../support/concat.ts";
import { Random } from "../support/images.ts";

const what = `layer "test"`;
const raw = new Random(9).bytes(200_000);
const gzip = new Uint8Array(gzipSync(raw));
const zeros = (count: number) => new Uint8Array(count);

/** Gives the parts as pieces of their own, as a network may. */
function partsReader(parts: readonly Uint8Array<ArrayBuffer>[]): BlobReader {
  const readers = parts.map((part) => bytesReader(part));
  return {
    async read(into) {
      while (true) {
        const piece = await readers[0]?.read(into);
        if (!piece || piece.byteLength > 0) return piece ?? into.subarray(0, 0);
        readers.shift();
      }
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

async function unpacked(
  open: (reader: BlobReader, options: { what: string }) => BlobReader,
  parts: readonly Uint8Array<ArrayBuffer>[],
): Promise<Uint8Array<ArrayBuffer>> {
  await using reader = open(partsReader(parts), { what });
  return await readAll(reader, 1 << 24, what);
}

/** Every way to cut the same bytes that matters: in one piece, at the end of the data, one byte off, and into single bytes. */
function cuts(data: Uint8Array<ArrayBuffer>, tail: Uint8Array<ArrayBuffer>): readonly Uint8Array<ArrayBuffer>[][] {
  const whole = concat([data, tail]);
  const at = (place: number) => [whole.slice(0, place), whole.slice(place)];
  const end = data.byteLength;
  return [[whole], at(end), at(end - 1), at(end + 1), [
    data,
    ...Array.from(tail.subarray(0, 50), (byte) => Uint8Array.of(byte)),
    tail.slice(50),
  ]];
}

const PADDINGS = [1, 7, 512, 10_240, 16_384, 65_536, 300_000];

Deno.test("gunzipReader() takes zeros behind the last member, however many and however they come", {
  permissions: "none",
}, async () => {
  for (const count of PADDINGS) {
    for (const parts of cuts(gzip, zeros(count))) assert.deepEqual(await unpacked(gunzipReader, parts), raw);
  }
  const members = concat([gzip, new Uint8Array(gzipSync(new Uint8Array(0))), gzip]);
  for (const parts of cuts(members, zeros(1024))) {
    assert.deepEqual(await unpacked(gunzipReader, parts), concat([raw, raw]));
  }
});

Deno.test("gunzipReader() refuses anything else behind the last member", { permissions: "none" }, async () => {
  const tails: Record<string, Uint8Array<ArrayBuffer>> = {
    "text": new TextEncoder().encode("something else entirely, of some length") as Uint8Array<ArrayBuffer>,
    "one byte": Uint8Array.of(7),
    "half a header": Uint8Array.of(0x1f),
    "a header and no data": gzip.slice(0, 10),
    "text behind zeros": concat([zeros(3000), Uint8Array.of(7)]),
    "text behind a great many zeros": concat([zeros(100_000), Uint8Array.of(7), zeros(100_000)]),
    "a member behind zeros": concat([zeros(512), gzip]),
    "a member that is cut off": gzip.slice(0, 100),
  };
  for (const [name, tail] of Object.entries(tails)) {
    for (const [index, parts] of cuts(gzip, tail).entries()) {
      await assert.rejects(unpacked(gunzipReader, parts), (error: unknown) => {
        assert.ok(isImageError(error, "invalid-input"), `${name}, cut ${index}: ${error}`);
        assert.match(error.message, /^Cannot decompress layer "test": /);
        return true;
      }, `${name}, cut ${index}`);
    }
  }
});

Deno.test("zstdReader() refuses zeros and anything else behind the last frame, as zstd does", {
  permissions: "none",
}, async () => {
  const frames = concat([zstdFrame(raw), zstdFrame(raw)]);
  for (const tail of [zeros(1), zeros(7), zeros(10_240), Uint8Array.of(7, 7, 7), zstdFrame(raw).slice(0, 20)]) {
    for (const parts of cuts(frames, tail)) {
      await assert.rejects(unpacked(zstdReader, parts), (error: unknown) => isImageError(error, "invalid-input"));
    }
  }
  for (const parts of cuts(zstdFrame(raw), zstdFrame(raw))) {
    assert.deepEqual(await unpacked(zstdReader, parts), concat([raw, raw]));
  }
});

Deno.test("gunzipReader() can be closed in the middle of padding", { permissions: "none" }, async () => {
  const reader = gunzipReader(partsReader([gzip, zeros(300_000)]), { what });
  const piece = await reader.read(new Uint8Array(100));
  assert.deepEqual(piece, raw.subarray(0, 100));
  await reader[Symbol.asyncDispose]();
  await assert.rejects(reader.read(new Uint8Array(100)), (error: unknown) => isImageError(error, "aborted"));
});
