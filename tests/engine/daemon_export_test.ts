import assert from "node:assert/strict";
import { bytesMember, tarReader } from "../../src/archive/tar_writer.ts";
import { tarHeaderBlocks } from "../../src/archive/tar_header.ts";
import { type BlobReader, bytesReader, readAll } from "../../src/bytes/blob_reader.ts";
import { isImageError } from "../../src/errors.ts";
import { digestOf, hexOf } from "../../src/oci/digest.ts";
import { indexTar } from "../../src/archive/tar_index.ts";
import { spoolExport } from "../../src/transports/docker_daemon_export.ts";
import { Random } from "../support/images.ts";

const random = new Random(11);
const blobs = [200_000, 70_000, 512, 0].map((size) => random.bytes(size));
const names = blobs.map((blob, index) => index === 1 ? `${hexOf(digestOf(blob))}.tar` : pathOf(blob));

function pathOf(blob: Uint8Array): string {
  return `blobs/sha256/${hexOf(digestOf(blob))}`;
}

async function tarBytes(): Promise<Uint8Array<ArrayBuffer>> {
  const long = `${"folder/".repeat(30)}file`;
  const members = [...blobs.map((blob, index) => bytesMember(names[index]!, blob)), bytesMember(long, blobs[2]!)];
  await using reader = tarReader(members);
  return await readAll(reader, 10_000_000, "tar");
}

/** Hands bytes out in uneven pieces, as a connection does. */
function pieces(bytes: Uint8Array): BlobReader {
  const whole = bytesReader(bytes);
  let size = 1;
  return {
    read: (into) => whole.read(into.subarray(0, Math.min(into.byteLength, size = size * 7 % 5003 + 1))),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

Deno.test("spoolExport() stores a tar as it is", async () => {
  const bytes = await tarBytes();
  await using spooled = await spoolExport(pieces(bytes), { name: "the export" });
  assert.equal(spooled.file.sizeBytes, bytes.byteLength);
  await using reader = spooled.file.reader(0, bytes.byteLength);
  assert.equal(digestOf(await readAll(reader, bytes.byteLength, "copy")), digestOf(bytes));
  assert.equal(spooled.leftOut.size, 0);
});

Deno.test("spoolExport() leaves holes for what is not needed", async () => {
  const bytes = await tarBytes();
  const unneeded = new Set([digestOf(blobs[0]!), digestOf(blobs[1]!), digestOf(blobs[2]!)]);
  await using spooled = await spoolExport(pieces(bytes), {
    name: "the export",
    isUnneeded: (digest) => Promise.resolve(unneeded.has(digest)),
  });
  assert.deepEqual([...spooled.leftOut].sort(), [digestOf(blobs[0]!), digestOf(blobs[1]!)].sort(), "small ones stay");
  assert.equal(spooled.file.sizeBytes, bytes.byteLength);
  const entries = await indexTar(spooled.file);
  for (const [index, blob] of blobs.entries()) {
    const entry = entries.get(names[index]!);
    assert.ok(entry?.kind === "file" && entry.sizeBytes === blob.byteLength);
    await using reader = spooled.file.reader(entry.offset, entry.sizeBytes);
    const stored = await readAll(reader, blob.byteLength, "blob");
    assert.equal(digestOf(stored), digestOf(index < 2 ? new Uint8Array(blob.byteLength) : blob));
  }
});

Deno.test("spoolExport() refuses a stream that is cut off or no tar", async () => {
  const bytes = await tarBytes();
  const broken = [bytes.subarray(0, 100), bytes.subarray(0, 5000), random.bytes(4096), tarHeaderBlocks("x", 10)];
  for (const stream of broken) {
    await assert.rejects(
      spoolExport(pieces(stream), { name: "the export" }),
      (error) => isImageError(error, "invalid-input") && /^Cannot read the export: /.test(error.message),
    );
  }
});

Deno.test("spoolExport() passes on what the stream throws, and leaves no file", async () => {
  const folder = await Deno.makeTempDir();
  const lost = new Error("connection lost");
  const stream: BlobReader = { read: () => Promise.reject(lost), [Symbol.asyncDispose]: () => Promise.resolve() };
  await assert.rejects(spoolExport(stream, { name: "x", temporaryFolder: folder }), (error) => error === lost);
  assert.deepEqual(await Array.fromAsync(Deno.readDir(folder)), []);
  await Deno.remove(folder);
});

Deno.test("spoolExport() says what to do where no temporary file can be made", async () => {
  const folder = await Deno.makeTempDir();
  await Deno.remove(folder);
  await assert.rejects(
    spoolExport(pieces(await tarBytes()), { name: "the export", temporaryFolder: folder }),
    (error) => isImageError(error, "denied") && /TMPDIR/.test(error.hint ?? ""),
  );
});
