import assert from "node:assert/strict";
import { parsePlatform } from "../../src/oci/platform.ts";
import { multiImage, singleImage } from "../support/images.ts";
import { optionalProgram, serviceTest } from "../support/services.ts";
import { listFiles, makeBuckets, readStoredTag, tempFolder, writeStore } from "./places.ts";
import { s3lo, s3loJson, s3loOk } from "./program.ts";

const single = (platform: string, seed = 1) => singleImage(parsePlatform(platform), { seed });

Deno.test("index create joins single images by the platform of their config, and copies no layer", async () => {
  await using folder = await tempFolder();
  const store = `local://${folder.path}//app`;
  const images = {
    "linux/amd64": single("linux/amd64"),
    "linux/arm64": single("linux/arm64"),
    "linux/arm/v6": single("linux/arm/v6"),
  };
  for (const [platform, image] of Object.entries(images)) {
    await writeStore(folder.path, "app", platform.replaceAll("/", "-"), image);
  }
  const before = await listFiles(folder.path);
  const report = await s3loJson([
    "index",
    "create",
    `${store}:v1`,
    `${store}:linux-amd64`,
    `${store}:linux-arm64`,
    `${store}:linux-arm-v6`,
  ]);
  assert.deepEqual(
    report.platforms,
    Object.entries(images).map(([platform, image]) => ({ platform, digest: image.root.descriptor.digest })),
  );
  const added = (await listFiles(folder.path)).filter((path) => !before.includes(path) && !path.startsWith(".s3lo"));
  assert.equal(added.length, 4, "three manifests under their digests, and the tag");
  const again = await s3loJson([
    "index",
    "create",
    `${store}:v1`,
    `${store}:linux-amd64`,
    `${store}:linux-arm64`,
    `${store}:linux-arm-v6`,
  ]);
  assert.equal(again.digest, report.digest);
  const pulled = await s3loJson([
    "copy",
    "--platform",
    "linux/arm/v7",
    `${store}:v1`,
    `local://${folder.path}/out//app:arm`,
  ]);
  assert.equal(pulled.digest, images["linux/arm/v6"].root.descriptor.digest, "v7 runs what is built for v6");
});

Deno.test("index create refuses two images of one platform and leaves the tag as it was", async () => {
  await using folder = await tempFolder();
  const store = `local://${folder.path}//app`;
  await writeStore(folder.path, "app", "a", single("linux/amd64", 1));
  await writeStore(folder.path, "app", "b", single("linux/amd64", 2));
  const run = await s3lo(["index", "create", `${store}:v1`, `${store}:a`, `${store}:b`]);
  assert.equal(run.code, 1);
  assert.match(run.stderr, /two images of linux\/amd64/);
  assert.equal(await readStoredTag(folder.path, "app", "v1"), undefined);
});

Deno.test("index add starts a tag, turns a single image into an index, replaces on request; index remove takes out", async () => {
  await using folder = await tempFolder();
  const store = `local://${folder.path}//app`;
  for (
    const [tag, image] of [["amd64", single("linux/amd64")], ["arm64", single("linux/arm64")], [
      "newer",
      single("linux/arm64", 9),
    ]] as const
  ) {
    await writeStore(folder.path, "app", tag, image);
  }
  await s3loOk(["index", "add", `${store}:v1`, `${store}:amd64`]);
  await s3loOk(["index", "add", `${store}:v1`, `${store}:arm64`]);
  assert.equal((await s3lo(["index", "add", `${store}:v1`, `${store}:newer`])).code, 1);
  const replaced = await s3loJson(["index", "add", "--replace", `${store}:v1`, `${store}:newer`]);
  assert.deepEqual(
    replaced.platforms.map((each: { digest: string }) => each.digest),
    [single("linux/amd64"), single("linux/arm64", 9)].map((image) => image.root.descriptor.digest),
  );
  await s3loOk(["index", "add", `${store}:amd64`, `${store}:arm64`]);
  assert.match(await s3loOk(["inspect", `${store}:amd64`]), /2 platform\(s\)/);
  const removed = await s3loJson(["index", "remove", `${store}:v1`, "linux/amd64"]);
  assert.deepEqual(removed.platforms.map((each: { platform: string }) => each.platform), ["linux/arm64"]);
  const last = await s3lo(["index", "remove", `${store}:v1`, "linux/arm64"]);
  assert.match(last.stderr, /no platform would be left/);
  assert.match((await s3lo(["index", "remove", `${store}:v1`, "linux/s390x"])).stderr, /there: linux\/arm64/);
});

Deno.test("index remove takes the attestations of a platform with it", async () => {
  await using folder = await tempFolder();
  await writeStore(folder.path, "app", "v1", multiImage({ attestations: true }));
  const report = await s3loJson(["index", "remove", `local://${folder.path}//app:v1`, "linux/arm/v7"]);
  assert.equal(report.platforms.length, 2);
  assert.equal(report.attestations, 2);
});

Deno.test("index add takes single platforms of an index, with their digests", async () => {
  await using folder = await tempFolder();
  const image = multiImage({ attestations: true });
  await writeStore(folder.path, "app", "all", image);
  const store = `local://${folder.path}//app`;
  const arm = image.platforms.get("linux/arm/v7")!.descriptor.digest;
  const byPlatform = await s3loJson(["index", "create", "--platform", "linux/arm/v7", `${store}:one`, `${store}:all`]);
  const byDigest = await s3loJson(["index", "create", `${store}:two`, `${store}@${arm}`]);
  assert.deepEqual(byPlatform.platforms, [{ platform: "linux/arm/v7", digest: arm }]);
  assert.deepEqual(byDigest.platforms, byPlatform.platforms);
});

Deno.test("index add refuses a protected tag", async () => {
  await using folder = await tempFolder();
  const store = `local://${folder.path}//app`;
  await writeStore(folder.path, "app", "v1", single("linux/amd64"));
  await writeStore(folder.path, "app", "arm64", single("linux/arm64"));
  await Deno.writeTextFile(`${folder.path}/s3lo.yaml`, "default: {immutable: true}\n");
  assert.match((await s3lo(["index", "add", `${store}:v1`, `${store}:arm64`])).stderr, /immutable/);
  await s3loOk(["index", "add", "--force", `${store}:v1`, `${store}:arm64`]);
});

for (const server of ["minio", "versity"] as const) {
  serviceTest(`index add of many at once loses none (${server})`, [server, "registry"], async (services) => {
    await using folder = await tempFolder();
    using buckets = await makeBuckets(services[server]);
    const options = { env: buckets.env };
    const platforms = ["linux/amd64", "linux/arm64", "linux/arm/v7", "linux/s390x", "linux/ppc64le", "linux/riscv64"];
    const args = ["--endpoint", buckets.endpoint];
    for (const platform of platforms) {
      await writeStore(folder.path, "app", platform.replaceAll("/", "-"), single(platform));
    }
    await Promise.all(
      platforms.map((platform) =>
        s3loOk([
          "index",
          "add",
          ...args,
          `s3://${buckets.first}/app:v1`,
          `local://${folder.path}//app:${platform.replaceAll("/", "-")}`,
        ], options)
      ),
    );
    const report = await s3loJson(["inspect", ...args, `s3://${buckets.first}/app:v1`], options);
    assert.deepEqual(report.platforms.map((each: { platform: string }) => each.platform).sort(), platforms.sort());
    const target = `${new URL(services.registry).host}/index-${crypto.randomUUID().slice(0, 8)}/app:v1`;
    await s3loOk(["copy", ...args, `s3://${buckets.first}/app:v1`, target], options);
    const crane = optionalProgram("crane");
    if (crane) {
      const { code, stderr } = await new Deno.Command(crane, {
        args: ["validate", "--insecure", "--remote", target],
        stdout: "null",
        stderr: "piped",
      }).output();
      assert.equal(code, 0, new TextDecoder().decode(stderr));
    }
  });
}
