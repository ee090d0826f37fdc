import assert from "node:assert/strict";
import { openArchiveFile } from "../../src/archive/archive_file.ts";
import { findParts } from "../../src/archive/archive_parts.ts";
import { JoinedFile } from "../../src/archive/joined_file.ts";
import { RandomFile } from "../../src/archive/random_file.ts";
import { openSplitOutput } from "../../src/archive/split_output.ts";
import { readPartList } from "../../src/archive/part_list.ts";
import { bytesReader, readAll } from "../../src/bytes/blob_reader.ts";
import { isImageError } from "../../src/errors.ts";
import { digestOf } from "../../src/oci/digest.ts";
import { Random } from "../support/images.ts";
import { tempFolder } from "../cli/places.ts";

async function readParts(paths: readonly string[]): Promise<Uint8Array> {
  return new Uint8Array(await new Blob(await Promise.all(paths.map((path) => Deno.readFile(path)))).arrayBuffer());
}

Deno.test("openSplitOutput() cuts at the size, whatever is written and taken back, and lists checksums", async () => {
  await using folder = await tempFolder();
  const path = `${folder.path}/x.tar`;
  const random = new Random(7);
  const partBytes = 1000;
  for (let round = 0; round < 20; round++) {
    await using output = await openSplitOutput(path, partBytes);
    let expected = new Uint8Array(0);
    for (let step = 0; step < 8; step++) {
      // Often right at the end of a part.
      const count = random.next(3) === 0 ? partBytes - expected.byteLength % partBytes : random.next(2500);
      const piece = random.bytes(count);
      const isTakenBack = random.next(3) === 0;
      const rollback = isTakenBack ? output.mark() : undefined;
      await output.writeAll(bytesReader(piece));
      if (rollback) await rollback();
      else expected = new Uint8Array([...expected, ...piece]);
    }
    assert.deepEqual(
      (await Array.fromAsync(Deno.readDir(folder.path))).filter((file) => /^x\.tar\.\d/.test(file.name)),
      [],
    );
    await output.commit();
    assert.deepEqual(await readParts(output.paths), expected);
    assert.equal(output.paths.length, Math.ceil(expected.byteLength / partBytes));
    const digests = await Promise.all(output.paths.map(async (part) => digestOf(await Deno.readFile(part))));
    assert.deepEqual(await readPartList(`${path}.sha256`), digests);
    for (const part of [...output.paths, `${path}.sha256`]) await Deno.remove(part);
    assert.deepEqual(await Array.fromAsync(Deno.readDir(folder.path)), [], "nothing else is left");
  }
});

Deno.test("openSplitOutput() leaves nothing when it is not committed", async () => {
  await using folder = await tempFolder();
  {
    await using output = await openSplitOutput(`${folder.path}/x.tar`, 10);
    await output.writeAll(bytesReader(new Uint8Array(95)));
  }
  assert.deepEqual(await Array.fromAsync(Deno.readDir(folder.path)), []);
});

Deno.test("JoinedFile reads across parts, with more parts than it holds open", async () => {
  await using folder = await tempFolder();
  const bytes = new Random(3).bytes(2345);
  await using output = await openSplitOutput(`${folder.path}/x.tar`, 100);
  await output.writeAll(bytesReader(bytes));
  await output.commit();
  const joined = await JoinedFile.open(output.paths);
  await using file = new RandomFile(joined, { name: "x", sizeBytes: joined.sizeBytes });
  const random = new Random(5);
  await Promise.all(Array.from({ length: 50 }, async () => {
    const start = random.next(bytes.byteLength);
    const length = random.next(bytes.byteLength - start + 1);
    const read = await readAll(file.reader(start, length), length, "x");
    assert.deepEqual(read, bytes.subarray(start, start + length));
  }));
});

Deno.test("findParts() takes the whole's name, a part's or the list's, and refuses what does not belong together", async () => {
  await using folder = await tempFolder();
  const path = `${folder.path}/x.tar`;
  await using output = await openSplitOutput(path, 100);
  await output.writeAll(bytesReader(new Uint8Array(250)));
  await output.commit();
  for (const name of [path, `${path}.002`, `${path}.sha256`]) {
    assert.deepEqual((await findParts([name]))?.paths, output.paths);
  }
  assert.deepEqual((await findParts([`${path}.003`, `${path}.001`]))?.paths, output.paths);
  await Deno.copyFile(`${path}.001`, `${path}.004`);
  const wrong = [[path, `${path}.001`], [`${path}.001`, `${path}.001`], [`${path}.004`]];
  for (const paths of wrong) await assert.rejects(findParts(paths), (error) => isImageError(error, "usage"));
  await Deno.writeTextFile(`${folder.path}/app-1.2.345`, "");
  assert.equal(await findParts([`${folder.path}/app-1.2.345`]), undefined, "only called like a part");
  await Deno.rename(`${path}.sha256`, `${path}.list`);
  await assert.rejects(findParts([`${path}.001`]), (error) => isImageError(error, "not-found"));
  await Deno.writeTextFile(`${path}.sha256`, "what is this\n");
  await assert.rejects(openArchiveFile([path]), (error) => isImageError(error, "invalid-input"));
  await Deno.writeTextFile(path, "");
  assert.equal(await findParts([path]), undefined, "a whole file wins");
  await assert.rejects(openArchiveFile([`${folder.path}/no.tar`]), (error) => isImageError(error, "not-found"));
});
