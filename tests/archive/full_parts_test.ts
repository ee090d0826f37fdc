import assert from "node:assert/strict";
import { MAX_PARTS } from "../../src/archive/part_list.ts";
import { openSplitOutput } from "../../src/archive/split_output.ts";
import { bytesReader } from "../../src/bytes/blob_reader.ts";
import { isImageError } from "../../src/errors.ts";
import { listFiles, tempFolder } from "../cli/places.ts";

/** Writes so many bytes in parts of one byte, in the given pieces. */
async function write(path: string, pieces: readonly number[], partBytes: number): Promise<readonly string[]> {
  await using output = await openSplitOutput(path, partBytes);
  for (const count of pieces) await output.writeAll(bytesReader(new Uint8Array(count).fill(count)));
  await output.commit();
  return output.paths;
}

Deno.test("an archive may end with the last part that there may be, when that is full", async () => {
  await using folder = await tempFolder();
  const path = `${folder.path}/x`;
  assert.equal((await write(path, [MAX_PARTS], 1)).length, MAX_PARTS);
  assert.equal((await listFiles(folder.path)).length, MAX_PARTS + 1);
  const tooLarge = write(`${folder.path}/y`, [MAX_PARTS, 1], 1);
  await assert.rejects(tooLarge, (error) => isImageError(error, "unsupported") && error.message.includes("999 parts"));
  assert.deepEqual((await listFiles(folder.path)).filter((name) => /^\.?y/.test(name)), []);
});

Deno.test("parts hold the bytes in order, however they come and wherever they are cut", async () => {
  await using folder = await tempFolder();
  for (
    const [pieces, sizes] of [[[10, 10], [8, 8, 4]], [[3, 5, 8], [8, 8]], [[16], [8, 8]], [[0, 1], [1]], [[7], [
      7,
    ]]] as const
  ) {
    const paths = await write(`${folder.path}/x`, pieces, 8);
    const parts = await Promise.all(paths.map((each) => Deno.readFile(each)));
    assert.deepEqual(parts.map(({ byteLength }) => byteLength), sizes);
    assert.deepEqual(parts.flatMap((part) => [...part]), pieces.flatMap((count) => new Array(count).fill(count)));
  }
});

Deno.test("what is taken back takes the parts back that were begun for it", async () => {
  await using folder = await tempFolder();
  await using output = await openSplitOutput(`${folder.path}/x`, 8);
  await output.writeAll(bytesReader(new Uint8Array(8).fill(1)));
  const rollback = output.mark();
  await output.writeAll(bytesReader(new Uint8Array(20).fill(2)));
  await rollback();
  await output.writeAll(bytesReader(new Uint8Array(3).fill(3)));
  await output.commit();
  const parts = await Promise.all(output.paths.map((each) => Deno.readFile(each)));
  assert.deepEqual(parts.map((part) => [...part]), [new Array(8).fill(1), [3, 3, 3]]);
});
