/** Layers whose recipes or chunks were tampered with: refused wherever they go, each with its own line, nothing visible. */
import assert from "node:assert/strict";
import { forgedImage, FORGERIES, writeChunkedImage } from "../support/chunked_images.ts";
import { serviceTest } from "../support/services.ts";
import { engine } from "./daemons.ts";
import { listFiles, makeBuckets, tempFolder } from "./places.ts";
import { s3lo, s3loOk, zstdTest } from "./program.ts";

/** Writes every forgery as a tag of its own. */
async function writeForgeries(folder: string): Promise<ReadonlyMap<string, string>> {
  const layers = new Map<string, string>();
  for (const [index, forgery] of FORGERIES.entries()) {
    const image = forgedImage(forgery, index + 1);
    layers.set(forgery.name, image.layer.descriptor.digest);
    await writeChunkedImage(folder, { image: "app", tag: forgery.name }, image);
  }
  return layers;
}

/** The line that tells of one tag. */
function lineOf(stderr: string, tag: string): string {
  return stderr.split("\n").find((line) => line.includes(`app:${tag}`) && /Cannot|Invalid/.test(line)) ?? stderr;
}

function checkLines(stderr: string, layers: ReadonlyMap<string, string>): void {
  for (const { name, says } of FORGERIES) {
    const line = lineOf(stderr, name);
    assert.match(line, says, name);
    assert.ok(line.includes(layers.get(name)!), `${name}: ${line}`);
  }
}

const plainTest = (name: string, fn: () => Promise<void>) => Deno.test(name, fn);

zstdTest(
  plainTest,
  "copy refuses every forged recipe and chunk for a folder, with nothing visible afterwards",
  async () => {
    await using folder = await tempFolder();
    const layers = await writeForgeries(`${folder.path}/a`);
    const run = await s3lo(["copy", "-a", `local://${folder.path}/a//app`, `local://${folder.path}/b//app`]);
    assert.equal(run.code, 1);
    checkLines(run.stderr, layers);
    const written = await listFiles(`${folder.path}/b`);
    assert.deepEqual(written.filter((path) => /^(manifests|recipes|chunks|indexes)\//.test(path)), []);
  },
);

zstdTest(serviceTest, "copy refuses every forged recipe and chunk for a registry and a bucket", [
  "registry",
  "minio",
], async (services) => {
  await using folder = await tempFolder();
  using buckets = await makeBuckets(services.minio);
  const layers = await writeForgeries(folder.path);
  const source = `local://${folder.path}//app`;
  const registry = `${new URL(services.registry).host}/forged-${crypto.randomUUID().slice(0, 8)}/app`;
  const first = await s3lo(["copy", "-a", source, registry]);
  assert.equal(first.code, 1);
  checkLines(first.stderr, layers);
  assert.equal((await s3lo(["list", registry])).stdout, "");
  const target = `s3://${buckets.first}/app`;
  const second = await s3lo(["copy", "-a", "--endpoint", buckets.endpoint, source, target], { env: buckets.env });
  assert.equal(second.code, 1);
  checkLines(second.stderr, layers);
  assert.deepEqual((await buckets.keys(buckets.first)).filter((key) => /^(manifests|recipes|chunks)\//.test(key)), []);
});

zstdTest(
  serviceTest,
  "copy refuses forged layers of a bucket on its way into a folder",
  ["minio"],
  async (services) => {
    await using folder = await tempFolder();
    using buckets = await makeBuckets(services.minio);
    const layers = await writeForgeries(folder.path);
    for (const path of await listFiles(folder.path)) {
      await buckets.put(buckets.first, path, await Deno.readFile(`${folder.path}/${path}`));
    }
    const source = `s3://${buckets.first}/app`;
    const args = ["copy", "-a", "--endpoint", buckets.endpoint, source, `local://${folder.path}/b//app`];
    const run = await s3lo(args, { env: buckets.env });
    assert.equal(run.code, 1);
    checkLines(run.stderr, layers);
    assert.deepEqual((await listFiles(`${folder.path}/b`)).filter((path) => /^(manifests|recipes)\//.test(path)), []);
  },
);

zstdTest(
  serviceTest,
  "pull refuses every forged recipe and chunk for daemons",
  ["docker20", "docker29"],
  async (services) => {
    await using folder = await tempFolder();
    const layers = await writeForgeries(folder.path);
    const name = `forged-${crypto.randomUUID().slice(0, 8)}`;
    for (const daemon of ["docker20", "docker29"] as const) {
      for (const { name: tag, says } of FORGERIES) {
        const args = ["--docker-host", `unix://${services[daemon]}`, `local://${folder.path}//app:${tag}`, `${name}:1`];
        const run = await s3lo(["pull", ...args]);
        assert.equal(run.code, 1, `${daemon} took ${tag}`);
        const line = lineOf(run.stderr, tag);
        assert.match(line, says, tag);
        assert.ok(line.includes(layers.get(tag)!), line);
      }
      assert.equal((await engine(services[daemon], "GET", `/images/${name}:1/json`)).status, 404);
    }
  },
);

zstdTest(plainTest, "pull refuses every forged recipe and chunk for archives, with no file afterwards", async () => {
  await using folder = await tempFolder();
  await writeForgeries(folder.path);
  for (const format of ["docker-archive", "oci-archive"]) {
    for (
      const { name } of FORGERIES.filter((_, index) => index % 3 === 0 || /bomb|cut|other/.test(FORGERIES[index]!.name))
    ) {
      const file = `${folder.path}/out.tar`;
      const run = await s3lo(["pull", "--format", format, "-f", file, `local://${folder.path}//app:${name}`]);
      assert.equal(run.code, 1, `${format} took ${name}`);
      await assert.rejects(Deno.stat(file), Deno.errors.NotFound);
    }
  }
  await s3loOk(["list", `local://${folder.path}`]);
});
