import assert from "node:assert/strict";
import { hexOf } from "../../src/oci/digest.ts";
import { readManifest } from "../../src/oci/manifest.ts";
import { indexOf, multiImage, referrerOf, singleImage } from "../support/images.ts";
import { fixtureTest, optionalProgram, type ServiceName, serviceTest } from "../support/services.ts";
import { engine } from "./daemons.ts";
import { checkBlobs, listFiles, makeBuckets, readStoredTag, tempFolder, writeStore } from "./places.ts";
import { s3lo, s3loJson, s3loOk, zstdTest } from "./program.ts";

const SEVEN = [
  "linux/amd64",
  "linux/arm64",
  "linux/arm/v7",
  "linux/386",
  "linux/ppc64le",
  "linux/riscv64",
  "linux/s390x",
];
const image = multiImage({ seed: 11, platforms: SEVEN, attestations: true, layersPerPlatform: 3, layerBytes: 20_000 });

/** A fresh repository name, so that tests share a registry without seeing each other. */
function repository(address: string): string {
  return `${new URL(address).host}/cli-${crypto.randomUUID().slice(0, 8)}/app`;
}

for (const server of ["minio", "versity"] as const) {
  serviceTest(`copy keeps the index registry → ${server} → other bucket → registry → folder`, [
    "registry",
    "oldRegistry",
    server,
  ], async (services) => {
    await using folder = await tempFolder();
    using buckets = await makeBuckets(services[server]);
    const options = { env: buckets.env };
    const [start, end] = [repository(services.registry), repository(services.oldRegistry)];
    await writeStore(`${folder.path}/start`, "app", "v1", image);
    const hops = [
      `local://${folder.path}/start//app:v1`,
      `${start}:v1`,
      `s3://${buckets.first}/app:v1`,
      `s3://${buckets.second}/team/app:v2`,
      `${end}:v1`,
      `local://${folder.path}/end//app:v1`,
    ];
    for (const [index, source] of hops.slice(0, -1).entries()) {
      const report = await s3loJson(["copy", "--endpoint", buckets.endpoint, source, hops[index + 1]!], options);
      assert.equal(report.digest, image.root.descriptor.digest, hops[index + 1]);
      assert.equal(report.platforms, 7);
      assert.equal(report.attestations, 7);
      assert.equal(report.blobs_skipped, 0);
    }
    assert.deepEqual(await readStoredTag(`${folder.path}/end`, "app", "v1"), new Uint8Array(image.root.bytes));
    await checkBlobs(`${folder.path}/end`, image);
    // The keys are exactly the format's: no more than the blobs, the manifests and the tag.
    const keys = [...image.blobs.keys()].map((digest) => `blobs/sha256/${hexOf(digest)}`);
    assert.deepEqual(await buckets.keys(buckets.second), [...keys, "manifests/team/app/v2/manifest.json"].sort());

    const skopeo = optionalProgram("skopeo");
    if (skopeo) {
      const args = ["copy", "--all", "--src-tls-verify=false", `docker://${end}:v1`, `dir:${folder.path}/skopeo`];
      const { code, stderr } = await new Deno.Command(skopeo, { args, stdout: "null", stderr: "piped" }).output();
      assert.equal(code, 0, new TextDecoder().decode(stderr));
      assert.deepEqual(await Deno.readFile(`${folder.path}/skopeo/manifest.json`), new Uint8Array(image.root.bytes));
    }

    const again = await s3loJson(["copy", "--endpoint", buckets.endpoint, hops[1]!, hops[2]!], options);
    assert.equal(again.blobs_copied, 0);
    assert.ok(again.blobs_skipped > 0);
  });
}

Deno.test("copy counts entries of unknown platform as attestations, as inspect and push do", async () => {
  await using folder = await tempFolder();
  const platforms = [{ os: "linux", architecture: "amd64" }, { os: "unknown", architecture: "unknown" }];
  const index = indexOf(platforms.map((platform, seed) => singleImage(platform, { seed })));
  const document = JSON.parse(new TextDecoder().decode(index.root.bytes));
  for (const [at, entry] of document.manifests.entries()) entry.platform = platforms[at];
  const root = readManifest(new TextEncoder().encode(JSON.stringify(document)), "index");
  await writeStore(`${folder.path}/from`, "app", "v1", { ...index, root });
  const report = await s3loJson(["copy", `local://${folder.path}/from//app:v1`, `local://${folder.path}/to//app:v1`]);
  assert.deepEqual([report.platforms, report.attestations], [1, 1]);
});

serviceTest(
  "copy and inspect read archives that have to be unpacked: compressed ones, and one from stdin",
  ["registry", "minio"],
  async (services) => {
    await using folder = await tempFolder();
    using buckets = await makeBuckets(services.minio);
    const options = { env: buckets.env };
    await writeStore(`${folder.path}/store`, "app", "v1", image);
    await s3loOk(["copy", `local://${folder.path}/store//app:v1`, `oci-archive:${folder.path}/app.tar`]);
    const packed = (await Deno.open(`${folder.path}/app.tar`)).readable.pipeThrough(new CompressionStream("gzip"));
    await Deno.writeFile(`${folder.path}/app.tar.gz`, packed);
    const archive = `oci-archive:${folder.path}/app.tar.gz`;
    assert.equal((await s3loJson(["inspect", archive])).digest, image.root.descriptor.digest);
    for (const target of [`s3://${buckets.first}/app:v1`, `${repository(services.registry)}:v1`]) {
      const report = await s3loJson(["copy", "--endpoint", buckets.endpoint, archive, target], options);
      assert.equal(report.digest, image.root.descriptor.digest, target);
    }
    const stdin = await Deno.readFile(`${folder.path}/app.tar`);
    const piped = await s3loJson(["copy", "oci-archive:-", `${repository(services.registry)}:v1`], { stdin });
    assert.equal(piped.digest, image.root.descriptor.digest);
  },
);

async function copyAndInspectDaemon(services: Record<ServiceName, string>, socket: string): Promise<void> {
  await using folder = await tempFolder();
  using buckets = await makeBuckets(services.minio);
  const options = { env: buckets.env };
  const host = ["--docker-host", `unix://${socket}`];
  const name = `cli-${crypto.randomUUID().slice(0, 8)}:v1`;
  await writeStore(folder.path, "app", "v1", singleImage({ os: "linux", architecture: "amd64" }));
  await s3loOk(["copy", ...host, `local://${folder.path}//app:v1`, `docker-daemon:${name}`]);
  const { layers } = await s3loJson(["inspect", ...host, `docker-daemon:${name}`]);
  for (const target of [`s3://${buckets.first}/app:v1`, `${repository(services.registry)}:v1`]) {
    await s3loOk(["copy", ...host, "--endpoint", buckets.endpoint, `docker-daemon:${name}`, target], options);
    const copied = await s3loJson(["inspect", "--endpoint", buckets.endpoint, target], options);
    assert.equal(copied.layers.length, layers.length, target);
  }
  assert.equal((await engine(socket, "DELETE", `/images/${name}`)).status, 200);
}

// Docker 20 keeps no compressed layers: what it exports is compressed by zstd on the way.
zstdTest(
  serviceTest,
  "copy and inspect read docker20 through its socket, for a registry and a bucket too",
  ["registry", "minio", "docker20"],
  (services) => copyAndInspectDaemon(services, services.docker20),
);

serviceTest(
  "copy and inspect read docker29 through its socket, for a registry and a bucket too",
  ["registry", "minio", "docker29"],
  (services) => copyAndInspectDaemon(services, services.docker29),
);

serviceTest(
  "copy --platform stores the manifest that the index names, or an index of several",
  ["registry"],
  async (services) => {
    await using folder = await tempFolder();
    const target = repository(services.registry);
    await writeStore(folder.path, "app", "v1", image);
    const source = `local://${folder.path}//app:v1`;
    const single = await s3lo(["copy", "--platform", "linux/amd64", source, `${target}:amd64`, "-o", "json"]);
    assert.equal(JSON.parse(single.stdout).digest, image.platforms.get("linux/amd64")!.descriptor.digest);
    assert.match(single.stderr, /digest changes/);
    const several = await s3loJson(["copy", "--platform", "linux/amd64,linux/arm/v7", source, `${target}:two`]);
    assert.equal(several.platforms, 2);
    assert.equal(several.attestations, 2);
    assert.equal(several.source_digest, image.root.descriptor.digest);
    const skopeo = optionalProgram("skopeo");
    if (skopeo) {
      const args = ["copy", "--all", "--src-tls-verify=false", `docker://${target}:two`, `dir:${folder.path}/two`];
      assert.equal((await new Deno.Command(skopeo, { args, stdout: "null", stderr: "null" }).output()).code, 0);
      assert.equal(JSON.parse(await Deno.readTextFile(`${folder.path}/two/manifest.json`)).manifests.length, 4);
    }
    const repeated = await s3loJson([
      "copy",
      "--platform",
      "linux/amd64",
      "--platform",
      "linux/arm/v7",
      source,
      `${target}:three`,
    ]);
    assert.equal(repeated.digest, several.digest);
  },
);

Deno.test("copy fails before it writes anything when one of several platforms is missing", async () => {
  await using folder = await tempFolder();
  await writeStore(`${folder.path}/a`, "app", "v1", image);
  const run = await s3lo([
    "copy",
    "--platform",
    "linux/amd64,linux/mips64",
    `local://${folder.path}/a//app:v1`,
    `local://${folder.path}/b//app:v1`,
  ]);
  assert.equal(run.code, 1);
  assert.match(run.stderr, /Cannot find platform linux\/mips64 .*linux\/amd64, linux\/arm64/);
  assert.deepEqual((await Array.fromAsync(Deno.readDir(folder.path))).map(({ name }) => name), ["a"]);
});

Deno.test("copy --dry-run says what would move and writes nothing", async () => {
  await using folder = await tempFolder();
  await writeStore(`${folder.path}/a`, "app", "v1", image);
  const report = await s3loJson([
    "copy",
    "--dry-run",
    `local://${folder.path}/a//app:v1`,
    `local://${folder.path}/b//app:v1`,
  ]);
  assert.equal(report.dry_run, true);
  assert.ok(report.blobs_copied > 0 && report.bytes_copied > 0);
  assert.deepEqual((await Array.fromAsync(Deno.readDir(folder.path))).map(({ name }) => name), ["a"]);
});

Deno.test("copy refuses a tag that s3lo.yaml protects, before it moves anything, unless forced", async () => {
  await using folder = await tempFolder();
  const other = multiImage({ seed: 12 });
  await writeStore(`${folder.path}/a`, "app", "v1", image);
  await writeStore(`${folder.path}/b`, "app", "v1", other);
  await Deno.writeTextFile(`${folder.path}/b/s3lo.yaml`, "default:\n    immutable: true\n");
  const args = ["copy", `local://${folder.path}/a//app:v1`, `local://${folder.path}/b//app:v1`];
  const before = await listFiles(`${folder.path}/b`);
  const refused = await s3lo(args);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /immutable.*\n.*--force/);
  assert.deepEqual((await listFiles(`${folder.path}/b`)).filter((path) => !path.startsWith(".s3lo")), before);
  await s3loOk([...args, "--force"]);
  assert.deepEqual(await readStoredTag(`${folder.path}/b`, "app", "v1"), new Uint8Array(image.root.bytes));
  await s3loOk(args); // the same image again is no change
  await s3loOk(["copy", `local://${folder.path}/a//app:v1`, `local://${folder.path}/b//app:v2`]); // a new tag is fine
});

serviceTest("copy --all-tags copies every tag and names those that fail", ["registry", "minio"], async (services) => {
  await using folder = await tempFolder();
  using buckets = await makeBuckets(services.minio);
  const source = `local://${folder.path}//app`;
  for (const tag of ["v1", "v2", "v3"]) {
    await writeStore(folder.path, "app", tag, multiImage({ seed: tag.charCodeAt(1) }));
  }
  const options = { env: buckets.env };
  const target = repository(services.registry);
  const report = await s3loJson(["copy", "-a", source, target], options);
  assert.deepEqual(
    report.images.map((each: { reference: string }) => each.reference),
    ["v1", "v2", "v3"].map((tag) => `${target}:${tag}`),
  );
  assert.equal(await s3loOk(["list", target]), ["v1", "v2", "v3"].map((tag) => `${target}:${tag}\n`).join(""));
  const broken = [...multiImage({ seed: "v2".charCodeAt(1) }).platforms.values()][0]!;
  await Deno.remove(`${folder.path}/blobs/sha256/${hexOf(broken.descriptor.digest)}`);
  const partly = await s3lo(
    ["copy", "-a", "--endpoint", buckets.endpoint, source, `s3://${buckets.first}/app`],
    options,
  );
  assert.equal(partly.code, 1);
  assert.match(partly.stderr, /app:v2: .*the index names it and it is not there/);
  const tags = (await buckets.keys(buckets.first)).filter((key) => key.startsWith("manifests/"));
  assert.deepEqual(tags, ["manifests/app/v1/manifest.json", "manifests/app/v3/manifest.json"]);
});

serviceTest("copy --include-referrers carries signatures and SBOMs through a bucket", [
  "registry",
  "oldRegistry",
  "minio",
], async (services) => {
  await using folder = await tempFolder();
  using buckets = await makeBuckets(services.minio);
  const options = { env: buckets.env };
  const child = image.platforms.get("linux/amd64")!;
  const referrers = [
    referrerOf(image.root, "application/vnd.example.signature", new Uint8Array([1])),
    referrerOf(child, "application/vnd.example.sbom", new Uint8Array([2])),
  ];
  const [start, end] = [repository(services.registry), repository(services.oldRegistry)];
  await writeStore(folder.path, "app", "v1", image);
  for (const [index, referrer] of referrers.entries()) await writeStore(folder.path, "app", `ref${index}`, referrer);
  for (const tag of ["v1", "ref0", "ref1"]) {
    await s3loOk(["copy", `local://${folder.path}//app:${tag}`, `${start}:${tag}`]);
  }
  const args = ["copy", "--include-referrers", "--endpoint", buckets.endpoint];
  assert.equal((await s3loJson([...args, `${start}:v1`, `s3://${buckets.first}/app:v1`], options)).referrers_copied, 2);
  assert.equal((await s3loJson([...args, `s3://${buckets.first}/app:v1`, `${end}:v1`], options)).referrers_copied, 2);
  assert.equal(
    (await s3loJson([...args, `${end}:v1`, `local://${folder.path}/end//app:v1`], options)).referrers_copied,
    2,
  );
  const report = await s3loJson(["inspect", `local://${folder.path}/end//app:v1`]);
  assert.deepEqual(report.referrers.map((each: { artifact_type: string }) => each.artifact_type), [
    "application/vnd.example.signature",
  ]);
  const plain = await s3loOk(["list", `local://${folder.path}/end`]);
  assert.equal(plain, "app:v1\n");
  assert.match(await s3loOk(["list", "--all", `local://${folder.path}/end`]), /app:sha256-/);
});

Deno.test("copy killed at any moment leaves no tag whose blobs are incomplete, and the next run completes", async () => {
  await using folder = await tempFolder();
  const big = multiImage({ seed: 21, platforms: SEVEN, layersPerPlatform: 3, layerBytes: 400_000, sharedLayer: false });
  await writeStore(`${folder.path}/a`, "app", "v1", big);
  const args = ["copy", "-q", `local://${folder.path}/a//app:v1`];
  const started = performance.now();
  await s3loOk([...args, `local://${folder.path}/whole//app:v1`]);
  const wholeMs = performance.now() - started;
  for (let round = 0; round < 20; round++) {
    const target = `${folder.path}/b${round % 4}`;
    await s3lo([...args, `local://${target}//app:v1`], { killAfterMs: wholeMs * (0.3 + 0.7 * round / 20) });
    if (await readStoredTag(target, "app", "v1")) await checkBlobs(target, big);
  }
  for (let store = 0; store < 4; store++) {
    await s3loOk([...args, `local://${folder.path}/b${store}//app:v1`]);
    await checkBlobs(`${folder.path}/b${store}`, big);
  }
});

const COMPLETE = SEVEN.map((platform) => platform === "linux/arm64" ? "linux/arm/v6" : platform).join(",");

const REAL = "copy carries the complete platforms of a real image through a registry and a bucket";
fixtureTest(REAL, "s3lo-store", ["registry", "minio"], async (fixture, services) => {
  await using folder = await tempFolder();
  using buckets = await makeBuckets(services.minio);
  const options = { env: buckets.env };
  const target = repository(services.registry);
  const args = ["copy", "--endpoint", buckets.endpoint];
  const first = await s3loJson(
    [...args, "--platform", COMPLETE, `local://${fixture}//alpine:latest`, `${target}:7`],
    options,
  );
  assert.equal(first.platforms, 7);
  await s3loOk([...args, `${target}:7`, `s3://${buckets.first}/alpine:7`], options);
  const last = await s3loJson(
    [...args, `s3://${buckets.first}/alpine:7`, `local://${folder.path}/end//alpine:7`],
    options,
  );
  assert.equal(last.digest, first.digest);
  const text = await s3loOk(["inspect", "--endpoint", buckets.endpoint, `s3://${buckets.first}/alpine:7`], options);
  assert.match(
    text,
    /Type: multi-arch image index \(7 platform\(s\)\)\nPlatform: linux\/amd64 {5}Layers: 1 {2}Size: 3\.86 MB/,
  );
});

fixtureTest(
  "copy of a damaged store names the missing blob and its platform, and leaves no tag",
  "s3lo-store",
  [],
  async (fixture) => {
    await using folder = await tempFolder();
    const run = await s3lo(["copy", `local://${fixture}//alpine:latest`, `local://${folder.path}/b//alpine:latest`]);
    assert.equal(run.code, 1);
    assert.match(run.stderr, /Error: Cannot copy layer "sha256:d8ad8cd72600[0-9a-f]{52}" of linux\/arm64\/v8 from/);
    assert.equal(await readStoredTag(`${folder.path}/b`, "alpine", "latest"), undefined);
    assert.match(
      await s3loOk(["inspect", `local://${fixture}//alpine:latest`]),
      /8 platform\(s\)[\s\S]*Attestations: 8/,
    );
  },
);

zstdTest(
  fixtureTest,
  "copy between folders keeps the chunks of the Go tool, key for key",
  "go-chunked",
  [],
  async (chunked) => {
    await using folder = await tempFolder();
    for (const tag of ["v1", "v2"]) {
      await s3loOk(["copy", `local://${chunked}//team/app:${tag}`, `local://${folder.path}/b//team/app:${tag}`]);
    }
    const own = (paths: string[]) =>
      paths.filter((path) => !path.startsWith(".s3lo/") && !path.includes("/signatures/"));
    assert.deepEqual(own(await listFiles(`${folder.path}/b`)), own(await listFiles(chunked)));
    for (const path of own(await listFiles(chunked))) {
      assert.deepEqual(
        await Deno.readFile(`${folder.path}/b/${path}`),
        await Deno.readFile(`${chunked}/${path}`),
        path,
      );
    }
  },
);
