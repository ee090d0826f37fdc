/**
 * The program as people get it from JSR: published by `deno publish` to a JSR on loopback, then run, installed and
 * imported from there. Threads once could not be started from anything but a file, and nothing noticed.
 */
import assert from "node:assert/strict";
import { permissionFlags, permissionGrants } from "../../src/cli/permissions.ts";
import { digestOf, hexOf } from "../../src/oci/digest.ts";
import { makeBuckets, readStoredTag, tempFolder } from "../cli/places.ts";
import { rawTar } from "../archive/support.ts";
import { imageOf, writeChunkedImage } from "../support/chunked_images.ts";
import { chunkedLayer, jsonBytes } from "../support/chunked_layers.ts";
import { Random, tarOf } from "../support/images.ts";
import { publishedToLoopback } from "../support/jsr_server.ts";
import { serviceTest } from "../support/services.ts";

const PACKAGE = "jsr:@s3lo/cli";

/** Bytes that no compression makes shorter, in a tar. */
function rawLayer(sizeBytes: number, seed: number): Uint8Array<ArrayBuffer> {
  const tar = tarOf("data", new Uint8Array(sizeBytes));
  const random = new Random(seed);
  for (let at = 512; at < 512 + sizeBytes; at++) tar[at] = random.next(256);
  return tar;
}

/** What `docker save` of a classic store writes: one image with one raw layer. */
function dockerArchive(layer: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const config = jsonBytes({
    architecture: "amd64",
    os: "linux",
    config: {},
    rootfs: { type: "layers", diff_ids: [digestOf(layer)] },
  });
  const name = `${hexOf(digestOf(config))}.json`;
  const manifest = jsonBytes([{ Config: name, RepoTags: ["app:v1"], Layers: ["layer/layer.tar"] }]);
  return rawTar([
    { name: "layer/layer.tar", content: layer },
    { name, content: config },
    { name: "manifest.json", content: manifest },
  ]);
}

serviceTest(
  "from JSR the program copies with threads, installs, and serves as a library",
  ["minio"],
  async ({ minio }, t) => {
    await using work = await tempFolder();
    await using jsr = await publishedToLoopback(work.path);
    // A cache of its own, so that the package comes from this server; what it needs of npm is here already.
    const cache = `${work.path}/cache`;
    await Deno.mkdir(cache);
    // By a program: Deno's own links want the whole disk.
    await new Deno.Command("sh", { args: ["-c", 'ln -s "$DENO_DIR/npm" "$0/npm"', cache] }).output();
    using buckets = await makeBuckets(minio);
    const env = { ...buckets.env, HOME: work.path, DENO_DIR: cache, JSR_URL: jsr.url, NO_COLOR: "1" };
    const command = async (file: string, args: readonly string[]) => {
      const output = await new Deno.Command(file, { args: [...args], cwd: work.path, env }).output();
      const decoder = new TextDecoder();
      return { code: output.code, stdout: decoder.decode(output.stdout), stderr: decoder.decode(output.stderr) };
    };
    const flags = permissionFlags(permissionGrants());
    // Chunks are unpacked by other threads where a machine has more than two cores: here it always has.
    const preload = `${work.path}/cores.js`;
    await Deno.writeTextFile(preload, 'Object.defineProperty(navigator, "hardwareConcurrency", { value: 4 });');
    const s3lo = async (...args: string[]) => {
      const run = await command(Deno.execPath(), ["run", "--preload", preload, ...flags, PACKAGE, ...args]);
      assert.equal(run.code, 0, `${args.join(" ")}: ${run.stderr}`);
      return run;
    };

    await t.step("a raw layer of 13 MB, which another thread compresses", async () => {
      await Deno.writeFile(`${work.path}/app.tar`, dockerArchive(rawLayer(13_000_000, 1)));
      await s3lo("push", "-f", "app.tar", "local://./store//app:v1");
      assert.ok(await readStoredTag(`${work.path}/store`, "app", "v1"));
      await s3lo("copy", "docker-archive:app.tar", "local://./store//app:v2");
      assert.ok(await readStoredTag(`${work.path}/store`, "app", "v2"));
      assert.ok(
        jsr.paths.some((path) => path.endsWith("/compress_worker.ts")),
        "a thread was started from the package",
      );
    });

    await t.step("an image whose layer is stored in chunks", async () => {
      const tar = rawLayer(6_000_000, 2);
      const cuts = [2_000_000, 2_000_000];
      await writeChunkedImage(`${work.path}/chunked`, { image: "app", tag: "v1" }, imageOf(chunkedLayer(tar, cuts)));
      await s3lo(
        "pull",
        "-f",
        "chunked.tar",
        "--format",
        "docker-archive",
        "--platform",
        "linux/amd64",
        "local://./chunked//app:v1",
      );
      assert.ok((await Deno.stat(`${work.path}/chunked.tar`)).size > 0);
      assert.ok(jsr.paths.some((path) => path.endsWith("/chunk_worker.ts")), "a thread was started from the package");
    });

    await t.step("a bucket, by the SDK", async () => {
      const target = `s3://${buckets.first}/app:v1`;
      await s3lo("copy", "--endpoint", buckets.endpoint, "local://./store//app:v1", target);
      const { stdout } = await s3lo("inspect", "--endpoint", buckets.endpoint, target, "--output", "json");
      assert.equal(JSON.parse(stdout).reference, target);
    });

    await t.step("the library", async () => {
      await Deno.writeTextFile(
        `${work.path}/program.ts`,
        `import { copy } from "${PACKAGE}/api";
      await copy("docker-archive:app.tar", "local://./library//app:v1");`,
      );
      const run = await command(Deno.execPath(), ["run", "--no-check", ...flags, "program.ts"]);
      assert.equal(run.code, 0, run.stderr);
      assert.ok(await readStoredTag(`${work.path}/library`, "app", "v1"));
    });

    await t.step("installed as docs/permissions.md says", async () => {
      const page = await Deno.readTextFile(new URL("../../docs/permissions.md", import.meta.url));
      const [line = ""] = page.match(/^deno install .* jsr:@s3lo\/cli$/m) ?? [];
      assert.ok(line, "the page names the command");
      const args = line.split(" ").slice(1);
      const installed = await command(Deno.execPath(), [
        ...args.slice(0, 1),
        "--root",
        `${work.path}/root`,
        ...args.slice(1),
      ]);
      assert.equal(installed.code, 0, installed.stderr);
      const run = await command("sh", [
        "-c",
        'exec "$0" "$@"',
        `${work.path}/root/bin/s3lo`,
        "push",
        "-f",
        "app.tar",
        "local://./installed//app:v1",
      ]);
      assert.equal(run.code, 0, run.stderr);
      assert.ok(await readStoredTag(`${work.path}/installed`, "app", "v1"));
    });
  },
);
