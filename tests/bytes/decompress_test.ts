import assert from "node:assert/strict";
import { constants, gzipSync, zstdCompressSync } from "node:zlib";
import { type BlobReader, bytesReader, readAll } from "../../src/bytes/blob_reader.ts";
import { decompressReader, sniffCompression } from "../../src/bytes/decompress.ts";
import { isImageError } from "../../src/errors.ts";
import { Random } from "../support/images.ts";

const MAX = 1 << 26;

function joined(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let position = 0;
  for (const part of parts) {
    bytes.set(part, position);
    position += part.byteLength;
  }
  return bytes;
}

/** Hands the bytes out in pieces of the given size. */
function dribble(bytes: Uint8Array, pieceBytes: number): BlobReader {
  const inner = bytesReader(bytes);
  return { ...inner, read: (into) => inner.read(into.subarray(0, pieceBytes)) };
}

async function decompress(bytes: Uint8Array, compression: "gzip" | "zstd", pieceBytes = MAX) {
  await using reader = decompressReader(dribble(bytes, pieceBytes), compression, "test bytes");
  return await readAll(reader, MAX, "test bytes");
}

Deno.test({
  name: "decompressReader() reads one and several members or frames, in pieces of any size",
  permissions: "none",
  async fn() {
    const random = new Random(7);
    const [first, second] = [random.bytes(70_000), random.bytes(3)];
    const skippable = new Uint8Array([0x5a, 0x2a, 0x4d, 0x18, 5, 0, 0, 0, 1, 2, 3, 4, 5]);
    const empty = zstdCompressSync(new Uint8Array(0));
    const zstd = joined(zstdCompressSync(first), skippable, empty, zstdCompressSync(second), skippable);
    const gzip = joined(gzipSync(first), gzipSync(second));
    for (const pieceBytes of [13, 4096, MAX]) {
      assert.deepEqual(await decompress(zstd, "zstd", pieceBytes), joined(first, second));
      assert.deepEqual(await decompress(gzip, "gzip", pieceBytes), joined(first, second));
    }
    assert.equal(sniffCompression(skippable), "zstd");
    assert.deepEqual(await decompress(joined(skippable), "zstd"), new Uint8Array(0));
  },
});

Deno.test({
  name: "decompressReader() refuses streams that are cut off, damaged or followed by something else",
  permissions: "none",
  async fn() {
    const content = new Random(8).bytes(400_000);
    const zstd = zstdCompressSync(content, { params: { [constants.ZSTD_c_checksumFlag]: 1 } });
    for (const [compression, bytes] of [["zstd", zstd], ["gzip", gzipSync(content)]] as const) {
      const damaged = new Uint8Array(bytes);
      damaged.fill(0xff, 1000, 1100);
      const bad = [bytes.subarray(0, -1), bytes.subarray(0, 5), bytes.subarray(0, 3000), damaged];
      for (const input of [...bad, joined(bytes, new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]))]) {
        await assert.rejects(decompress(input, compression), (error) => isImageError(error, "invalid-input"));
      }
    }
  },
});

Deno.test({
  name: "decompressReader() can be closed before the end and passes on what the source throws",
  permissions: "none",
  async fn() {
    for (const compression of ["zstd", "gzip"] as const) {
      const bytes = compression === "zstd" ? zstdCompressSync(new Random(9).bytes(900_000)) : gzipSync(
        new Random(9).bytes(900_000),
      );
      let closed = 0;
      const counted = {
        ...bytesReader(bytes),
        [Symbol.asyncDispose]: () => {
          closed++;
          return Promise.resolve();
        },
      };
      const reader = decompressReader(counted, compression, "test bytes");
      await reader.read(new Uint8Array(10));
      await reader[Symbol.asyncDispose]();
      assert.equal(closed, 1);
      const failing: BlobReader = { ...counted, read: () => Promise.reject(new TypeError("source broke")) };
      await using broken = decompressReader(failing, compression, "test bytes");
      await assert.rejects(broken.read(new Uint8Array(10)), /source broke/);
    }
  },
});
