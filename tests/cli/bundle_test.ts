import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { hexOf } from "../../src/oci/digest.ts";
import { parsePlatform } from "../../src/oci/platform.ts";
import { referrerOf, singleImage } from "../support/images.ts";
import { programTest } from "../support/services.ts";
import { app, db, exists, newer, prepared, tarNames } from "./bundle_kit.ts";
import { checkBlobs, listFiles, readStoredTag, writeStore } from "./places.ts";
import { s3lo, s3loJson, s3loOk } from "./program.ts";

Deno.test("bundle save stores shared blobs once and gives the same file again; load brings every image under its name", async () => {
  await using folder = await prepared();
  const [first, second] = [`${folder.path}/one.tar`, `${folder.path}/two.tar`];
  const report = await s3loJson(["bundle", "save", "-f", first, ...folder.refs]);
  await s3loOk(["bundle", "save", "-f", second, "--concurrency", "1", ...folder.refs]);
  assert.deepEqual(await Deno.readFile(first), await Deno.readFile(second));
  const names = await tarNames(first);
  assert.equal(new Set(names).size, names.length);
  const blobs = new Set([
    ...app.blobs.keys(),
    ...db.blobs.keys(),
    app.root.descriptor.digest,
    db.root.descriptor.digest,
  ]);
  assert.equal(names.filter((name) => name.startsWith("blobs/")).length, blobs.size);
  assert.deepEqual(names.slice(-2), ["index.json", "oci-layout"], "a bundle that was cut off shows no image");

  const listed = await s3loJson(["bundle", "list", first]);
  assert.deepEqual(listed.images.map((image: { name: string }) => image.name), ["team/app:v1", "db:v2"]);
  assert.equal(listed.images[0].attestations, 3);
  assert.deepEqual(listed.images[1].platforms.map((each: { platform: string }) => each.platform), [
    "linux/amd64",
    "linux/s390x",
  ]);
  for (const key of ["blobs", "relies_on"]) assert.deepEqual(report[key], listed[key]);

  const loaded = await s3loJson(["bundle", "load", first, `local://${folder.path}/out//in`]);
  assert.equal(loaded.images[1].blobs_skipped > 0, true, "shared blobs move once");
  assert.deepEqual(await readStoredTag(`${folder.path}/out`, "in/team/app", "v1"), app.root.bytes);
  assert.deepEqual(await readStoredTag(`${folder.path}/out`, "in/db", "v2"), db.root.bytes);
  await checkBlobs(`${folder.path}/out`, app);
  await checkBlobs(`${folder.path}/out`, db);
  const again = await s3loJson(["bundle", "load", first, `local://${folder.path}/out//in`]);
  assert.deepEqual(again.images.map((image: { bytes_copied: number }) => image.bytes_copied), [0, 0]);
});

Deno.test("bundle save takes a list with names and comments, chosen platforms and images of archives", async () => {
  await using folder = await prepared();
  await s3loOk(["pull", "-f", `${folder.path}/app.tar`, "--all-platforms", folder.ref("team/app:v2"), "app:tarred"]);
  const list = [
    "# what the site needs",
    folder.refs[0],
    "",
    `${folder.refs[1]} as registry.example.com/x/db:9`,
    `oci-archive:${folder.path}/app.tar as tarred:1`,
  ].join("\r\n");
  await Deno.writeTextFile(`${folder.path}/images.txt`, list);
  const args = ["bundle", "save", "-f", `${folder.path}/disk.tar`, "--platform", "linux/amd64"];
  await s3loOk([...args, "--from", `${folder.path}/images.txt`]);
  const bytes = await Deno.readFile(`${folder.path}/disk.tar`);
  await s3loOk([...args, "--from", "-"], { stdin: list });
  assert.deepEqual(await Deno.readFile(`${folder.path}/disk.tar`), bytes);
  assert.ok((await tarNames(`${folder.path}/disk.tar`)).includes("manifest.json"), "docker load takes single images");
  await s3loOk(["bundle", "load", `${folder.path}/disk.tar`, `local://${folder.path}/out`]);
  const amd64 = (image: typeof app) => image.platforms.get("linux/amd64")!.bytes;
  assert.deepEqual(await readStoredTag(`${folder.path}/out`, "team/app", "v1"), amd64(app));
  assert.deepEqual(await readStoredTag(`${folder.path}/out`, "x/db", "9"), amd64(db), "without the registry's host");
  assert.deepEqual(await readStoredTag(`${folder.path}/out`, "tarred", "1"), amd64(newer));
});

Deno.test("bundle load takes chosen images, and one image under another name", async () => {
  await using folder = await prepared();
  const file = `${folder.path}/disk.tar`;
  await s3loOk(["bundle", "save", "-f", file, ...folder.refs]);
  await s3loOk(["bundle", "load", "-i", "db:v2", file, `local://${folder.path}/some`]);
  assert.equal(await s3loOk(["list", `local://${folder.path}/some`]), "db:v2\n");
  await s3loOk(["bundle", "load", "-i", "db:v2", file, `local://${folder.path}/some//other/name:v9`]);
  assert.deepEqual(await readStoredTag(`${folder.path}/some`, "other/name", "v9"), db.root.bytes);
  const many = await s3lo(["bundle", "load", file, `local://${folder.path}/no//name:v9`]);
  assert.equal(many.code, 2);
  assert.match(many.stderr, /--image/);
  const unknown = await s3lo(["bundle", "load", "-i", "nginx", file, `local://${folder.path}/no`]);
  assert.match(unknown.stderr, /Cannot find image "nginx"[^]*"team\/app:v1"/);
  assert.equal(await exists(`${folder.path}/no`), false);
});

Deno.test("bundle save --since holds only what is new, and load checks first that the rest is there", async () => {
  await using folder = await prepared();
  const [first, delta] = [`${folder.path}/first.tar`, `${folder.path}/delta.tar`];
  await Deno.writeTextFile(
    `${folder.path}/first.json`,
    await s3loOk(["bundle", "save", "-o", "json", "-f", first, ...folder.refs]),
  );
  const refs = [folder.ref("team/app:v2"), folder.refs[1]!];
  const report = await s3loJson(["bundle", "save", "-f", delta, "--since", first, ...refs]);
  await s3loOk(["bundle", "save", "-f", `${folder.path}/delta2.tar`, "--since", `${folder.path}/first.json`, ...refs]);
  assert.deepEqual(await Deno.readFile(delta), await Deno.readFile(`${folder.path}/delta2.tar`));
  const known = new Set([...app.blobs.keys(), ...db.blobs.keys()].map(hexOf));
  const large = (await tarNames(delta)).filter((name) => known.has(name.split("/").at(-1)!));
  assert.ok(report.relies_on.length > 3);
  const needed = new Set(report.relies_on.map((each: { digest: string }) => each.digest.slice(7)));
  assert.ok(large.every((name) => !needed.has(name.split("/").at(-1))), "nothing relied upon is in the delta");

  const refused = await s3lo(["bundle", "load", delta, `local://${folder.path}/empty`]);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /relies on blobs "sha256:.* of "team\/app:v2", "db:v2", which the target does not hold/);
  assert.equal(await exists(`${folder.path}/empty`), false, "nothing is written");

  const target = `local://${folder.path}/out`;
  await s3loOk(["bundle", "load", first, target]);
  const before = await listFiles(`${folder.path}/out`);
  const { digest, size } = report.relies_on.find((each: { size: number }) => each.size > 50_000);
  const held = `${folder.path}/out/blobs/sha256/${digest.slice(7)}`;
  const bytes = await Deno.readFile(held);
  await Deno.writeFile(held, bytes.subarray(1));
  const short = await s3lo(["bundle", "load", delta, target]);
  assert.match(short.stderr, new RegExp(`relies on blob "${digest}"`), "one that is too short does not count");
  assert.deepEqual(await listFiles(`${folder.path}/out`), before);
  assert.equal(bytes.byteLength, size);
  await Deno.writeFile(held, bytes);
  await s3loOk(["bundle", "load", delta, target]);
  assert.deepEqual(await readStoredTag(`${folder.path}/out`, "team/app", "v2"), newer.root.bytes);
  await checkBlobs(`${folder.path}/out`, newer);

  // Nothing is new since the delta: only manifests and configs are left.
  const third = await s3loJson(["bundle", "save", "-f", `${folder.path}/third.tar`, "--since", delta, ...refs]);
  assert.ok(third.bytes_written < 40_000);
  await s3loOk(["bundle", "load", `${folder.path}/third.tar`, target]);
});

Deno.test("bundle carries referrers on request", async () => {
  await using folder = await prepared();
  const signature = referrerOf(app.root, "application/vnd.example.signature", new Uint8Array([1]));
  const sbom = referrerOf(app.platforms.get("linux/arm64")!, "application/vnd.example.sbom", new Uint8Array([2]));
  for (const [index, referrer] of [signature, sbom].entries()) {
    await writeStore(`${folder.path}/src`, "ref", `r${index}`, referrer);
    await s3loOk(["copy", folder.ref(`ref:r${index}`), folder.ref(`team/app:r${index}`)]);
  }
  const file = `${folder.path}/disk.tar`;
  const plain = await s3loJson(["bundle", "save", "-f", file, ...folder.refs]);
  assert.equal(plain.images[0].referrers, 0);
  const report = await s3loJson(["bundle", "save", "-f", file, "--include-referrers", ...folder.refs]);
  assert.equal(report.images[0].referrers, 2);
  const listed = await s3loJson(["bundle", "list", file]);
  assert.deepEqual(listed.images.map((each: { referrers: number }) => each.referrers), [2, 0]);
  assert.deepEqual(listed.blobs, report.blobs);
  const loaded = await s3loJson(["bundle", "load", file, `local://${folder.path}/out`]);
  assert.deepEqual(loaded.images.map((each: { referrers_copied: number }) => each.referrers_copied), [2, 0]);
  const inspected = await s3loJson(["inspect", `local://${folder.path}/out//team/app:v1`]);
  assert.deepEqual(inspected.referrers.map((each: { digest: string }) => each.digest), [
    signature.root.descriptor.digest,
  ]);
});

Deno.test("a bundle goes through pipes", async () => {
  await using folder = await prepared();
  await s3loOk(["bundle", "save", "-f", `${folder.path}/disk.tar`, ...folder.refs]);
  const command = [Deno.execPath(), "run", "-A", "--no-prompt", "--cached-only", "main.ts", "bundle"].join(" ");
  const { code, stderr } = await new Deno.Command("sh", {
    args: [
      "-c",
      `${command} save -q -f - ${folder.refs.join(" ")} | tee ${folder.path}/copy.tar | ` +
      `${command} load -q - local://${folder.path}/out`,
    ],
    cwd: fileURLToPath(new URL("../../", import.meta.url)),
    stdout: "null",
    stderr: "piped",
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  assert.deepEqual(await Deno.readFile(`${folder.path}/copy.tar`), await Deno.readFile(`${folder.path}/disk.tar`));
  await checkBlobs(`${folder.path}/out`, app);
});

Deno.test("bundle names: two images of one name are refused, references without a name need one", async () => {
  await using folder = await prepared();
  const file = `${folder.path}/disk.tar`;
  await writeStore(`${folder.path}/other`, "db", "v2", app);
  const same = await s3lo(["bundle", "save", "-f", file, folder.refs[1]!, `local://${folder.path}/other//db:v2`]);
  assert.equal(same.code, 1);
  assert.match(same.stderr, /is called "db:v2" in the bundle too/);
  const digest = `local://${folder.path}/src//db@${db.root.descriptor.digest}`;
  const nameless = await s3lo(["bundle", "save", "-f", file, digest]);
  assert.equal(nameless.code, 2);
  assert.match(nameless.stderr, / as NAME:TAG/);
  await s3loOk(["bundle", "save", "-f", file, `${digest} as db:pinned`, folder.refs[1]!, folder.refs[1]!]);
  assert.equal((await s3loJson(["bundle", "list", file])).images.length, 2);
  // Images of two registries with one path meet where they land.
  await s3loOk([
    "bundle",
    "save",
    "-f",
    file,
    `${folder.refs[0]} as ghcr.io/o/x:1`,
    `${folder.refs[1]} as quay.io/o/x:1`,
  ]);
  const meeting = await s3lo(["bundle", "load", file, `local://${folder.path}/out`]);
  assert.match(meeting.stderr, /both would be/);
  // A store's own path stays, also where it begins with a host.
  await writeStore(`${folder.path}/src`, "ghcr.io/o/app", "v1", db);
  await s3loOk(["bundle", "save", "-f", file, folder.ref("ghcr.io/o/app:v1")]);
  await s3loOk(["bundle", "load", file, `local://${folder.path}/out`]);
  assert.equal(await s3loOk(["list", `local://${folder.path}/out`]), "ghcr.io/o/app:v1\n");
  const nowhere = await s3lo(["bundle", "load", file, "somewhere"]);
  assert.equal(nowhere.code, 2);
});

programTest("skopeo and oras read a bundle without us", ["skopeo", "oras"], async ([skopeo = "", oras = ""]) => {
  await using folder = await prepared();
  const file = `${folder.path}/disk.tar`;
  await s3loOk(["bundle", "save", "-f", file, ...folder.refs]);
  const run = async (program: string, ...args: string[]) => {
    const { code, stdout, stderr } = await new Deno.Command(program, { args, stdout: "piped", stderr: "piped" })
      .output();
    assert.equal(code, 0, `${program} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
    return stdout;
  };
  await run(
    skopeo,
    "copy",
    "--all",
    "--insecure-policy",
    "--preserve-digests",
    `oci-archive:${file}:team/app:v1`,
    `oci:${folder.path}/sk:x`,
  );
  assert.deepEqual(await run(skopeo, "inspect", "--raw", `oci-archive:${file}:db:v2`), db.root.bytes);
  const layout = await s3loJson(["bundle", "list", `${folder.path}/sk`]);
  assert.equal(layout.images[0].digest, app.root.descriptor.digest);
  const tags = await run(oras, "repo", "tags", "--oci-layout", file);
  assert.equal(new TextDecoder().decode(tags), "db:v2\nteam/app:v1\n");
  const root = `${file}@${app.root.descriptor.digest}`;
  assert.deepEqual(await run(oras, "manifest", "fetch", "--oci-layout", root), app.root.bytes);
  await run(oras, "copy", "--from-oci-layout", root, "--to-oci-layout", `${folder.path}/oras:x`);
  // And we read what they write.
  const single = singleImage(parsePlatform("linux/amd64"), { seed: 9 });
  await writeStore(`${folder.path}/src`, "single", "v1", single);
  await s3loOk(["copy", folder.ref("single:v1"), `oci:${folder.path}/layout:v1`]);
  await run(
    skopeo,
    "copy",
    "--insecure-policy",
    `oci:${folder.path}/layout:v1`,
    `oci-archive:${folder.path}/sk.tar:single:v7`,
  );
  await s3loOk(["bundle", "load", `${folder.path}/sk.tar`, `local://${folder.path}/out`]);
  assert.deepEqual(await readStoredTag(`${folder.path}/out`, "single", "v7"), single.root.bytes);
});
