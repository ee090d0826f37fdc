/** Bundles in parts, damaged, stopped and gone on with. */
import assert from "node:assert/strict";
import { hexOf } from "../../src/oci/digest.ts";
import { multiImage } from "../support/images.ts";
import { app, db, exists, flipByte, newer, prepared } from "./bundle_kit.ts";
import { checkBlobs, listFiles, readStoredTag, tempFolder, writeStore } from "./places.ts";
import { s3lo, s3loJson, s3loOk } from "./program.ts";

Deno.test("a bundle in parts is whole when joined, loads from any folder in any order, and names what is damaged or missing", async () => {
  await using folder = await prepared();
  const file = `${folder.path}/disk.tar`;
  const whole = `${folder.path}/whole.tar`;
  await s3loOk(["bundle", "save", "-f", whole, ...folder.refs]);
  const report = await s3loJson(["bundle", "save", "-f", file, "--split", "100kB", ...folder.refs]);
  const parts: string[] = report.parts;
  assert.ok(parts.length > 5);
  const bytes = await Promise.all(parts.map((path) => Deno.readFile(path)));
  assert.ok(bytes.slice(0, -1).every((part) => part.byteLength === 100_000));
  const joined = new Uint8Array(await new Blob(bytes).arrayBuffer());
  assert.deepEqual(joined, await Deno.readFile(whole));
  assert.equal(await exists(file), false);

  await s3loOk(["bundle", "load", file, `local://${folder.path}/a`]);
  await checkBlobs(`${folder.path}/a`, db);
  await Deno.mkdir(`${folder.path}/stick`);
  const moved = `${folder.path}/stick/disk.tar.003`;
  await Deno.rename(parts[2]!, moved);
  const missing = await s3lo(["bundle", "load", parts[0]!, `local://${folder.path}/b`]);
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, new RegExp(`missing of its ${parts.length} parts: "${parts[2]}"`));
  assert.equal(await exists(`${folder.path}/b`), false, "nothing is written");
  await s3loOk(["bundle", "load", moved, parts[4]!, parts[0]!, parts[1]!, `local://${folder.path}/b`]);
  await checkBlobs(`${folder.path}/b`, app);

  await flipByte(parts[4]!, 50_000);
  const damaged = await s3lo(["bundle", "load", moved, parts[0]!, `local://${folder.path}/c`]);
  assert.equal(damaged.code, 1);
  assert.match(damaged.stderr, /Cannot use part ".*disk\.tar\.005".* which hits blob "sha256:[0-9a-f]{64}"/);
  assert.equal(await exists(`${folder.path}/c`), false, "nothing is written");
  const digest = /blob "(sha256:[0-9a-f]{64})"/.exec(damaged.stderr)![1]!;
  assert.ok([...app.blobs.keys(), ...db.blobs.keys()].some((each) => each === digest));

  await Deno.remove(`${file}.sha256`);
  assert.match((await s3lo(["bundle", "list", parts[0]!])).stderr, /"disk\.tar\.sha256" is missing|sha256" is missing/);
});

Deno.test("bundle save in fewer parts removes those of before, and never leaves parts beside a whole file", async () => {
  await using folder = await prepared();
  const file = `${folder.path}/disk.tar`;
  const args = ["bundle", "save", "-f", file];
  const before = (await s3loJson([...args, "--split", "100kB", ...folder.refs])).parts.length;
  const after = (await s3loJson([...args, "--split", "300kB", folder.refs[1]!])).parts.length;
  assert.ok(after < before);
  const files = (await listFiles(folder.path)).filter((path) => path.startsWith("disk.tar"));
  assert.equal(files.length, after + 1);
  await s3loOk(["bundle", "load", file, `local://${folder.path}/out`]);
  await s3loOk([...args, folder.refs[1]!]);
  const both = await s3lo([...args, "--split", "300kB", folder.refs[1]!]);
  assert.match(both.stderr, /there is a whole file of that name/);
  for (const [size, code] of [["10", 2], ["x", 2], ["1e9", 2]] as const) {
    assert.equal((await s3lo([...args, "--split", size, folder.refs[1]!])).code, code, size);
  }
});

Deno.test("bundle load refuses an image with a damaged blob and names it; the rest is loaded once it is whole", async () => {
  await using folder = await prepared();
  const file = `${folder.path}/disk.tar`;
  await s3loOk(["bundle", "save", "-f", file, ...folder.refs]);
  const good = await Deno.readFile(file);
  // The last large blob belongs to the second image alone.
  await flipByte(file, good.byteLength - 60_000);
  const run = await s3lo(["bundle", "load", file, `local://${folder.path}/out`]);
  assert.equal(run.code, 1);
  assert.match(run.stderr, /Cannot use layer "sha256:[0-9a-f]{64}" of linux\/\w+ in ".*disk\.tar:db:v2"/);
  assert.equal(await readStoredTag(`${folder.path}/out`, "db", "v2"), undefined);
  assert.deepEqual(await readStoredTag(`${folder.path}/out`, "team/app", "v1"), app.root.bytes);
  await s3loOk(["bundle", "save", "-f", `${folder.path}/other.tar`, ...folder.refs.toReversed()]);
  await flipByte(`${folder.path}/other.tar`, 280_000); // the third layer, which db has alone
  const going = await s3lo([
    "bundle",
    "load",
    "-k",
    "-o",
    "json",
    `${folder.path}/other.tar`,
    `local://${folder.path}/k`,
  ]);
  assert.equal(going.code, 1);
  const outcome = JSON.parse(going.stdout);
  assert.deepEqual(outcome.failures.map((each: { reference: string }) => each.reference.split("//").at(-1)), ["db:v2"]);
  assert.deepEqual(outcome.images.map((each: { name: string }) => each.name), ["team/app:v1"]);
  const verified = await s3lo(["bundle", "list", "--verify", file]);
  assert.equal(verified.code, 1);
  assert.match(verified.stderr, /Cannot use layer "sha256:[0-9a-f]{64}" of "db:v2"/);
  await Deno.writeFile(file, good);
  assert.match((await s3lo(["bundle", "list", "--verify", file])).stderr, /are whole/);
  const report = await s3loJson(["bundle", "load", file, `local://${folder.path}/out`]);
  assert.equal(report.images[0].bytes_copied, 0, "the first image is there already");
  await checkBlobs(`${folder.path}/out`, db);
});

Deno.test("bundle save stops at an image that fails, or with --keep-going leaves no byte of it", async () => {
  await using folder = await prepared();
  const file = `${folder.path}/disk.tar`;
  const [layer] = [...newer.blobs].filter(([digest, bytes]) =>
    bytes.byteLength > 50_000 && !app.blobs.has(digest) && !db.blobs.has(digest)
  ).at(-1)!;
  await flipByte(`${folder.path}/src/blobs/sha256/${hexOf(layer)}`, 99);
  const refs = [folder.refs[0]!, folder.ref("nothing:v1"), folder.ref("team/app:v2"), folder.refs[1]!];
  const nowhere = `local://${folder.path}/no/store/app:v1`;
  const stopped = await s3lo(["bundle", "save", "-f", file, ...refs]);
  assert.equal(stopped.code, 1);
  assert.match(stopped.stderr, /nothing:v1/);
  assert.equal(await exists(file), false);
  for (const split of [[], ["--split", "70kB"]]) {
    const run = await s3lo(["bundle", "save", "-o", "json", "-k", ...split, "-f", file, nowhere, ...refs]);
    assert.equal(run.code, 1);
    assert.match(run.stderr, /3 images failed/);
    const report = JSON.parse(run.stdout);
    assert.equal(report.failures.length, 3);
    assert.match(report.failures[2].error, new RegExp(layer));
    await s3loOk(["bundle", "list", "--verify", file]);
    const expected = `${folder.path}/expected.tar`;
    await s3loOk(["bundle", "save", "-f", expected, ...folder.refs]);
    if (split.length === 0) assert.deepEqual(await Deno.readFile(file), await Deno.readFile(expected));
    else {
      const bytes = await Promise.all(report.parts.map((path: string) => Deno.readFile(path)));
      assert.deepEqual(new Uint8Array(await new Blob(bytes).arrayBuffer()), await Deno.readFile(expected));
    }
    await Deno.remove(file).catch(() => {});
  }
  const piped = await s3lo(["bundle", "save", "-k", "-f", "-", ...refs]);
  assert.equal(piped.code, 1, "what went to a pipe cannot be taken back");
  assert.match(piped.stderr, new RegExp(layer));
});

Deno.test("a bundle save that is killed leaves nothing under the bundle's name", async () => {
  await using folder = await prepared();
  const file = `${folder.path}/disk.tar`;
  const pipe = `${folder.path}/pipe`;
  const { code } = await new Deno.Command("sh", { args: ["-c", `mkfifo ${pipe}`] }).output();
  assert.equal(code, 0);
  // The second image never comes: nobody writes into the pipe.
  for (const split of [[], ["--split", "100kB"]]) {
    const run = await s3lo(
      ["bundle", "save", "-f", file, ...split, folder.refs[0]!, `docker-archive:${pipe} as late:1`],
      { killOnceSaid: /Copied layer/ },
    );
    assert.equal(run.code, 137, `it was killed, and did not end by itself: ${run.stderr}`);
    assert.match(run.stderr, /Copied layer/);
    const visible = (await listFiles(folder.path)).filter((path) => path.startsWith("disk.tar"));
    assert.deepEqual(visible, []);
  }
});

Deno.test("a bundle load that is killed leaves no image half, and goes on when run again", async () => {
  await using folder = await tempFolder();
  const images = [1, 2].map((seed) =>
    multiImage({ seed, layersPerPlatform: 3, layerBytes: 500_000, sharedLayer: false })
  );
  for (const [index, image] of images.entries()) await writeStore(`${folder.path}/src`, "app", `v${index}`, image);
  const file = `${folder.path}/disk.tar`;
  const refs = images.map((_, index) => `local://${folder.path}/src//app:v${index}`);
  await s3loOk(["bundle", "save", "-f", file, "--split", "2MB", ...refs]);
  const args = ["bundle", "load", "-q", file];
  const started = performance.now();
  await s3loOk([...args, `local://${folder.path}/whole`]);
  const wholeMs = performance.now() - started;
  const target = `${folder.path}/out`;
  for (let round = 0; round < 8; round++) {
    await s3lo([...args, `local://${target}`], { killAfterMs: wholeMs * (0.5 + round / 16) });
    for (const [index, image] of images.entries()) {
      if (await readStoredTag(target, "app", `v${index}`)) await checkBlobs(target, image);
    }
  }
  await s3loOk([...args, `local://${target}`]);
  for (const image of images) await checkBlobs(target, image);
});
