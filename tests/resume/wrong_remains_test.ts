/** What an earlier run left can be wrong: a power cut, another writer. It is found out, and written anew. */
import assert from "node:assert/strict";
import { GuardedFolder } from "../../src/bytes/guarded_folder.ts";
import { PartialFile } from "../../src/bytes/partial_file.ts";
import { bytesReader } from "../../src/bytes/blob_reader.ts";
import { ImageError, isImageError } from "../../src/errors.ts";
import { blobPath, digestOf } from "../../src/oci/digest.ts";
import { Session } from "../../src/transports/session.ts";
import { listFiles, makeBuckets, tempFolder, writeStore } from "../cli/places.ts";
import { pattern } from "../objects/object_store_contract.ts";
import { withEnvironment } from "../objects/s3_kit.ts";
import { imageViolations } from "../soak/world.ts";
import { singleImage } from "../support/images.ts";
import { serviceTest } from "../support/services.ts";
import { copyCommand } from "../support/by_text.ts";

const MIB = 1024 * 1024;
const image = singleImage({ os: "linux", architecture: "amd64" }, {
  seed: 8,
  layersPerPlatform: 1,
  layerBytes: 20 * MIB,
  compression: "none",
});
const [layer, bytes] = [...image.blobs].find(([, each]) => each.byteLength > 20 * MIB)!;

for (const service of ["minio", "versity"] as const) {
  serviceTest(`a stored part that holds other bytes is sent again (${service})`, [service], async (addresses) => {
    await using folder = await tempFolder();
    using buckets = await makeBuckets(addresses[service]);
    using _env = withEnvironment(buckets.env);
    await writeStore(folder.path, "app", "v1", image);
    const { S3Client, CreateMultipartUploadCommand, UploadPartCommand } = await import("@aws-sdk/client-s3");
    const client = new S3Client({ endpoint: buckets.endpoint, region: "us-east-1", forcePathStyle: true });
    const to = { Bucket: buckets.first, Key: blobPath(layer) };
    const { UploadId } = await client.send(new CreateMultipartUploadCommand({ ...to, ChecksumAlgorithm: "CRC32" }));
    // The second part is what it should be, the first is not.
    for (const [PartNumber, Body] of [[1, pattern(8 * MIB)], [2, bytes.subarray(8 * MIB, 16 * MIB)]] as const) {
      await client.send(new UploadPartCommand({ ...to, UploadId, PartNumber, Body, ChecksumAlgorithm: "CRC32" }));
    }
    client.destroy();
    const lines: string[] = [];
    await using session = new Session({
      endpoint: buckets.endpoint,
      region: "us-east-1",
      log: (line) => lines.push(line),
    });
    await copyCommand(session, `local://${folder.path}//app:v1`, `s3://${buckets.first}/app:v1`);
    assert.deepEqual(await imageViolations(session, `s3://${buckets.first}/app:v1`), []);
    const sent = lines.flatMap((line) => /^PUT .*partNumber=(\d+)/.exec(line)?.[1] ?? []).sort();
    assert.ok(lines.some((line) => line.startsWith("Going on with an upload")), lines.join("\n"));
    assert.deepEqual(sent, ["1", "3"]);
  });
}

for (
  const [what, remains] of [
    ["other bytes", pattern(12 * MIB)],
    ["zeros in the middle", bytes.slice(0, 12 * MIB).fill(0, 4 * MIB, 8 * MIB)],
    ["more bytes than the blob", new Uint8Array(30 * MIB)],
    ["all of the blob", bytes],
  ] as const
) {
  Deno.test(`a copy to a folder and a layout in which an earlier run left ${what} ends with the right bytes`, async () => {
    await using folder = await tempFolder();
    await writeStore(`${folder.path}/a`, "app", "v1", image);
    await Deno.mkdir(`${folder.path}/b/.s3lo/partial`, { recursive: true });
    await Deno.mkdir(`${folder.path}/o`);
    await Deno.writeFile(`${folder.path}/b/.s3lo/partial/${layer.slice(7)}`, remains);
    await Deno.writeFile(`${folder.path}/o/.s3lo-partial-${layer.slice(7)}`, remains);
    await Deno.copyFile(`${folder.path}/a/${blobPath(layer)}`, `${folder.path}/same`);
    await using session = new Session();
    // Through an archive: folders take blobs over from each other whole.
    await copyCommand(session, `local://${folder.path}/a//app:v1`, `oci-archive:${folder.path}/a.tar:app:v1`);
    for (const target of [`local://${folder.path}/b//app:v1`, `oci:${folder.path}/o`]) {
      await copyCommand(session, `oci-archive:${folder.path}/a.tar`, target);
      assert.deepEqual(await imageViolations(session, target), []);
    }
    assert.deepEqual((await listFiles(folder.path)).filter((path) => path.includes("partial")), []);
  });
}

Deno.test("PartialFile keeps what was written for the next try, and is written by one at a time", async () => {
  await using folder = await tempFolder();
  const within = new GuardedFolder(folder.path);
  const whole = pattern(3 * MIB);
  const content = (breakAt: number) => ({
    sizeBytes: whole.byteLength,
    open: () => Promise.resolve(bytesReader(whole.subarray(0, breakAt))),
    openRest: async (held: { sizeBytes: number; open(): Promise<AsyncDisposable> }) => {
      await using _held = await held.open();
      return bytesReader(whole.subarray(held.sizeBytes));
    },
  });
  {
    await using first = (await PartialFile.open(within, "part"))!;
    assert.equal(await PartialFile.open(within, "part"), undefined);
    await assert.rejects(
      first.complete(content(2 * MIB), async (reader) => {
        await first.write(await reader.read(new Uint8Array(2 * MIB)));
        throw new ImageError("unavailable", "The network is gone");
      }),
      (error) => isImageError(error, "unavailable"),
    );
  }
  {
    await using second = (await PartialFile.open(within, "part"))!;
    assert.equal(second.sizeBytes, 2 * MIB);
    let poured = 0;
    await second.complete(content(0), async (reader, sizeBytes) => {
      const rest = await reader.read(new Uint8Array(sizeBytes));
      poured += rest.byteLength;
      await second.write(rest);
    });
    assert.equal(poured, MIB);
    second.moveTo("whole");
  }
  assert.equal(digestOf(await Deno.readFile(`${folder.path}/whole`)), digestOf(whole));
  // A failure that trying again won't mend keeps nothing.
  {
    await using third = (await PartialFile.open(within, "part"))!;
    await assert.rejects(third.complete(content(3 * MIB), async (reader) => {
      await third.write(await reader.read(new Uint8Array(2 * MIB)));
      throw new ImageError("unsupported", "The disk is full");
    }));
  }
  assert.deepEqual(await listFiles(folder.path), ["whole"]);
});
