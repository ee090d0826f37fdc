import assert from "node:assert/strict";
import { ChunkWorkers } from "../../src/bucket/chunk_workers.ts";
import type { RecipeChunk } from "../../src/bucket/recipe.ts";
import { isImageError } from "../../src/errors.ts";
import { digestOf } from "../../src/oci/digest.ts";
import { zstdFrame } from "../support/chunked_layers.ts";
import { Random } from "../support/images.ts";

const what = `layer "test"`;
const SOURCES = new URL("../../src", import.meta.url);

const PLACES: readonly (readonly [string, Deno.PermissionOptions])[] = [
  ["other threads", { read: [SOURCES] }],
  ["this one, where it may start none", "none"],
];

function chunkOf(raw: Uint8Array): { stored: Uint8Array<ArrayBuffer>; chunk: RecipeChunk } {
  const stored = zstdFrame(raw);
  return { stored, chunk: { digest: digestOf(raw), rawSizeBytes: raw.byteLength, storedSizeBytes: stored.byteLength } };
}

for (const [where, permissions] of PLACES) {
  Deno.test(`ChunkWorkers unpacks on ${where}, many chunks at once`, { permissions }, async () => {
    await using workers = new ChunkWorkers(2);
    const raws = Array.from({ length: 12 }, (_, index) => new Random(index + 1).bytes(100_000 + index));
    const unpacked = await Promise.all(raws.map((raw) => {
      const { stored, chunk } = chunkOf(raw);
      return workers.decode(stored, chunk, what);
    }));
    assert.deepEqual(unpacked, raws);
  });

  Deno.test(`ChunkWorkers refuses wrong chunks on ${where}, and goes on with the next`, { permissions }, async () => {
    await using workers = new ChunkWorkers(1);
    const { stored, chunk } = chunkOf(new Random(1).bytes(5000));
    const { stored: other } = chunkOf(new Random(2).bytes(5000));
    const { stored: bomb } = chunkOf(new Uint8Array(50_000_000));
    const cases = [
      [new Uint8Array(50), "invalid-input", /^Cannot decompress chunk ".*" of layer "test": it is not zstd data$/],
      [other, "digest-mismatch", /^Cannot use chunk ".*" of layer "test": it unpacks to digest "sha256:/],
      [bomb, "digest-mismatch", /^Cannot use chunk ".*" of layer "test": it unpacks to more than 5000 bytes$/],
    ] as const;
    for (const [bytes, code, message] of cases) {
      await assert.rejects(workers.decode(bytes.slice(), chunk, what), (error) => {
        assert.ok(isImageError(error, code), String(error));
        assert.match(error.message, message);
        return true;
      });
    }
    assert.equal(digestOf(await workers.decode(stored, chunk, what)), chunk.digest);
  });
}

Deno.test("ChunkWorkers ends what is on its way when it is closed", { permissions: { read: [SOURCES] } }, async () => {
  const workers = new ChunkWorkers(1);
  const { stored, chunk } = chunkOf(new Random(1).bytes(5000));
  await workers.decode(stored.slice(), chunk, what);
  const isAborted = (error: unknown) => isImageError(error, "aborted");
  const running = assert.rejects(workers.decode(stored.slice(), chunk, what), isAborted);
  const waiting = assert.rejects(workers.decode(stored.slice(), chunk, what), isAborted);
  await workers[Symbol.asyncDispose]();
  await Promise.all([running, waiting]);
});
