/**
 * `blobs_copied`, `blobs_linked` and `blobs_skipped` mean the same in every command. A script that adds up what it moved, or
 * that asks whether anything was new, must not have to know which command it reads: once `copy` counted as copied what the
 * store had linked, `pull` called it moved, and `push` uploaded.
 */
import assert from "node:assert/strict";
import * as library from "../../src/api.ts";
import { blobSummary, sumOfCounts } from "../../src/cli/blob_summary.ts";
import { type BlobCounts, blobCounts } from "../../src/commands/blob_counts.ts";
import { digestOf } from "../../src/oci/digest.ts";
import { multiImage, singleImage, type TestImage } from "../support/images.ts";
import { tempFolder, writeStore } from "./places.ts";
import { compressionArguments, s3loJson, s3loOk } from "./program.ts";

const NAMES = ["blobs_copied", "bytes_copied", "blobs_linked", "bytes_linked", "blobs_skipped", "bytes_skipped"];

const blob = (name: string, size: number) => {
  const digest = digestOf(new TextEncoder().encode(name));
  return { mediaType: "application/octet-stream", digest, size };
};

Deno.test("no blob is counted twice, whatever became of it with another image", { permissions: "none" }, () => {
  const [a, b, c, d] = [blob("a", 1), blob("b", 20), blob("c", 300), blob("d", 4000)];
  const counts = blobCounts(
    { movedBlobs: [a], linkedBlobs: [b], presentBlobs: [c] },
    { movedBlobs: [d], linkedBlobs: [], presentBlobs: [a, b, c] },
  );
  assert.deepEqual(counts, {
    blobs_copied: 2,
    bytes_copied: 4001,
    blobs_linked: 1,
    bytes_linked: 20,
    blobs_skipped: 1,
    bytes_skipped: 300,
  });
  assert.deepEqual(Object.keys(blobCounts()).sort(), [...NAMES].sort());
  assert.equal(
    blobSummary(counts),
    "2 blobs copied (4.0 kB), 1 linked by the target itself (20 B), 1 skipped as already there (300 B)",
  );
  assert.equal(
    blobSummary(sumOfCounts([blobCounts(), { ...blobCounts(), blobs_copied: 1, bytes_copied: 7 }]), "would be copied"),
    "1 blob would be copied (7 B), 0 skipped as already there (0 B)",
  );
});

/** The configs and layers of a made image: what its manifests name. */
function blobsOf(image: TestImage): Map<string, number> {
  const named = new Map<string, number>();
  const read = (bytes: Uint8Array) => {
    const manifest = JSON.parse(new TextDecoder().decode(bytes));
    for (const each of [manifest.config, ...manifest.layers ?? []]) if (each) named.set(each.digest, each.size);
    for (const child of manifest.manifests ?? []) read(image.blobs.get(child.digest)!);
  };
  read(image.root.bytes);
  return named;
}

/** What a report counts, and that it has these names and none of the old ones. */
function countsOf(report: Record<string, unknown>, what: string): BlobCounts {
  for (const name of NAMES) assert.equal(typeof report[name], "number", `${what}: ${name}`);
  for (const name of ["ref", "bytes_moved", "blobs_moved", "bytes_uploaded"]) assert.ok(!(name in report), what);
  return Object.fromEntries(NAMES.map((name) => [name, report[name]])) as unknown as BlobCounts;
}

const image = multiImage({ seed: 91, layerBytes: 20_000, platforms: ["linux/amd64", "linux/arm64"] });
const blobs = blobsOf(image);
const all = { count: blobs.size, bytes: [...blobs.values()].reduce((sum, size) => sum + size, 0) };
const none = { blobs_copied: 0, bytes_copied: 0, blobs_linked: 0, bytes_linked: 0, blobs_skipped: 0, bytes_skipped: 0 };
const copied = { ...none, blobs_copied: all.count, bytes_copied: all.bytes };
const linked = { ...none, blobs_linked: all.count, bytes_linked: all.bytes };
const skipped = { ...none, blobs_skipped: all.count, bytes_skipped: all.bytes };

Deno.test("copy, pull, push, index and bundle count alike: copied, linked by the store, skipped as there", async () => {
  await using folder = await tempFolder();
  const { path } = folder;
  await writeStore(`${path}/store`, "app", "v1", image);
  const store = `local://${path}/store//app:v1`;
  const run = async (...args: string[]) => {
    const report = await s3loJson(args);
    return countsOf(report, args.join(" "));
  };
  const loaded = async (...args: string[]) => {
    const { images } = await s3loJson(args);
    assert.equal(images.length, 1);
    return countsOf(images[0], args.join(" "));
  };

  // Out of a store into a file every byte goes through here.
  const file = `${path}/app.tar`;
  assert.deepEqual(await run("pull", "--all-platforms", "-f", file, store), copied);
  assert.deepEqual(await run("copy", store, `oci:${path}/layout:v1`), copied);
  // From one store in a folder to another it is linked, the second time it is there.
  assert.deepEqual(await run("copy", store, `local://${path}/to//app:v1`), linked);
  assert.deepEqual(await run("copy", store, `local://${path}/to//app:v2`), skipped);
  assert.deepEqual(await run("copy", "--dry-run", store, `local://${path}/new//app:v1`), copied);

  const push = ["push", ...compressionArguments(), "-f", file];
  assert.deepEqual(await run(...push, `local://${path}/pushed//app:v1`), copied);
  assert.deepEqual(await run(...push, `local://${path}/pushed//app:v2`), skipped);

  assert.deepEqual(await run("index", "create", `local://${path}/joined//app:v1`, store), linked);
  assert.deepEqual(await run("index", "create", `local://${path}/joined//app:v2`, store), skipped);
  assert.deepEqual(await run("index", "add", `local://${path}/added//app:v1`, `oci:${path}/layout:v1`), copied);
  assert.deepEqual(await run("index", "remove", `local://${path}/added//app:v1`, "linux/arm64"), none);

  const bundle = `${path}/disk.tar`;
  assert.deepEqual(await loaded("bundle", "save", "-f", bundle, store), copied);
  assert.deepEqual(await loaded("bundle", "load", bundle, `local://${path}/loaded`), copied);
  assert.deepEqual(await loaded("bundle", "load", bundle, `local://${path}/loaded`), skipped);

  const text = await s3loOk(["copy", store, `local://${path}/text//app:v1`]);
  assert.match(
    text,
    new RegExp(`\\b0 blobs copied \\(0 B\\), ${all.count} linked by the target itself \\([\\d.]+ kB\\), `),
  );
});

Deno.test("index create counts what two sources share once", async () => {
  await using folder = await tempFolder();
  const { path } = folder;
  const [one, other] = ["amd64", "arm64"].map((architecture) =>
    singleImage({ os: "linux", architecture }, { seed: 5 })
  );
  await writeStore(`${path}/store`, "app", "one", one!);
  await writeStore(`${path}/store`, "app", "other", other!);
  const both = new Map([...blobsOf(one!), ...blobsOf(other!)]);
  const report = await s3loJson([
    ...["index", "create", `local://${path}/to//app:v1`],
    ...["one", "other"].map((tag) => `local://${path}/store//app:${tag}`),
  ]);
  const { blobs_copied, blobs_linked, blobs_skipped } = countsOf(report, "index create");
  assert.deepEqual([blobs_copied, blobs_linked, blobs_skipped], [0, both.size, 0]);
});

Deno.test("the library has the same counts in camelCase", async () => {
  await using folder = await tempFolder();
  await writeStore(`${folder.path}/store`, "app", "v1", image);
  const target = `local://${folder.path}/to//app:v1`;
  const first = await library.copy(`local://${folder.path}/store//app:v1`, target);
  const again = await library.copy(`local://${folder.path}/store//app:v1`, target);
  const toFile = await library.copy(target, `oci-archive:${folder.path}/out.tar:v1`);
  const camelCase = (counts: BlobCounts) =>
    Object.entries(counts).map(([name, value]) => [name.replace(/_(\w)/, (_, letter) => letter.toUpperCase()), value]);
  for (const [result, counts] of [[first, linked], [again, skipped], [toFile, copied]] as const) {
    for (const [name, value] of camelCase(counts)) {
      assert.equal((result as unknown as Record<string, unknown>)[name], value, name as string);
    }
  }
});
