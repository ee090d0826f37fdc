import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { type BlobReader, bytesReader, readAll } from "../../src/bytes/blob_reader.ts";
import { gunzipReader, rawTarReader, zstdReader } from "../../src/bytes/decompress.ts";
import { unzstd } from "../../src/bytes/zstd.ts";
import { MAX_WINDOW_BYTES, ZstdSplitter } from "../../src/bytes/zstd_frames.ts";
import { isImageError } from "../../src/errors.ts";
import { digestOf } from "../../src/oci/digest.ts";
import { zstdFrame } from "../support/chunked_layers.ts";
import { goFrame, repeatedLetters } from "../support/go_frames.ts";
import { Random } from "../support/images.ts";
import { concat } from "../support/concat.ts";

const what = `layer "test"`;
const SKIPPABLE = Uint8Array.of(0x5a, 0x2a, 0x4d, 0x18, 5, 0, 0, 0, 1, 2, 3, 4, 5);
const EMPTY_FRAME = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x20, 0, 1, 0, 0);

/** Reads in pieces of random length, as networks give them. */
function choppedReader(bytes: Uint8Array, random: Random, maxPiece: number): BlobReader {
  const inner = bytesReader(bytes);
  return {
    read: (into) => inner.read(into.subarray(0, 1 + random.next(maxPiece))),
    [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
  };
}

async function unpacked(reader: BlobReader): Promise<Uint8Array<ArrayBuffer>> {
  await using open = reader;
  return await readAll(open, 64 * 1024 * 1024, what);
}

function refusal(message: RegExp, code = "invalid-input"): (error: unknown) => boolean {
  return (error) => {
    assert.ok(isImageError(error), String(error));
    assert.equal(error.code, code);
    assert.match(error.message, message);
    return true;
  };
}

Deno.test(
  "goFrame() is what the Go encoder writes, and unzstd() and zstdReader() read it",
  { permissions: "none" },
  async () => {
    const vectors: readonly [number, string][] = [
      [65536, "5f47bbb21b315f1187478254069f13c477d2992aa0acc85124700b157cdd7304"],
      [1048576, "6ab3d31dff0c6ed62b11e2327909054d7249287999bf8baac2bc6d08b9dab7e2"],
      [8388608, "eba99fae5bf1500a843e17e78cb517309d3c5ee9e0982cd20b140ca849a462a7"],
      [8388609, "2c3d67619ce60d35c986afd8d4a07ec4afccdc91e9d5009041c874130f4b9286"],
      [16777216, "230a103d2af89942f4f6e02df6e48a79f528e12766841ddac9e125c6da622029"],
    ];
    for (const [sizeBytes, digest] of vectors) {
      const frame = goFrame(sizeBytes);
      const raw = digestOf(repeatedLetters(sizeBytes));
      assert.equal(digestOf(frame), `sha256:${digest}`);
      assert.equal(digestOf(unzstd(frame, { what, sizeBytes })), raw);
      assert.equal(digestOf(await unpacked(zstdReader(bytesReader(frame), { what, maxBytes: sizeBytes }))), raw);
    }
  },
);

Deno.test(
  "zstdReader() and unzstd() read any sequence of frames, however it is cut",
  { permissions: "none" },
  async () => {
    for (let seed = 1; seed <= 12; seed++) {
      const random = new Random(seed);
      const raws = Array.from({ length: 1 + random.next(6) }, () => random.bytes(random.next(400_000)));
      const pieces = raws.flatMap((raw) => {
        const extra = [[], [SKIPPABLE], [EMPTY_FRAME], [SKIPPABLE, SKIPPABLE]][random.next(4)]!;
        return [...extra, random.next(5) === 0 ? zstdFrame(new Uint8Array(raw.byteLength).fill(7)) : zstdFrame(raw)];
      });
      const stored = concat(pieces);
      const whole = unzstd(stored, { what, sizeBytes: raws.reduce((sum, raw) => sum + raw.byteLength, 0) });
      const streamed = await unpacked(zstdReader(choppedReader(stored, random, [3, 500, 70_000][seed % 3]!), { what }));
      assert.equal(digestOf(streamed), digestOf(whole), `seed ${seed}`);
      assert.equal(streamed.byteLength, whole.byteLength, `seed ${seed}`);
    }
  },
);

Deno.test("zstdReader() gives exactly the bytes of the frames", { permissions: "none" }, async () => {
  const random = new Random(7);
  const raws = [random.bytes(300_000), random.bytes(1), random.bytes(200_000)];
  const stored = concat([...raws.map((raw) => zstdFrame(raw)), SKIPPABLE]);
  assert.deepEqual(await unpacked(zstdReader(choppedReader(stored, random, 1000), { what })), concat(raws));
  assert.deepEqual(unzstd(stored, { what, sizeBytes: 500_001 }), concat(raws));
  assert.deepEqual(await unpacked(zstdReader(bytesReader(new Uint8Array(0)), { what })), new Uint8Array(0));
});

Deno.test("zstdReader() refuses streams that are cut short at any byte", { permissions: "none" }, async () => {
  const stored = concat([zstdFrame(new Random(1).bytes(3000)), zstdFrame(new Random(2).bytes(50))]);
  const first = zstdFrame(new Random(1).bytes(3000)).byteLength;
  for (let length = 1; length < stored.byteLength; length++) {
    const cut = stored.slice(0, length);
    if (length === first) continue;
    await assert.rejects(
      unpacked(zstdReader(bytesReader(cut), { what })),
      refusal(/^Cannot decompress layer "test": /),
    );
    assert.throws(() => unzstd(cut, { what, sizeBytes: 3050 }), refusal(/ends in the middle of a zstd frame$/));
  }
  assert.throws(
    () => unzstd(stored.slice(0, first), { what, sizeBytes: 3050 }),
    refusal(/unpacks to 3000 bytes, not 3050$/, "digest-mismatch"),
  );
});

Deno.test("zstdReader() and unzstd() refuse what is no zstd, needs a dictionary, or asks for a large window", async () => {
  const cases: readonly [Uint8Array<ArrayBuffer>, RegExp][] = [
    [new Uint8Array(100), /it is not zstd data$/],
    [concat([zstdFrame(new Uint8Array(10)), new Uint8Array(9)]), /it is not zstd data$/],
    [Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x21, 1, 1, 1, 0, 0), /needs a zstd dictionary$/],
    [Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x28, 0, 1, 0, 0), /reserved bit/],
    [Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x20, 0, 7, 0, 0), /block that breaks the format$/],
    [Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x91, 1, 0, 0), /window of \d+ bytes is larger than 134217728$/],
    [Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0), /window of 4294967296 bytes/],
  ];
  for (const [bytes, message] of cases) {
    await assert.rejects(unpacked(zstdReader(bytesReader(bytes), { what })), refusal(message));
    assert.throws(() => unzstd(bytes, { what, sizeBytes: 10 }), refusal(message));
  }
  const splitter = new ZstdSplitter({ what });
  assert.equal([...splitter.split(Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x88, 1, 0, 0))].at(-1)?.endsFrame, true);
  assert.equal(MAX_WINDOW_BYTES, 2 ** 27);
});

Deno.test("zstdReader() and gunzipReader() stop bombs at the expected size", { permissions: "none" }, async () => {
  const zeros = new Uint8Array(32 * 1024 * 1024);
  const zstd = zstdFrame(zeros);
  const gzip = new Uint8Array(gzipSync(zeros));
  for (
    const reader of [
      zstdReader(bytesReader(zstd), { what, maxBytes: 100_000 }),
      gunzipReader(bytesReader(gzip), { what, maxBytes: 100_000 }),
    ]
  ) {
    await assert.rejects(unpacked(reader), refusal(/it unpacks to more than 100000 bytes$/));
  }
  assert.throws(
    () => unzstd(zstd, { what, sizeBytes: 100_000 }),
    refusal(/it unpacks to more than 100000 bytes$/, "digest-mismatch"),
  );
  assert.throws(
    () => unzstd(concat(Array(20_000).fill(EMPTY_FRAME)), { what, sizeBytes: 1 }),
    refusal(/more than 16384 zstd frames$/),
  );
});

Deno.test(
  "gunzipReader() reads several members, and refuses what is cut short or damaged",
  { permissions: "none" },
  async () => {
    const random = new Random(3);
    const raws = [random.bytes(300_000), random.bytes(10)];
    const members = raws.map((raw) => new Uint8Array(gzipSync(raw)));
    const stored = concat(members);
    assert.deepEqual(await unpacked(gunzipReader(choppedReader(stored, random, 900), { what })), concat(raws));
    for (const length of [0, 5, 1000, members[0]!.byteLength - 1, stored.byteLength - 1]) {
      await assert.rejects(unpacked(gunzipReader(bytesReader(stored.slice(0, length)), { what })), refusal(/^Cannot/));
    }
    const damaged = stored.slice();
    damaged[5000]! ^= 0x40;
    await assert.rejects(unpacked(gunzipReader(bytesReader(damaged), { what })), refusal(/^Cannot decompress layer/));
  },
);

Deno.test("rawTarReader() closes the reader underneath, also in the middle", { permissions: "none" }, async () => {
  const raw = new Random(3).bytes(3_000_000);
  const stored = { none: raw, gzip: new Uint8Array(gzipSync(raw)), zstd: zstdFrame(raw) };
  for (const compression of ["none", "gzip", "zstd"] as const) {
    let closed = 0;
    const inner = bytesReader(stored[compression]);
    const reader = rawTarReader(
      {
        read: (into) => inner.read(into),
        [Symbol.asyncDispose]: () => Promise.resolve(void closed++),
      },
      compression,
      { what },
    );
    const piece = await reader.read(new Uint8Array(100));
    assert.deepEqual(piece, raw.slice(0, piece.byteLength));
    assert.ok(piece.byteLength > 0);
    await reader[Symbol.asyncDispose]();
    assert.equal(closed, 1);
    if (compression === "none") continue;
    await assert.rejects(
      reader.read(new Uint8Array(9_000_000)),
      refusal(/^Stopped reading: the reader was closed$/, "aborted"),
    );
  }
});
