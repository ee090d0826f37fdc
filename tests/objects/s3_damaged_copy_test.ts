/** What one server copies between its buckets is what its digest says, as far as that server can tell; and nothing is swapped in. */
import assert from "node:assert/strict";
import { isImageError } from "../../src/errors.ts";
import { blobPath, type Digest, digestOf } from "../../src/oci/digest.ts";
import { Session } from "../../src/transports/session.ts";
import { makeBuckets, tempFolder, writeStore } from "../cli/places.ts";
import { singleImage, type TestImage } from "../support/images.ts";
import { serviceTest } from "../support/services.ts";
import { pattern } from "./object_store_contract.ts";
import { oddS3, type Quirk, refuse } from "./odd_s3_server.ts";
import { sha256Of } from "./odd_s3_answers.ts";
import { withEnvironment } from "./s3_kit.ts";
import { copyCommand } from "../support/by_text.ts";

const MIB = 1024 * 1024;
const PERMISSIONS: Deno.PermissionOptions = { net: ["127.0.0.1"], env: true, read: "inherit", sys: "inherit" };
const bytes = pattern(2500);
const digest = digestOf(bytes);
const blob = { isBlob: true, digest };
const mismatch = (error: unknown) => isImageError(error, "digest-mismatch") && error.message.includes("blobs/a");

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, permissions: PERMISSIONS, fn });
}

/** The same bytes with one of them turned over. */
function turned(source: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const other = source.slice();
  other[source.byteLength >> 1]! ^= 1;
  return other;
}

for (
  const [what, wrong] of [["shorter", bytes.slice(1)], ["longer", pattern(2501)], ["empty", new Uint8Array(0)]] as const
) {
  test(`a source object that is ${what} than its name says is not copied`, async () => {
    await using odd = await oddS3();
    const other = await odd.open({ bucket: "other" });
    odd.objects.set("other/blobs/a", { bytes: wrong, headers: {}, partSizes: [] });
    await assert.rejects(odd.store.copyFrom(other, "blobs/a", "blobs/a", bytes.byteLength, blob), mismatch);
    assert.ok(!odd.operations().includes("CopyObject"));
    assert.ok(!odd.objects.has("blobs/a"));
  });
}

test("a source object of other bytes is not copied where its SHA-256 is stored", async () => {
  await using odd = await oddS3();
  const other = await odd.open({ bucket: "other" });
  const wrong = turned(bytes);
  odd.objects.set("other/blobs/a", { bytes: wrong, headers: {}, partSizes: [], sha256: sha256Of(wrong) });
  await assert.rejects(odd.store.copyFrom(other, "blobs/a", "blobs/a", bytes.byteLength, blob), mismatch);
  assert.ok(!odd.operations().includes("CopyObject"));
});

/** Tells the hash of a copy only when the object is asked for, as MinIO does. */
const tellsLater: Quirk = ({ operation, proceed }) => {
  if (operation !== "CopyObject") return undefined;
  proceed();
  return new Response("<CopyObjectResult><ETag>x</ETag></CopyObjectResult>");
};

for (const [what, quirk] of [["in its answer", undefined], ["when it is asked for the object", tellsLater]] as const) {
  test(`other bytes that no checksum tells of are found by the server's hash of the copy, told ${what}, and removed`, async () => {
    await using odd = await oddS3(quirk);
    const other = await odd.open({ bucket: "other" });
    odd.objects.set("other/blobs/a", { bytes: turned(bytes), headers: {}, partSizes: [1000, 1000, 500] });
    await assert.rejects(odd.store.copyFrom(other, "blobs/a", "blobs/a", bytes.byteLength, blob), mismatch);
    assert.deepEqual([...odd.objects.keys()], ["other/blobs/a"]);
    odd.objects.set("other/blobs/a", { bytes, headers: {}, partSizes: [1000, 1000, 500] });
    assert.equal(await odd.store.copyFrom(other, "blobs/a", "blobs/a", bytes.byteLength, blob), true);
    assert.deepEqual(odd.objects.get("blobs/a")?.bytes, bytes);
  });
}

test("a SHA-256 that is made of parts is no reason to refuse", async () => {
  await using odd = await oddS3(({ operation, headers, proceed }) => {
    if (operation !== "HeadObject" || !headers.has("x-amz-checksum-mode")) return undefined;
    const told = new Headers(proceed().headers);
    if (told.get("x-amz-checksum-type") === null) {
      told.set("x-amz-checksum-sha256", `${sha256Of(pattern(3))}-3`);
      told.set("x-amz-checksum-type", "COMPOSITE");
    }
    return new Response(null, { headers: told });
  });
  const other = await odd.open({ bucket: "other" });
  odd.objects.set("other/blobs/a", { bytes, headers: {}, partSizes: [1000, 1000, 500] });
  assert.equal(await odd.store.copyFrom(other, "blobs/a", "blobs/a", bytes.byteLength, blob), true);
});

test("a server that cannot hash copies is asked once, copies all the same, and has its checksums for writes kept", async () => {
  await using odd = await oddS3(({ operation, headers }) =>
    operation === "CopyObject" && headers.has("x-amz-checksum-algorithm")
      ? refuse(501, "NotImplemented", "A header you provided implies functionality that is not implemented")
      : undefined
  );
  const other = await odd.open({ bucket: "other" });
  odd.objects.set("other/blobs/a", { bytes, headers: {}, partSizes: [1000, 1000, 500] });
  for (const key of ["blobs/a", "blobs/b"]) {
    assert.equal(await odd.store.copyFrom(other, "blobs/a", key, bytes.byteLength, blob), true);
  }
  assert.ok(odd.lines.some((line) => line.includes("its size alone was checked")));
  const asked = odd.requests.filter(({ operation, headers }) =>
    operation === "CopyObject" && headers.has("x-amz-checksum-algorithm")
  );
  // The first try is repeated without checksums at all before the wish is left out.
  assert.ok(asked.length <= 2);
  await odd.store.write("tag", pattern(3));
  assert.ok(odd.requests.at(-1)?.headers.has("x-amz-checksum-sha256"));
});

for (const limit of [undefined, 1000]) {
  test(`an object that is swapped in after the look is not copied ${limit ? "in parts" : "in one"}: its bytes are carried then, which checks them`, async () => {
    let swaps = true;
    await using odd = await oddS3(({ operation }) => {
      const isCopy = operation === "CopyObject" || operation === "UploadPartCopy";
      if (swaps && isCopy) odd.objects.set("other/blobs/a", { bytes: turned(bytes), headers: {}, partSizes: [] });
      return undefined;
    }, limit ? { copyLimitBytes: limit, copyPartBytes: limit } : {});
    const other = await odd.open({ bucket: "other" });
    odd.objects.set("other/blobs/a", { bytes, headers: {}, partSizes: [] });
    assert.equal(await odd.store.copyFrom(other, "blobs/a", "blobs/a", bytes.byteLength, blob), false);
    assert.deepEqual([...odd.objects.keys()], ["other/blobs/a"]);
    assert.equal(odd.uploads.size, 0);
    // As it is when the caller names the object that it looked at, and another one is there.
    swaps = false;
    const looked = { sourceEtag: '"another"' };
    assert.equal(await odd.store.copyFrom(other, "blobs/a", "blobs/a", bytes.byteLength, looked), false);
    assert.ok(!odd.objects.has("blobs/a"));
  });
}

/** An image's largest blob: a layer. */
function largestOf(image: TestImage): readonly [Digest, Uint8Array<ArrayBuffer>] {
  const [found] = [...image.blobs].sort(([, left], [, right]) => right.byteLength - left.byteLength);
  return found as [Digest, Uint8Array<ArrayBuffer>];
}

/** A server that knows nothing of checksums, so that sizes are all that can be compared. */
const knowsNoChecksums: Quirk = ({ headers, proceed, operation }) => {
  headers.delete("x-amz-checksum-algorithm");
  headers.delete("x-amz-checksum-mode");
  if (operation !== "CopyObject") return undefined;
  proceed();
  return new Response("<CopyObjectResult><ETag>x</ETag></CopyObjectResult>");
};

const small = singleImage({ os: "linux", architecture: "amd64" }, { seed: 81, layersPerPlatform: 2, layerBytes: 5000 });
const large = singleImage({ os: "linux", architecture: "arm64" }, {
  seed: 82,
  layersPerPlatform: 1,
  layerBytes: 20 * MIB,
  compression: "none",
});

Deno.test("copy --verify reads before it links: it finds what a server without checksums cannot tell", async () => {
  await using odd = await oddS3(knowsNoChecksums);
  await using folder = await tempFolder();
  await writeStore(folder.path, "app", "v1", small);
  await using session = new Session({ endpoint: odd.server.origin, region: "us-east-1", retryDelayMs: 1 });
  await copyCommand(session, `local://${folder.path}//app:v1`, "s3://other/app:v1");
  const whole = await copyCommand(session, "s3://other/app:v1", "s3://third/app:v1", { verify: true });
  assert.deepEqual([whole.images[0]?.blobs_copied, whole.images[0]?.blobs_linked], [0, small.blobs.size]);
  const layer = blobPath(largestOf(small)[0]);
  const stored = odd.objects.get(`other/${layer}`)!;
  odd.objects.set(`other/${layer}`, { ...stored, bytes: turned(stored.bytes), sha256: undefined });
  const damaged = (error: unknown) => isImageError(error, "digest-mismatch");
  await assert.rejects(copyCommand(session, "s3://other/app:v1", "s3://fourth/app:v1", { verify: true }), damaged);
  assert.ok(!odd.objects.has(`fourth/${layer}`));
  assert.ok(!odd.objects.has("fourth/manifests/app/v1/manifest.json"));
  // Shorter is found without it.
  odd.objects.set(`other/${layer}`, { ...stored, bytes: stored.bytes.slice(1) });
  await assert.rejects(copyCommand(session, "s3://other/app:v1", "s3://fifth/app:v1"), damaged);
  assert.ok(!odd.objects.has("fifth/manifests/app/v1/manifest.json"));
});

for (const server of ["minio", "versity"] as const) {
  serviceTest(`a damaged layer is not copied between buckets, in one part or many, whoever damaged it (${server})`, [
    server,
  ], async (addresses) => {
    await using folder = await tempFolder();
    using buckets = await makeBuckets(addresses[server]);
    using _env = withEnvironment(buckets.env);
    await using session = new Session({ endpoint: buckets.endpoint, region: "us-east-1" });
    for (const [name, image] of [["small", small], ["large", large]] as const) {
      await writeStore(folder.path, name, "v1", image);
      await copyCommand(session, `local://${folder.path}//${name}:v1`, `s3://${buckets.first}/${name}:v1`);
      const [layer, content] = largestOf(image);
      for (
        const wrong of [turned(content), content.slice(0, 100), new Uint8Array(content.byteLength + 1)]
      ) {
        await buckets.put(buckets.first, blobPath(layer), wrong);
        await assert.rejects(
          copyCommand(session, `s3://${buckets.first}/${name}:v1`, `s3://${buckets.second}/${name}:v1`),
          (error) => isImageError(error, "digest-mismatch") && error.message.includes(layer.slice(7)),
        );
        const keys = await buckets.keys(buckets.second);
        assert.ok(
          !keys.includes(blobPath(layer)) && !keys.some((key) => key.includes(`manifests/${name}`)),
          keys.join("\n"),
        );
      }
      await buckets.put(buckets.first, blobPath(layer), content);
      const { images } = await copyCommand(
        session,
        `s3://${buckets.first}/${name}:v1`,
        `s3://${buckets.second}/${name}:v1`,
      );
      assert.ok(images[0]!.blobs_linked > 0);
      assert.equal(digestOf(await buckets.get(buckets.second, blobPath(layer))), layer);
    }
  });
}
