/** What the Go tool v3 really wrote, brought to every kind of place; and its first layout, written here by the format. */
import assert from "node:assert/strict";
import { blobPath, digestOf, hexOf } from "../../src/oci/digest.ts";
import { parsePlatform } from "../../src/oci/platform.ts";
import { wrappedImage, writeChunkedImage } from "../support/chunked_images.ts";
import { Random, singleImage, tarOf, type TestImage } from "../support/images.ts";
import { fixtureTest, programPath, serviceTest } from "../support/services.ts";
import { engine } from "./daemons.ts";
import { checkBlobs, listFiles, makeBuckets, readStoredTag, tempFolder } from "./places.ts";
import { s3lo, s3loJson, s3loOk, zstdTest } from "./program.ts";

const TAGS = ["v1", "v2"] as const;
const IDS = {
  v1: "sha256:212dd27d955a590ab8d52c83cd74fb2018500c86514ec343a71d4b2cac8d57a7",
  v2: "sha256:6ae57810f16a133132fd3720b92c38e2561bcfc6845fd9152e8bcf2be1da8590",
};
const unique = () => `go-${crypto.randomUUID().slice(0, 8)}`;

/** Runs a client that must succeed. */
async function run(program: string, args: readonly string[]): Promise<string> {
  const path = programPath(program);
  assert.ok(path, `${program} is missing`);
  const command = new Deno.Command(path, { args: [...args], stdout: "piped", stderr: "piped" });
  const { code, stdout, stderr } = await command.output();
  assert.equal(code, 0, `${program}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}

for (const daemon of ["docker20", "docker29"] as const) {
  zstdTest(
    fixtureTest,
    `pull brings the Go tool's chunked layers into ${daemon}`,
    "go-chunked",
    [daemon],
    async (path, services) => {
      await using folder = await tempFolder();
      const name = unique();
      const args = ["--docker-host", `unix://${services[daemon]}`];
      for (const tag of TAGS) {
        const source = `local://${path}//team/app:${tag}`;
        const pulled = await s3loJson(["pull", ...args, source, `${name}:${tag}`]);
        const inspected = JSON.parse((await engine(services[daemon], "GET", `/images/${name}:${tag}/json`)).body);
        assert.equal(inspected.RootFS.Layers.length, 2);
        const report = await s3loJson(["inspect", "--platform", "linux/amd64", source]);
        assert.equal(report.config_digest, IDS[tag]);
        assert.deepEqual(inspected.RootFS.Layers, report.config.diff_ids);
        // The classic store's ID is the config's digest; the containerd store keeps the manifest, which names that config.
        assert.equal(inspected.Id, daemon === "docker20" ? IDS[tag] : pulled.digest);
        const target = `local://${folder.path}//back:${tag}`;
        const pushed = await s3loJson(["push", ...args, `${name}:${tag}`, target]);
        assert.equal((await s3loJson(["inspect", target])).config_digest, IDS[tag]);
        if (daemon === "docker29") assert.equal(pushed.digest, pulled.digest);
      }
      for (const tag of TAGS) await engine(services[daemon], "DELETE", `/images/${name}:${tag}`);
    },
  );
}

zstdTest(
  fixtureTest,
  "pull --format docker-archive unpacks the Go tool's layers to the tars that the config names",
  "go-chunked",
  [],
  async (path) => {
    await using folder = await tempFolder();
    for (const tag of TAGS) {
      const file = `${folder.path}/${tag}.tar`;
      await s3loOk(["pull", "--format", "docker-archive", "-f", file, `local://${path}//team/app:${tag}`]);
      await run("crane", ["validate", "--tarball", file]);
      const inspected = JSON.parse(await run("skopeo", ["inspect", `docker-archive:${file}`]));
      const report = await s3loJson(["inspect", "--platform", "linux/amd64", `local://${path}//team/app:${tag}`]);
      assert.deepEqual(inspected.Layers, report.config.diff_ids);
      await s3loOk(["push", "-f", file, `local://${folder.path}/back//app:${tag}`]);
      assert.equal((await s3loJson(["inspect", `local://${folder.path}/back//app:${tag}`])).config_digest, IDS[tag]);
    }
  },
);

zstdTest(
  fixtureTest,
  "copy brings the Go tool's images into a registry and an OCI archive, where other tools take them whole",
  "go-chunked",
  ["registry"],
  async (path, services) => {
    await using folder = await tempFolder();
    const { host } = new URL(services.registry);
    const repository = `${host}/${unique()}/app`;
    for (const tag of TAGS) {
      const source = `local://${path}//team/app:${tag}`;
      const { digest } = await s3loJson(["copy", source, `${repository}:${tag}`]);
      // Without --fast crane takes whatever is not plain for gzip and refuses zstd layers of any origin; export reads them.
      await run("crane", ["validate", "--fast", "--insecure", "--remote", `${repository}:${tag}`]);
      await run("crane", ["export", "--insecure", `${repository}:${tag}`, `${folder.path}/${tag}.files`]);
      assert.ok((await Deno.stat(`${folder.path}/${tag}.files`)).size > 6_000_000);
      assert.equal((await run("crane", ["digest", "--insecure", `${repository}:${tag}`])).trim(), digest);
      const out = `dir:${folder.path}/${tag}`;
      await run("skopeo", ["copy", "--src-tls-verify=false", `docker://${repository}:${tag}`, out]);
      assert.deepEqual(
        await Deno.readFile(`${folder.path}/${tag}/manifest.json`),
        await readStoredTag(path, "team/app", tag),
      );
      const archive = `oci-archive:${folder.path}/${tag}.tar`;
      assert.equal((await s3loJson(["copy", source, archive])).digest, digest);
      await run("skopeo", ["copy", archive, `dir:${folder.path}/archived-${tag}`]);
      assert.deepEqual(await s3loJson(["inspect", archive]).then((report) => report.config_digest), IDS[tag]);
      const back = await s3loJson(["copy", `${repository}:${tag}`, `local://${folder.path}/back//app:${tag}`]);
      assert.equal(back.digest, digest);
      // From a registry a layer comes whole; one that lies in chunks already does not move at all.
      await s3loOk(["copy", source, `local://${folder.path}/held//app:${tag}`]);
      const held = await s3loJson(["copy", `${repository}:${tag}`, `local://${folder.path}/held//other:${tag}`]);
      assert.equal(held.blobs_copied, 0);
    }
  },
);

for (const server of ["minio", "versity"] as const) {
  zstdTest(
    fixtureTest,
    `copy keeps every key of the Go tool's images, folder → ${server} → other bucket → folder`,
    "go-chunked",
    [server],
    async (path, services) => {
      await using folder = await tempFolder();
      using buckets = await makeBuckets(services[server]);
      const options = { env: buckets.env };
      const args = ["copy", "--endpoint", buckets.endpoint];
      const chunks = async (bucket: string) =>
        (await buckets.keys(bucket)).filter((key) => key.startsWith("chunks/")).length;
      const counts: number[] = [];
      for (const tag of TAGS) {
        await s3loOk([...args, `local://${path}//team/app:${tag}`, `s3://${buckets.first}/team/app:${tag}`], options);
        const second = `s3://${buckets.second}/team/app:${tag}`;
        const report = await s3loJson([...args, `s3://${buckets.first}/team/app:${tag}`, second], options);
        assert.equal(report.bytes_copied, 0, "no byte comes through here");
        await s3loOk([...args, second, `local://${folder.path}//team/app:${tag}`], options);
        counts.push(await chunks(buckets.first), await chunks(buckets.second));
      }
      assert.deepEqual(counts, [2, 2, 3, 3], "the second tag brings one chunk of its two");
      const own = (paths: readonly string[]) => paths.filter((each) => !/^\.s3lo\/|\/signatures\//.test(each));
      const keys = own(await listFiles(path));
      for (
        const found of [
          await buckets.keys(buckets.first),
          await buckets.keys(buckets.second),
          await listFiles(folder.path),
        ]
      ) {
        assert.deepEqual(own(found), keys);
      }
      for (const key of keys) {
        const bytes = await Deno.readFile(`${path}/${key}`);
        assert.deepEqual(await Deno.readFile(`${folder.path}/${key}`), bytes, key);
        for (const bucket of [buckets.first, buckets.second]) {
          assert.deepEqual(new Uint8Array(await buckets.get(bucket, key)), bytes, key);
        }
      }
    },
  );
}

zstdTest(
  fixtureTest,
  "inspect tells how the Go tool's layers are stored, and what is missing",
  "go-chunked",
  [],
  async (path) => {
    await using folder = await tempFolder();
    const report = await s3loJson(["inspect", `local://${path}//team/app:v1`]);
    const [chunked, whole] = report.layers;
    assert.deepEqual([chunked.stored, chunked.chunks, chunked.raw_size, chunked.size], ["chunks", 2, 7319552, 1696015]);
    assert.deepEqual([whole.stored, whole.chunks, whole.raw_size], ["whole", undefined, 3584]);
    assert.match(
      await s3loOk(["inspect", "--digests", `local://${path}//team/app:v1`]),
      /\(1\.70 MB\) {2}in 2 chunks, 7\.32 MB raw\n.*\([\d.]+ kB\) {2}whole, [\d.]+ kB raw\nSignature: fb5d2fce71c3f63a/,
    );
    const store = `local://${folder.path}//team/app:v1`;
    await s3loOk(["copy", `local://${path}//team/app:v1`, store]);
    await Deno.remove(`${folder.path}/recipes`, { recursive: true });
    await Deno.remove(`${folder.path}/${blobPath(whole.digest)}`);
    assert.match(await s3loOk(["inspect", store]), /B\) {2}MISSING\n.*B\) {2}MISSING\n/);
  },
);

zstdTest(
  serviceTest,
  "layers that the Go tool took for tars and that are gzip are copied as they are, and unpacked for Docker",
  [
    "docker20",
    "registry",
  ],
  async (services) => {
    await using folder = await tempFolder();
    const tar = tarOf("file", new Random(Date.now()).bytes(300_000));
    const image = wrappedImage(tar);
    await writeChunkedImage(`${folder.path}/a`, { image: "app", tag: "v1" }, image);
    const source = `local://${folder.path}/a//app:v1`;
    const name = unique();
    const pulled = await s3loJson(["pull", "--docker-host", `unix://${services.docker20}`, source, `${name}:v1`]);
    assert.equal(pulled.image_id, digestOf(image.config));
    const inspected = JSON.parse((await engine(services.docker20, "GET", `/images/${name}:v1/json`)).body);
    assert.deepEqual(inspected.RootFS.Layers, [digestOf(tar)]);
    await engine(services.docker20, "DELETE", `/images/${name}:v1`);
    for (const target of [`local://${folder.path}/b//app:v1`, `${new URL(services.registry).host}/${name}/app:v1`]) {
      assert.equal((await s3loJson(["copy", source, target])).digest, digestOf(image.manifest));
    }
    const file = `${folder.path}/out.tar`;
    await s3loOk(["pull", "--format", "docker-archive", "-f", file, source]);
    await run("crane", ["validate", "--tarball", file]);
  },
);

const AMD64 = parsePlatform("linux/amd64");

/** Writes an image as the Go tool v1.0 did: everything below the tag's own folder. */
async function writeV10(folder: string, image: string, tag: string, content: TestImage): Promise<void> {
  assert.ok(content.root.content.kind === "image");
  const text = (value: string) => new TextEncoder().encode(value);
  const files = new Map([
    ["manifest.json", new Uint8Array(content.root.bytes)],
    ["config.json", content.blobs.get(content.root.content.config.digest)!],
    ["index.json", text(JSON.stringify({ schemaVersion: 2, manifests: [content.root.descriptor] }))],
    ["oci-layout", text(`{"imageLayoutVersion":"1.0.0"}`)],
    ...[...content.blobs].map(([digest, bytes]) => [blobPath(digest), bytes] as const),
  ]);
  await Deno.mkdir(`${folder}/${image}/${tag}/blobs/sha256`, { recursive: true });
  for (const [name, bytes] of files) await Deno.writeFile(`${folder}/${image}/${tag}/${name}`, bytes);
}

serviceTest("a store of the Go tool v1.0 is listed, inspected, copied and pulled, its neighbours untouched", [
  "docker20",
  "minio",
], async (services) => {
  await using folder = await tempFolder();
  using buckets = await makeBuckets(services.minio);
  const options = { env: buckets.env };
  const [one, ten] = [singleImage(AMD64, { seed: 101 }), singleImage(AMD64, { seed: 102 })];
  const store = `${folder.path}/a`;
  await writeV10(store, "app", "v1", one);
  await writeV10(store, "app", "v10", ten);
  await writeV10(store, "app", "v1.0", ten);
  await writeV10(store, "app/v1", "x", ten);
  await writeV10(store, "team/tool", "v2", ten);
  await Deno.writeTextFile(`${store}/s3lo.yaml`, "chunked: false\n");
  // What is no tag although it looks like one, and the same tag in the later layout, which wins.
  await Deno.mkdir(`${store}/web/site`, { recursive: true });
  await Deno.writeTextFile(`${store}/web/site/manifest.json`, "{}");
  for (const path of await listFiles(store)) {
    await buckets.put(buckets.first, path, await Deno.readFile(`${store}/${path}`));
  }
  await s3loOk(["copy", `local://${store}//app:v10`, `local://${store}//app:v10`], options);
  const all = "app/v1:x\napp:v1\napp:v1.0\napp:v10\nteam/tool:v2\n";
  const listed = (text: string) => text.split("\n").sort();
  const endpoint = ["--endpoint", buckets.endpoint];
  assert.deepEqual(listed(await s3loOk(["list", `local://${store}`])), listed(all));
  assert.deepEqual(listed(await s3loOk(["list", ...endpoint, `s3://${buckets.first}`], options)), listed(all));
  assert.equal(await s3loOk(["list", ...endpoint, `s3://${buckets.first}/team`], options), "team/tool:v2\n");
  // Its neighbours are damaged, which nobody may notice.
  const layer = one.root.content.kind === "image" ? one.root.content.layers[1]! : undefined;
  for (const neighbour of ["v10", "v1.0"]) {
    await Deno.remove(`${store}/app/${neighbour}/blobs`, { recursive: true });
  }
  const source = `local://${store}//app:v1`;
  const before = await listFiles(store);
  const report = await s3loJson(["inspect", source]);
  assert.equal(report.digest, one.root.descriptor.digest);
  assert.deepEqual(report.layers.map((each: { stored: string }) => each.stored), ["whole", "whole"]);
  const copied = await s3loJson(["copy", ...endpoint, source, `s3://${buckets.second}/app:v1`], options);
  assert.equal(copied.digest, one.root.descriptor.digest);
  await s3loOk(["copy", ...endpoint, `s3://${buckets.second}/app:v1`, `local://${folder.path}/b//app:v1`], options);
  await checkBlobs(`${folder.path}/b`, one);
  const name = unique();
  const args = ["--docker-host", `unix://${services.docker20}`];
  const pulled = await s3loJson(["pull", ...args, source, `${name}:v1`]);
  assert.equal(pulled.image_id, one.root.content.kind === "image" ? one.root.content.config.digest : "");
  await engine(services.docker20, "DELETE", `/images/${name}:v1`);
  assert.deepEqual(await listFiles(store), before, "reading changes nothing");
  const path = `${store}/app/v1/${blobPath(layer!.digest)}`;
  const bytes = await Deno.readFile(path);
  bytes[bytes.byteLength - 9]! ^= 1;
  await Deno.writeFile(path, bytes);
  for (
    const command of [["pull", ...args, source, `${name}:v1`], ["copy", source, `local://${folder.path}/c//app:v1`]]
  ) {
    const failed = await s3lo(command);
    assert.equal(failed.code, 1);
    assert.match(failed.stderr, new RegExp(hexOf(layer!.digest)));
  }
  assert.equal(await readStoredTag(`${folder.path}/c`, "app", "v1"), undefined);
});

Deno.test("copy --all-tags takes the tags of the Go tool v1.0 along", async () => {
  await using folder = await tempFolder();
  for (const [tag, seed] of [["v1", 111], ["v2", 112]] as const) {
    await writeV10(`${folder.path}/a`, "app", tag, singleImage(AMD64, { seed }));
  }
  await Deno.writeTextFile(`${folder.path}/a/s3lo.yaml`, "");
  await s3loOk(["copy", "-a", `local://${folder.path}/a//app`, `local://${folder.path}/b//app`]);
  assert.equal(await s3loOk(["list", `local://${folder.path}/b`]), "app:v1\napp:v2\n");
});
