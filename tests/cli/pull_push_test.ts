import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { digestOf } from "../../src/oci/digest.ts";
import { readManifest } from "../../src/oci/manifest.ts";
import { MEDIA_TYPES } from "../../src/oci/media_types.ts";
import { parsePlatform } from "../../src/oci/platform.ts";
import { jsonBytes, zstdFrame } from "../support/chunked_layers.ts";
import { multiImage, Random, singleImage, tarOf } from "../support/images.ts";
import { fixtureTest, optionalProgram, serviceTest } from "../support/services.ts";
import { engine } from "./daemons.ts";
import { checkBlobs, makeBuckets, readStoredTag, tempFolder, writeStore } from "./places.ts";
import { compressionArguments, s3lo, s3loJson, s3loOk, zstdTest } from "./program.ts";

const DAEMONS = ["docker20", "docker29", "podman"] as const;
const image = multiImage({ seed: 41, platforms: ["linux/amd64", "linux/arm64", "linux/arm/v7"], attestations: true });
const unique = () => `cli-${crypto.randomUUID().slice(0, 8)}`;
const socket = (path: string) => ["--docker-host", `unix://${path}`];

for (const daemon of DAEMONS) {
  fixtureTest(
    `pull and push bring a real image into ${daemon} and back, unchanged`,
    "s3lo-store",
    [daemon, "minio"],
    async (fixture, services) => {
      using buckets = await makeBuckets(services.minio);
      const path = services[daemon];
      const args = [...socket(path), "--endpoint", buckets.endpoint];
      const options = { env: buckets.env };
      const name = unique();
      const source = `s3://${buckets.first}/alpine:amd64`;
      await s3loOk([
        "copy",
        "--endpoint",
        buckets.endpoint,
        "--platform",
        "linux/amd64",
        `local://${fixture}//alpine:latest`,
        source,
      ], options);
      const first = await s3loJson(["pull", ...args, source, `${name}:one`], options);
      assert.ok(first.bytes_copied + first.bytes_skipped > 3_000_000);
      assert.equal(first.platform, "linux/amd64");
      const again = await s3loJson(["pull", ...args, source, `${name}:two`], options);
      assert.equal(again.bytes_copied, 0, "the daemon has it already");
      assert.equal(again.image_id, first.image_id);
      const back = `s3://${buckets.second}/back:v1`;
      const pushed = await s3loJson(["push", ...compressionArguments(), ...args, `${name}:one`, back], options);
      if (daemon === "docker29") assert.equal(pushed.digest, first.digest, "the containerd store keeps the manifest");
      const unchanged = await s3lo([
        "push",
        ...compressionArguments(),
        "--debug",
        ...args,
        `${name}:one`,
        back,
        "-o",
        "json",
      ], options);
      assert.equal(JSON.parse(unchanged.stdout).bytes_copied, 0);
      assert.ok(!/\/images\/get/.test(unchanged.stderr), "an unchanged image is not exported");
      assert.equal((await engine(path, "DELETE", `/images/${name}:one`)).status, 200);
      assert.equal((await engine(path, "DELETE", `/images/${name}:two`)).status, 200);
      const third = await s3loJson(["pull", ...args, back, `${name}:three`], options);
      assert.equal(third.image_id, first.image_id);
      await engine(path, "DELETE", `/images/${name}:three`);
    },
  );
}

serviceTest(
  "pull --all-platforms and push keep the index through a containerd store",
  ["docker29", "registry"],
  async (services) => {
    await using folder = await tempFolder();
    await writeStore(folder.path, "app", "v1", image);
    const name = unique();
    const args = socket(services.docker29);
    const pulled = await s3loJson(["pull", ...args, "--all-platforms", `local://${folder.path}//app:v1`, `${name}:v1`]);
    assert.equal(pulled.digest, image.root.descriptor.digest);
    const target = `${new URL(services.registry).host}/${name}/app`;
    const pushed = await s3loJson(["push", ...args, "--all-platforms", `${name}:v1`, `${target}:v1`]);
    assert.equal(pushed.digest, image.root.descriptor.digest);
    assert.equal(pushed.attestations, 3);
    const one = await s3loJson(["push", ...args, "--platform", "linux/arm/v7", `${name}:v1`, `${target}:arm`]);
    assert.equal(one.digest, image.platforms.get("linux/arm/v7")!.descriptor.digest);
    await engine(services.docker29, "DELETE", `/images/${name}:v1`);
  },
);

serviceTest(
  "pull of another platform than the daemon's stores exactly that manifest's image",
  ["docker20", "docker29"],
  async (services) => {
    await using folder = await tempFolder();
    await writeStore(folder.path, "app", "v1", image);
    const arm = image.platforms.get("linux/arm/v7")!;
    assert.ok(arm.content.kind === "image");
    const name = unique();
    for (
      const [daemon, id] of [["docker20", arm.content.config.digest], ["docker29", arm.descriptor.digest]] as const
    ) {
      const report = await s3loJson([
        "pull",
        ...socket(services[daemon]),
        "--platform",
        "linux/arm/v7",
        `local://${folder.path}//app:v1`,
        `${name}:v1`,
      ]);
      assert.equal(report.digest, arm.descriptor.digest);
      assert.equal(report.image_id, id);
      assert.equal(report.platform_chosen_by, "requested");
      await engine(services[daemon], "DELETE", `/images/${name}:v1`);
    }
  },
);

for (const daemon of DAEMONS) {
  serviceTest(`pull of a damaged layer leaves no image in ${daemon}`, [daemon], async (services) => {
    await using folder = await tempFolder();
    const single = singleImage(parsePlatform("linux/amd64"), { seed: 43, layerBytes: 300_000 });
    assert.ok(single.root.content.kind === "image");
    await writeStore(folder.path, "app", "v1", single);
    const layer = single.root.content.layers[1]!;
    const file = `${folder.path}/blobs/sha256/${layer.digest.slice(7)}`;
    const bytes = await Deno.readFile(file);
    bytes[bytes.byteLength - 20]! ^= 1;
    await Deno.writeFile(file, bytes);
    const name = unique();
    const run = await s3lo(["pull", ...socket(services[daemon]), `local://${folder.path}//app:v1`, `${name}:v1`]);
    assert.equal(run.code, 1, run.stderr);
    assert.match(run.stderr, new RegExp(layer.digest));
    assert.equal((await engine(services[daemon], "GET", `/images/${name}:v1/json`)).status, 404);
  });
}

Deno.test("pull without a daemon says what was tried and offers a file", async () => {
  await using folder = await tempFolder();
  await writeStore(folder.path, "app", "v1", image);
  const run = await s3lo([
    "pull",
    "--docker-host",
    `unix://${folder.path}/none.sock`,
    `local://${folder.path}//app:v1`,
  ]);
  assert.equal(run.code, 1);
  assert.match(run.stderr, /none\.sock/);
  assert.match(run.stderr, /--file/);
});

Deno.test("pull --file writes the same file for the same image, in every format, and push --file reads it back", async () => {
  await using folder = await tempFolder();
  const host = parsePlatform("linux/amd64");
  await writeStore(`${folder.path}/a`, "app", "v1", image);
  const source = `local://${folder.path}/a//app:v1`;
  for (const format of ["oci-archive", "docker-archive"]) {
    const digests: string[] = [];
    for (const round of [1, 2]) {
      const path = `${folder.path}/${format}${round}.tar`;
      await s3loOk(["pull", "--platform", "linux/amd64", "--format", format, "-f", path, source]);
      digests.push(digestOf(await Deno.readFile(path)));
      const report = await s3loJson(["push", "-f", path, `local://${folder.path}/${format}${round}//app:v1`]);
      assert.equal(report.digest, image.platforms.get("linux/amd64")!.descriptor.digest, format);
      assert.deepEqual(report.platforms, ["linux/amd64"]);
    }
    assert.equal(digests[0], digests[1], `${format} is byte-reproducible`);
  }
  await s3loOk(["pull", "--all-platforms", "-f", `${folder.path}/all.tar`, source]);
  const all = await s3loJson(["push", "-f", `${folder.path}/all.tar`, `local://${folder.path}/all//app:v1`]);
  assert.equal(all.digest, image.root.descriptor.digest);
  await checkBlobs(`${folder.path}/all`, image);
  await s3loOk(["pull", "--all-platforms", "-f", `${folder.path}/layout/`, source]);
  const layout = await s3loJson(["push", "-f", `${folder.path}/layout`, `local://${folder.path}/l//app:v1`]);
  assert.equal(layout.digest, image.root.descriptor.digest);
  assert.equal(host.architecture, "amd64");
});

Deno.test("pull -f - writes the archive to stdout and push -f - reads it from stdin", async () => {
  await using folder = await tempFolder();
  await writeStore(`${folder.path}/a`, "app", "v1", image);
  const program = ["run", "--no-prompt", "--no-check", "-A", fileURLToPath(new URL("../../main.ts", import.meta.url))];
  const pull = await new Deno.Command(Deno.execPath(), {
    args: [...program, "pull", "-f", "-", "--platform", "linux/arm64", `local://${folder.path}/a//app:v1`],
  }).output();
  assert.equal(pull.code, 0, new TextDecoder().decode(pull.stderr));
  await Deno.writeFile(`${folder.path}/piped.tar`, pull.stdout);
  const push = new Deno.Command(Deno.execPath(), {
    args: [...program, "push", "-f", "-", `local://${folder.path}/b//app:v1`],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = push.stdin.getWriter();
  await writer.write(pull.stdout);
  await writer.close();
  assert.equal((await push.output()).code, 0);
  assert.deepEqual(
    await readStoredTag(`${folder.path}/b`, "app", "v1"),
    new Uint8Array(image.platforms.get("linux/arm64")!.bytes),
  );
});

Deno.test("pull --file of a damaged layer leaves the file that was there", async () => {
  await using folder = await tempFolder();
  await writeStore(folder.path, "app", "v1", image);
  const arm = image.platforms.get("linux/arm64")!;
  assert.ok(arm.content.kind === "image");
  await Deno.writeFile(
    `${folder.path}/blobs/sha256/${arm.content.layers[1]!.digest.slice(7)}`,
    new Uint8Array(arm.content.layers[1]!.size),
  );
  await Deno.writeTextFile(`${folder.path}/out.tar`, "the old one");
  const run = await s3lo([
    "pull",
    "--platform",
    "linux/arm64",
    "-f",
    `${folder.path}/out.tar`,
    `local://${folder.path}//app:v1`,
  ]);
  assert.equal(run.code, 1);
  assert.equal(await Deno.readTextFile(`${folder.path}/out.tar`), "the old one");
  for await (const entry of Deno.readDir(folder.path)) assert.ok(!/out\.tar.+/.test(entry.name), entry.name);
});

serviceTest("docker save → push --file → pull --file → docker load keeps the image ID; skopeo reads each stage", [
  "docker20",
], async (services) => {
  await using folder = await tempFolder();
  const single = singleImage(parsePlatform("linux/amd64"), { seed: 44 });
  assert.ok(single.root.content.kind === "image");
  await writeStore(folder.path, "app", "v1", single);
  const name = unique();
  const args = socket(services.docker20);
  const pulled = await s3loJson(["pull", ...args, `local://${folder.path}//app:v1`, `${name}:v1`]);
  assert.equal(pulled.image_id, single.root.content.config.digest);
  using client = Deno.createHttpClient({ proxy: { transport: "unix", path: services.docker20 } });
  const saved = await fetch(`http://localhost/images/get?names=${name}:v1`, { client });
  await Deno.writeFile(`${folder.path}/saved.tar`, saved.body!);
  await s3loOk([
    "push",
    ...compressionArguments(),
    "-f",
    `${folder.path}/saved.tar`,
    `local://${folder.path}/b//app:v1`,
  ]);
  await s3loOk([
    "pull",
    "--platform",
    "linux/amd64",
    "--format",
    "docker-archive",
    "-f",
    `${folder.path}/again.tar`,
    `local://${folder.path}/b//app:v1`,
    `${name}:again`,
  ]);
  await engine(services.docker20, "DELETE", `/images/${name}:v1`);
  const load = await fetch("http://localhost/images/load", {
    method: "POST",
    body: await Deno.readFile(`${folder.path}/again.tar`),
    client,
  });
  assert.match(await load.text(), new RegExp(`Loaded image: ${name}:again`));
  const inspected = JSON.parse((await engine(services.docker20, "GET", `/images/${name}:again/json`)).body);
  assert.equal(inspected.Id, pulled.image_id);
  await engine(services.docker20, "DELETE", `/images/${name}:again`);
  const skopeo = optionalProgram("skopeo");
  if (skopeo) {
    for (const place of [`docker-archive:${folder.path}/saved.tar`, `docker-archive:${folder.path}/again.tar`]) {
      const { code, stderr } = await new Deno.Command(skopeo, {
        args: ["inspect", place],
        stdout: "null",
        stderr: "piped",
      }).output();
      assert.equal(code, 0, new TextDecoder().decode(stderr));
    }
  }
});

zstdTest(
  (name: string, fn: () => Promise<void>) => Deno.test(name, fn),
  "pull --format docker-archive takes a tar once that two layers hold, packed differently",
  async () => {
    await using folder = await tempFolder();
    const tar = tarOf("file", new Random(71).bytes(100_000));
    const [one, other] = [zstdFrame(tar, 1), zstdFrame(tar, 19)];
    assert.notEqual(digestOf(one), digestOf(other));
    const blob = (mediaType: string, bytes: Uint8Array) => ({
      mediaType,
      digest: digestOf(bytes),
      size: bytes.byteLength,
    });
    const rootfs = { type: "layers", diff_ids: [digestOf(tar), digestOf(tar)] };
    const config = jsonBytes({ architecture: "amd64", os: "linux", rootfs });
    const layers = [one, other].map((bytes) => blob(MEDIA_TYPES.ociLayerZstd, bytes));
    const manifest = jsonBytes({
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.ociManifest,
      config: blob(MEDIA_TYPES.ociConfig, config),
      layers,
    });
    const root = readManifest(manifest, "manifest");
    const blobs = new Map([config, one, other].map((bytes) => [digestOf(bytes), bytes]));
    await writeStore(`${folder.path}/a`, "app", "v1", { root, blobs, platforms: new Map() });
    const file = `${folder.path}/out.tar`;
    const args = ["pull", "--format", "docker-archive", "-f", file, `local://${folder.path}/a//app:v1`];
    const run = await s3lo(args, { killAfterMs: 180_000 });
    assert.equal(run.code, 0, run.stderr);
    await s3loOk(["push", "-f", file, `local://${folder.path}/b//app:v1`]);
    const report = await s3loJson(["inspect", "--platform", "linux/amd64", `local://${folder.path}/b//app:v1`]);
    assert.deepEqual(report.config.diff_ids, rootfs.diff_ids);
  },
);
