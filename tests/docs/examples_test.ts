/** The examples of docs/references.md and docs/bundles.md do what they say: they are run in order, one page after the other. */
import assert from "node:assert/strict";
import { makeBuckets, tempFolder, writeStore } from "../cli/places.ts";
import { s3loJson, s3loOk } from "../cli/program.ts";
import { multiImage, singleImage } from "../support/images.ts";
import { serviceTest } from "../support/services.ts";
import { blocksOf } from "./documents.ts";
import { pathWithProgram, type Replaced, runBlock } from "./run_script.ts";

const app = multiImage({ seed: 151, platforms: ["linux/amd64", "linux/arm64"], layerBytes: 80_000 });
const db = multiImage({ seed: 152, platforms: ["linux/amd64", "linux/arm64"], layerBytes: 80_000 });
const riscv64 = singleImage({ os: "linux", architecture: "riscv64" }, { seed: 153, layerBytes: 80_000 });

/** The scripts of a page, each in a folder of its own files, with the names that the page uses standing for real places. */
async function world(addresses: Readonly<Record<"minio" | "registry", string>>) {
  const folder = await tempFolder();
  const buckets = await makeBuckets(addresses.minio);
  const registry = `${new URL(addresses.registry).host}/docs-${crypto.randomUUID().slice(0, 8)}`;
  await Deno.mkdir(`${folder.path}/bin`);
  await Deno.mkdir(`${folder.path}/work`);
  const env = {
    ...buckets.env,
    S3LO_ENDPOINT: buckets.endpoint,
    PATH: await pathWithProgram(`${folder.path}/bin`),
  };
  const from = `${folder.path}/from`;
  await writeStore(from, "app", "v1", app);
  await writeStore(from, "db", "v2", db);
  await writeStore(from, "riscv64", "v1", riscv64);
  const copy = (...args: string[]) => s3loOk(["copy", ...args], { env });
  const bucket = `s3://${buckets.first}`;
  for (const target of [`${bucket}/app:v1`, `${registry}/o/app:v1`, `${registry}/alpine:3`]) {
    await copy(`local://${from}//app:v1`, target);
  }
  await copy(`local://${from}//db:v2`, `${registry}/o/db:v2`);
  for (const arch of ["amd64", "arm64"]) {
    await copy("--platform", `linux/${arch}`, `local://${from}//app:v1`, `${bucket}/app:v1-${arch}`);
  }
  await copy(`local://${from}//riscv64:v1`, `${bucket}/app:v1-riscv64`);
  const replaced: Replaced = [
    [" alpine:3 ", ` ${registry}/alpine:3 `],
    ["ghcr.io/", `${registry}/`],
    ["registry.example.com/", `${registry}/`],
    ["localhost:5000/", `${registry}/`],
    ["s3://my-bucket", bucket],
    ["s3://other-bucket", `s3://${buckets.second}`],
    ["/srv/store", `${folder.path}/store`],
    ["/media/", `${folder.path}/media/`],
  ];
  const run = async (page: string) => {
    const blocks = (await blocksOf(page)).filter(({ language }) => language === "sh");
    for (const block of blocks) await runBlock(block, { cwd: `${folder.path}/work`, env }, replaced);
    return blocks.length;
  };
  return {
    folder: folder.path,
    buckets,
    bucket,
    registry,
    env,
    run,
    async [Symbol.asyncDispose]() {
      buckets[Symbol.dispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

serviceTest("the examples of docs/references.md run", ["minio", "registry"], async (addresses) => {
  await using place = await world(addresses);
  const { env, bucket, folder, buckets } = place;
  await s3loOk(["pull", "--format", "docker-archive", "-f", `${folder}/work/app.tar`, `${bucket}/app:v1`, "app:v1"], {
    env,
  });
  assert.equal(await place.run("docs/references.md"), 3);
  const digest = async (reference: string) => (await s3loOk(["digest", reference], { env })).trim();
  assert.equal(await digest(`s3://${buckets.second}/app:v1`), app.root.descriptor.digest);
  assert.equal(await digest(`${place.registry}/team/app:v1`), app.root.descriptor.digest);
  const { platforms } = await s3loJson(["inspect", `${bucket}/app:v1`], { env });
  assert.deepEqual(platforms.map(({ platform }: { platform: string }) => platform), ["linux/amd64", "linux/arm64"]);
  const tags = await s3loOk(["list", `local://${folder}/store`], { env });
  assert.equal(tags, "app:v1\napp:v1-amd64\napp:v1-arm64\napp:v1-riscv64\n");
});

serviceTest("the examples of docs/bundles.md run", ["minio", "registry"], async (addresses) => {
  await using place = await world(addresses);
  const { env, bucket, folder, buckets } = place;
  await Deno.writeTextFile(`${folder}/work/images.txt`, `${bucket}/app:v1\n# new\n${bucket}/app:v1-riscv64\n`);
  // Two parts, each on a stick of its own.
  const parts = `${folder}/disk.tar`;
  const { bytes_written } = await s3loJson(["bundle", "save", "-f", `${folder}/whole.tar`, `${bucket}/app:v1`], {
    env,
  });
  await s3loOk(["bundle", "save", "-f", parts, "--split", `${Math.ceil(bytes_written * 0.6)}`, `${bucket}/app:v1`], {
    env,
  });
  for (const [stick, part] of [["a", "001"], ["b", "002"]] as const) {
    await Deno.mkdir(`${folder}/media/${stick}`, { recursive: true });
    await Deno.rename(`${parts}.${part}`, `${folder}/media/${stick}/disk.tar.${part}`);
  }
  await Deno.rename(`${parts}.sha256`, `${folder}/media/b/disk.tar.sha256`);
  assert.equal(await place.run("docs/bundles.md"), 3);
  const { relies_on } = await s3loJson(["bundle", "list", `${folder}/work/next.tar`], { env });
  assert.ok(relies_on.length > 0);
  const digest = async (reference: string) => (await s3loOk(["digest", reference], { env })).trim();
  for (const reference of [`s3://${buckets.second}/app:v1`, `${bucket}/mirror/app:v1`, `${bucket}/app:imported`]) {
    assert.equal(await digest(reference), app.root.descriptor.digest, reference);
  }
  assert.equal(await digest(`${place.registry}/mirror/app:v1`), app.root.descriptor.digest);
  assert.equal(await digest(`local://${folder}/store//app:v1`), app.root.descriptor.digest);
});
