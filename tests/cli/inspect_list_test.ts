import assert from "node:assert/strict";
import { multiImage, singleImage } from "../support/images.ts";
import { parsePlatform } from "../../src/oci/platform.ts";
import { digestOf, hexOf } from "../../src/oci/digest.ts";
import { fixtureTest, serviceTest } from "../support/services.ts";
import { makeBuckets, tempFolder, writeStore } from "./places.ts";
import { s3lo, s3loJson, s3loOk } from "./program.ts";

const image = multiImage({ seed: 31, attestations: true });

serviceTest(
  "inspect tells the same of an image in a folder, a bucket and a registry",
  ["registry", "minio"],
  async (services) => {
    await using folder = await tempFolder();
    using buckets = await makeBuckets(services.minio);
    const options = { env: buckets.env };
    await writeStore(folder.path, "team/app", "v1", image);
    const places = [
      `local://${folder.path}//team/app:v1`,
      `s3://${buckets.first}/team/app:v1`,
      `${new URL(services.registry).host}/inspect-${crypto.randomUUID().slice(0, 8)}/app:v1`,
    ];
    for (const place of places.slice(1)) {
      await s3loOk(
        ["copy", "--endpoint", buckets.endpoint, places[0]!, place],
        options,
      );
    }
    const reports = [];
    for (const place of places) {
      const { reference, ...report } = await s3loJson(["inspect", "--endpoint", buckets.endpoint, place], options);
      assert.equal(reference, place);
      reports.push(report);
      const raw = await s3loOk(["inspect", "--raw", "--endpoint", buckets.endpoint, place], options);
      assert.equal(digestOf(new TextEncoder().encode(raw)), image.root.descriptor.digest);
      const pinned = await s3loJson([
        "inspect",
        "--endpoint",
        buckets.endpoint,
        place.replace(/:v1$/, `@${image.root.descriptor.digest}`),
      ], options);
      assert.equal(pinned.digest, image.root.descriptor.digest);
    }
    assert.deepEqual(reports[1], reports[0]);
    const [report] = reports;
    // How a place holds its layers is told of buckets and folders only.
    assert.equal(report.platforms[0].layers[0].stored, "whole");
    assert.deepEqual(
      reports[2],
      JSON.parse(JSON.stringify(report, (key, value) => /^(stored|raw_size)$/.test(key) ? undefined : value)),
    );
    assert.equal(report.is_index, true);
    assert.deepEqual(report.platforms.map((each: { platform: string }) => each.platform), [
      "linux/amd64",
      "linux/arm64",
      "linux/arm/v7",
      "(attestation)",
      "(attestation)",
      "(attestation)",
    ]);
    assert.equal(report.platforms[0].created, "2026-01-02T03:04:05Z");
    assert.equal(report.platforms[3].attests_to, image.platforms.get("linux/amd64")!.descriptor.digest);
  },
);

Deno.test("inspect keeps the shape of text that users know", async () => {
  await using folder = await tempFolder();
  await writeStore(folder.path, "app", "v1", image);
  await writeStore(folder.path, "app", "one", singleImage(parsePlatform("linux/amd64"), { seed: 3 }));
  const text = await s3loOk(["inspect", `local://${folder.path}//app:v1`]);
  assert.match(
    text,
    /^Reference: local:.*\nType: multi-arch image index \(3 platform\(s\)\)\nPlatform: linux\/amd64 {4}Layers: 2 {2}Size: [\d.]+ kB\n/,
  );
  assert.match(text, /\nAttestations: 3\n$/);
  const digests = await s3loOk(["inspect", "--digests", `local://${folder.path}//app:v1`]);
  assert.ok(digests.includes(image.platforms.get("linux/arm64")!.descriptor.digest));
  const single = await s3loOk(["inspect", `local://${folder.path}//app:one`]);
  assert.match(
    single,
    /Type: single image\nPlatform: linux\/amd64\nCreated: .*\nLayers: 2\nTotal: [\d.]+ kB\n {2}\[1\] sha256:[0-9a-f]{12}\.\.\. \([\d.]+ kB\)/,
  );
});

Deno.test("inspect --platform shows one platform in depth", async () => {
  await using folder = await tempFolder();
  await writeStore(folder.path, "app", "v1", image);
  const args = ["inspect", "--platform", "aarch64", `local://${folder.path}//app:v1`];
  const report = await s3loJson(args);
  assert.equal(report.digest, image.platforms.get("linux/arm64")!.descriptor.digest);
  assert.deepEqual(report.config.entrypoint, ["/app"]);
  assert.equal(report.config.history.length, 2);
  const text = await s3loOk(args);
  assert.match(text, /Entrypoint: \/app/);
  assert.match(text, /Labels:\n {2}org\.example\.platform=linux\/arm64/);
});

Deno.test("inspect of an index shows a child that the store lost as missing", async () => {
  await using folder = await tempFolder();
  await writeStore(folder.path, "app", "v1", image);
  await Deno.remove(`${folder.path}/blobs/sha256/${hexOf(image.platforms.get("linux/arm64")!.descriptor.digest)}`);
  const report = await s3loJson(["inspect", `local://${folder.path}//app:v1`]);
  assert.equal(report.platforms[1].missing, true);
  assert.match(await s3loOk(["inspect", `local://${folder.path}//app:v1`]), /linux\/arm64 {4}MISSING/);
});

Deno.test("inspect of a tag that is not there names those that are", async () => {
  await using folder = await tempFolder();
  await writeStore(folder.path, "app", "v1", image);
  const run = await s3lo(["inspect", `local://${folder.path}//app:v2`]);
  assert.equal(run.code, 1);
  assert.match(run.stderr, /there is no tag "v2" of image "app".*\n {2}Use one of its tags: v1/);
});

fixtureTest("inspect shows the signature beside a tag, and whether it still holds", "go-chunked", [], async (path) => {
  const report = await s3loJson(["inspect", `local://${path}//team/app:v1`]);
  assert.equal(report.signatures.length, 1);
  assert.equal(report.signatures[0].key_id, "fb5d2fce71c3f63a");
  assert.equal(report.signatures[0].current, true);
});

serviceTest("list shows images and tags of a folder, a bucket, a prefix, a repository and a registry", [
  "registry",
  "versity",
], async (services) => {
  await using folder = await tempFolder();
  using buckets = await makeBuckets(services.versity);
  const options = { env: buckets.env };
  for (const [name, tag] of [["app", "v2"], ["app", "v10"], ["team/app", "v1"], ["app/sub", "x"]] as const) {
    await writeStore(folder.path, name, tag, image);
  }
  const all = "app/sub:x\napp:v10\napp:v2\nteam/app:v1\n";
  assert.deepEqual((await s3loOk(["list", `local://${folder.path}`])).split("\n").sort(), all.split("\n").sort());
  assert.equal(await s3loOk(["list", `local://${folder.path}//team`]), "team/app:v1\n");
  await s3loOk([
    "copy",
    "--endpoint",
    buckets.endpoint,
    `local://${folder.path}//team/app:v1`,
    `s3://${buckets.first}/team/app:v1`,
  ], options);
  assert.equal(
    await s3loOk(["list", "--endpoint", buckets.endpoint, `s3://${buckets.first}`], options),
    "team/app:v1\n",
  );
  assert.deepEqual(await s3loJson(["list", "--endpoint", buckets.endpoint, `s3://${buckets.first}`], options), [{
    name: "team/app",
    tags: ["v1"],
  }]);
  const empty = await s3lo(["list", "--endpoint", buckets.endpoint, `s3://${buckets.second}`, "-o", "json"], options);
  assert.equal(empty.stdout, "[]\n");
  const host = new URL(services.registry).host;
  const repository = `${host}/list-${crypto.randomUUID().slice(0, 8)}/app`;
  await s3loOk(["copy", `local://${folder.path}//app:v2`, `${repository}:v2`]);
  assert.equal(await s3loOk(["list", repository]), `${repository}:v2\n`);
  assert.ok((await s3loOk(["list", host])).includes(`${repository}:v2\n`));
});

serviceTest(
  "a missing bucket, wrong keys and no credentials each get their own line and the next step",
  ["minio"],
  async (services) => {
    using buckets = await makeBuckets(services.minio);
    const args = (bucket: string) => ["inspect", "--endpoint", buckets.endpoint, `s3://${bucket}/app:v1`];
    const missing = await s3lo(args("no-such-bucket-here"), { env: buckets.env });
    const wrong = await s3lo(args(buckets.first), { env: { ...buckets.env, AWS_SECRET_ACCESS_KEY: "wrong" } });
    const { AWS_ACCESS_KEY_ID: _id, AWS_SECRET_ACCESS_KEY: _secret, ...rest } = buckets.env;
    const none = await s3lo(args(buckets.first), {
      env: { ...rest, AWS_ACCESS_KEY_ID: "", AWS_SECRET_ACCESS_KEY: "" },
    });
    for (
      const [run, message] of [[missing, /no-such-bucket-here/], [wrong, /secret|signature|credentials/i], [
        none,
        /credentials/i,
      ]] as const
    ) {
      assert.equal(run.code, 1);
      assert.match(run.stderr, message);
      assert.equal(run.stderr.trim().split("\n").length, 2, run.stderr);
      assert.ok(!run.stderr.includes('wrong"'), run.stderr);
    }
  },
);

Deno.test("inspect reads an image of the Go tool v1.0 in a folder that // names as the store", async () => {
  await using folder = await tempFolder();
  const single = singleImage(parsePlatform("linux/amd64"), { seed: 5 });
  await Deno.mkdir(`${folder.path}/app/v1/blobs/sha256`, { recursive: true });
  for (const [digest, bytes] of single.blobs) {
    await Deno.writeFile(`${folder.path}/app/v1/blobs/sha256/${hexOf(digest)}`, bytes);
  }
  await Deno.writeFile(`${folder.path}/app/v1/manifest.json`, single.root.bytes);
  assert.equal((await s3loJson(["inspect", `local://${folder.path}//app:v1`])).digest, single.root.descriptor.digest);
  assert.equal((await s3lo(["inspect", `local://${folder.path}//app:v2`])).code, 1);
  assert.equal((await s3lo(["inspect", `local://${folder.path}/none//app:v1`])).code, 1);
});
