/** Images whose names only a bucket takes (upper case, blanks): what `list` shows, every other command can name. */
import assert from "node:assert/strict";
import { multiImage } from "../support/images.ts";
import { serviceTest } from "../support/services.ts";
import { listFiles, makeBuckets, readStoredTag, tempFolder, writeStore } from "./places.ts";
import { s3lo, s3loJson, s3loOk } from "./program.ts";

const image = multiImage({ seed: 95, platforms: ["linux/amd64"] });
const NAMES = ["MyApp", "Team/My App"];

Deno.test("images with upper-case letters and blanks are listed, inspected, copied and pulled", async () => {
  await using folder = await tempFolder();
  const store = `local://${folder.path}/a`;
  for (const name of NAMES) for (const tag of ["v1", "V2"]) await writeStore(`${folder.path}/a`, name, tag, image);
  const listed = (await s3loOk(["list", store])).trim().split("\n");
  assert.deepEqual(listed, ["MyApp:V2", "MyApp:v1", "Team/My App:V2", "Team/My App:v1"]);
  for (const line of listed) {
    assert.equal((await s3loJson(["inspect", `${store}//${line}`])).digest, image.root.descriptor.digest);
    await s3loOk(["copy", `${store}//${line}`, `local://${folder.path}/b//${line}`]);
    await s3loOk(["pull", "--platform", "linux/amd64", "-f", `${folder.path}/out.tar`, `${store}//${line}`, "app:v1"]);
  }
  await s3loOk(["copy", "-a", `${store}//Team/My App`, `local://${folder.path}/c//Other/Name`]);
  assert.deepEqual(await readStoredTag(`${folder.path}/c`, "Other/Name", "V2"), image.root.bytes);
  assert.deepEqual((await listFiles(`${folder.path}/b/manifests`)).length, listed.length);
});

Deno.test("a name that only a bucket takes is not made up for a daemon, a bundle or a registry", async () => {
  await using folder = await tempFolder();
  await writeStore(`${folder.path}/a`, "MyApp", "v1", image);
  const place = `local://${folder.path}/a//MyApp:v1`;
  const cases: readonly (readonly [args: readonly string[], message: RegExp])[] = [
    [["pull", "-f", `${folder.path}/out.tar`, place], /Pass a name for ".*MyApp:v1"/],
    [["bundle", "save", "-f", `${folder.path}/b.tar`, place], /holds no name that it could have in the bundle/],
    [["copy", place, "localhost:1/MyApp:v1"], /upper-case/],
  ];
  for (const [args, message] of cases) {
    const run = await s3lo(args);
    assert.equal(run.code, 2, run.stderr);
    assert.match(run.stderr, message);
  }
  await s3loOk(["bundle", "save", "-f", `${folder.path}/b.tar`, `${place} as my/app:v1`]);
});

serviceTest("such images are read and written in a bucket", ["minio", "versity"], async (services) => {
  await using folder = await tempFolder();
  for (const name of NAMES) await writeStore(folder.path, name, "v1", image);
  for (const service of ["minio", "versity"] as const) {
    using buckets = await makeBuckets(services[service]);
    const args = ["--endpoint", buckets.endpoint];
    const options = { env: buckets.env };
    for (const name of NAMES) {
      await s3loOk(
        ["copy", ...args, `local://${folder.path}//${name}:v1`, `s3://${buckets.first}/${name}:v1`],
        options,
      );
      await s3loOk(["copy", "-a", ...args, `s3://${buckets.first}/${name}`, `s3://${buckets.second}/${name}`], options);
      const report = await s3loJson(["inspect", ...args, `s3://${buckets.second}/${name}:v1`], options);
      assert.equal(report.digest, image.root.descriptor.digest, `${service} ${name}`);
    }
    const listed = await s3loOk(["list", ...args, `s3://${buckets.second}`], options);
    assert.equal(listed, NAMES.map((name) => `${name}:v1\n`).join(""));
  }
});
