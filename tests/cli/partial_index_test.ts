import assert from "node:assert/strict";
import { blobPath, type Digest, digestOf } from "../../src/oci/digest.ts";
import { jsonBytes } from "../../src/oci/json.ts";
import { blobsOf, type Manifest, readManifest } from "../../src/oci/manifest.ts";
import { rawTar } from "../archive/support.ts";
import { multiImage, type TestImage } from "../support/images.ts";
import { attestationMembers, oddImage, oddIndex, platformMember } from "../support/odd_images.ts";
import { serviceTest } from "../support/services.ts";
import { engine } from "./daemons.ts";
import { listFiles, readStoredTag, tempFolder, writeStore } from "./places.ts";
import { s3lo, s3loJson, s3loOk } from "./program.ts";

/**
 * What `docker save` of Docker 29 writes of an image of many platforms of which one was pulled: the whole index, and of the
 * other platforms nothing, or their manifests alone. Every way to read such an archive takes what is whole and names the
 * rest; no index that is written names what is not there.
 */

const image = multiImage({ seed: 53, attestations: true });
const entries = image.root.content.kind === "index" ? image.root.content.manifests : [];
const [amd64, arm64, arm] = ["linux/amd64", "linux/arm64", "linux/arm/v7"].map((name) => image.platforms.get(name)!);

function blobDigests(manifest: Manifest): Digest[] {
  return blobsOf(manifest.content).blobs.map((blob) => blob.digest);
}

/** The attestations of the image, in the order of its platforms. */
const attestations = entries.slice(3);

/** All of it but arm/v7 and what attests to it, of which nothing is there, and the layers of arm64. */
function partOf(lost: readonly Digest[] = []): TestImage {
  const kept = new Map(image.blobs);
  const own = new Set([...blobDigests(amd64!), amd64!.descriptor.digest]);
  for (const digest of [arm!.descriptor.digest, ...[...blobDigests(arm!), ...blobDigests(arm64!)], ...lost]) {
    if (!own.has(digest) || lost.includes(digest)) kept.delete(digest);
  }
  kept.delete(attestations[2]!.digest);
  return { ...image, blobs: kept };
}

function files({ root, blobs }: TestImage, isDocker: boolean): { name: string; content: Uint8Array }[] {
  const { mediaType, digest, size } = root.descriptor;
  const annotations = { "io.containerd.image.name": "docker.io/library/app:v1" };
  const content = amd64!.content;
  const list = content.kind === "image"
    ? [{
      Config: blobPath(content.config.digest),
      RepoTags: ["app:v1"],
      Layers: content.layers.map((layer) => blobPath(layer.digest)),
    }]
    : [];
  return [
    ...[...blobs, [digest, root.bytes] as const].map(([digest, content]) => ({ name: blobPath(digest), content })),
    {
      name: "index.json",
      content: jsonBytes({ schemaVersion: 2, manifests: [{ mediaType, digest, size, annotations }] }),
    },
    { name: "oci-layout", content: jsonBytes({ imageLayoutVersion: "1.0.0" }) },
    ...(isDocker ? [{ name: "manifest.json", content: jsonBytes(list) }] : []),
  ];
}

async function writeArchive(path: string, part: TestImage, isDocker = true): Promise<Uint8Array> {
  const bytes = rawTar(files(part, isDocker));
  await Deno.writeFile(path, bytes);
  return bytes;
}

async function writeLayout(path: string, part: TestImage): Promise<void> {
  await Deno.mkdir(`${path}/blobs/sha256`, { recursive: true });
  for (const { name, content } of files(part, false)) await Deno.writeFile(`${path}/${name}`, content);
}

/** The digests that a stored index names; each of them must be there, with all that it names. */
async function storedEntries(folder: string, tag: string): Promise<Digest[]> {
  const bytes = await readStoredTag(folder, "app", tag);
  const root = readManifest(new Uint8Array(bytes!), "stored root");
  assert.ok(root.content.kind === "index");
  for (const entry of root.content.manifests) {
    const child = await Deno.readFile(`${folder}/${blobPath(entry.digest)}`);
    assert.equal(digestOf(child), entry.digest);
    for (const digest of blobDigests(readManifest(child, "stored child"))) {
      assert.equal(digestOf(await Deno.readFile(`${folder}/${blobPath(digest)}`)), digest);
    }
  }
  return root.content.manifests.map((entry) => entry.digest);
}

const MISSING = ["linux/arm64", "linux/arm/v7"];

Deno.test("push --file pushes the one platform that is whole, as from the daemon itself, and names the others", async () => {
  await using folder = await tempFolder();
  const saved = await writeArchive(`${folder.path}/m.tar`, partOf());
  for (const [path, stdin] of [[`${folder.path}/m.tar`, undefined], ["-", saved]] as const) {
    const run = await s3lo(
      ["push", "-o", "json", "-f", path, `local://${folder.path}/out//app:v1`],
      stdin === undefined ? {} : { stdin },
    );
    assert.equal(run.code, 0, run.stderr);
    const report = JSON.parse(run.stdout);
    assert.equal(report.digest, amd64!.descriptor.digest);
    assert.deepEqual(report.platforms, ["linux/amd64"]);
    assert.deepEqual(report.platforms_missing, MISSING);
    assert.match(run.stderr, /^Note: left out, since not all of it is in .*: linux\/arm64, linux\/arm\/v7$/m);
    assert.doesNotMatch(run.stderr, /there was no manifest/);
  }
});

Deno.test("push --file --all-platforms keeps the index and the attestation of what is whole", async () => {
  await using folder = await tempFolder();
  await writeArchive(`${folder.path}/m.tar`, partOf());
  const target = `local://${folder.path}/out//app:v1`;
  const report = await s3loJson(["push", "--all-platforms", "-f", `${folder.path}/m.tar`, target]);
  assert.equal(report.attestations, 1);
  assert.deepEqual(report.platforms_missing, MISSING);
  assert.equal("attestations_missing" in report, false);
  assert.deepEqual(
    await storedEntries(`${folder.path}/out`, "v1"),
    [amd64!.descriptor.digest, attestations[0]!.digest],
  );
});

for (const kind of ["oci-archive", "docker-archive", "oci"] as const) {
  Deno.test(`copy ${kind}: copies what is whole, and says what is not`, async () => {
    await using folder = await tempFolder();
    const path = `${folder.path}/m`;
    if (kind !== "oci") await writeArchive(path, partOf(), kind === "docker-archive");
    // A folder lacks manifests that its index names; see the next test for what a manifest names.
    else await writeLayout(path, partOf([arm64!.descriptor.digest]));
    const run = await s3lo(["copy", "-o", "json", `${kind}:${path}`, `local://${folder.path}/out//app:v1`]);
    assert.equal(run.code, 0, run.stderr);
    const report = JSON.parse(run.stdout);
    assert.deepEqual(report.platforms_missing, MISSING);
    assert.equal(report.source_digest, image.root.descriptor.digest);
    assert.match(run.stderr, /left out, since not all of it is in .*: linux\/arm64, linux\/arm\/v7/);
    assert.match(run.stderr, /the digest changes, since not all platforms are there/);
    assert.deepEqual(
      await storedEntries(`${folder.path}/out`, "v1"),
      [amd64!.descriptor.digest, attestations[0]!.digest],
    );
  });
}

Deno.test("copy oci: fails where a manifest is there and a layer of it is lost", async () => {
  await using folder = await tempFolder();
  await writeLayout(`${folder.path}/layout`, partOf());
  const run = await s3lo(["copy", `oci:${folder.path}/layout`, `local://${folder.path}/out//app:v1`]);
  assert.equal(run.code, 1);
  assert.ok(blobDigests(arm64!).some((digest) => run.stderr.includes(digest)), run.stderr);
  assert.equal(await readStoredTag(`${folder.path}/out`, "app", "v1"), undefined);
  // What is there can be had by name.
  const args = ["copy", "--platform", "linux/amd64", `oci:${folder.path}/layout`, `local://${folder.path}/out//app:v1`];
  assert.equal((await s3loJson(args)).digest, amd64!.descriptor.digest);
});

Deno.test("a platform that was asked for and is not whole is an error that lists what is there", async () => {
  await using folder = await tempFolder();
  const path = `${folder.path}/m.tar`;
  await writeArchive(path, partOf());
  const target = `local://${folder.path}/out//app:v1`;
  for (const platform of MISSING) {
    for (
      const args of [["push", "-f", path], ["copy", `oci-archive:${path}`], ["copy", `docker-archive:${path}`]]
    ) {
      const run = await s3lo([...args, "--platform", platform, target]);
      assert.equal(run.code, 1, args.join(" "));
      assert.match(run.stderr, new RegExp(`Cannot find platform ${platform} in .* \\(there: linux/amd64\\)`));
    }
  }
  assert.equal((await listFiles(folder.path)).filter((name) => name.startsWith("out/manifests")).length, 0);
});

Deno.test("an archive that holds nothing whole, or lacks an attestation, says so", async () => {
  await using folder = await tempFolder();
  const target = `local://${folder.path}/out//app`;
  await writeArchive(`${folder.path}/none.tar`, partOf([amd64!.descriptor.digest]));
  const run = await s3lo(["push", "-f", `${folder.path}/none.tar`, `${target}:none`]);
  assert.equal(run.code, 1);
  assert.match(run.stderr, /holds nothing whole of what it names: linux\/amd64, linux\/arm64, linux\/arm\/v7/);
  await writeArchive(`${folder.path}/att.tar`, partOf([attestations[0]!.digest]));
  const report = await s3loJson(["push", "--all-platforms", "-f", `${folder.path}/att.tar`, `${target}:att`]);
  assert.equal(report.attestations_missing, 1);
  assert.deepEqual(await storedEntries(`${folder.path}/out`, "att"), [amd64!.descriptor.digest]);
});

Deno.test("what is whole of a nested index takes its place, and a whole one stays", async () => {
  await using folder = await tempFolder();
  const [one, two, three] = [1, 2, 3].map((seed) => oddImage({ seed: 530 + seed }));
  const whole = oddIndex([{ image: one!, members: platformMember("linux/amd64") }]);
  const part = oddIndex([
    { image: two!, members: platformMember("linux/arm64") },
    { image: three!, members: platformMember("linux/s390x") },
    { image: oddImage({ seed: 539 }), members: attestationMembers(three!.root) },
  ]);
  const nested = oddIndex([{ image: whole }, { image: part }]);
  const blobs = new Map(nested.blobs);
  blobs.delete(three!.root.descriptor.digest);
  await writeArchive(`${folder.path}/m.tar`, { ...nested, blobs }, false);
  const target = `local://${folder.path}/out//app:v1`;
  const report = await s3loJson(["copy", `oci-archive:${folder.path}/m.tar`, target]);
  assert.deepEqual(report.platforms_missing, ["linux/s390x"]);
  const root = readManifest(new Uint8Array((await readStoredTag(`${folder.path}/out`, "app", "v1"))!), "root");
  assert.ok(root.content.kind === "index");
  assert.deepEqual(
    root.content.manifests.map((entry) => entry.digest),
    [whole.root.descriptor.digest, two!.root.descriptor.digest],
  );
});

Deno.test("bundle save, index create and pull take the same part and name the rest", async () => {
  await using folder = await tempFolder();
  await writeArchive(`${folder.path}/m.tar`, partOf());
  const source = `oci-archive:${folder.path}/m.tar`;
  const bundle = await s3loJson(["bundle", "save", "-f", `${folder.path}/b.tar`, `${source} as app:v1`]);
  assert.deepEqual(bundle.images[0].platforms_missing, MISSING);
  const index = await s3loJson(["index", "create", `local://${folder.path}/out//app:v1`, source]);
  assert.deepEqual(index.platforms_missing, MISSING);
  assert.equal((await storedEntries(`${folder.path}/out`, "v1")).length, 2);
  const all = await s3loJson(["pull", "--all-platforms", "-f", `${folder.path}/all.tar`, source, "app:v1"]);
  assert.deepEqual(all.platforms_missing, MISSING);
  const run = await s3lo(["pull", "--platform", "linux/arm64", "-f", `${folder.path}/arm.tar`, source, "app:v1"]);
  assert.match(run.stderr, /Cannot find platform linux\/arm64 in .* \(there: linux\/amd64\)/);
});

serviceTest("push --file takes what Docker 29 saves of an image of which it has pulled one platform", [
  "docker29",
  "registry",
], async (services) => {
  await using folder = await tempFolder();
  await writeStore(folder.path, "app", "v1", image);
  const host = new URL(services.registry).host;
  const name = `${host}/s3lo-partial-${Date.now().toString(36)}/app`;
  await s3loOk(["copy", `local://${folder.path}//app:v1`, `${name}:v1`]);
  const socket = services.docker29;
  const pulled = await engine(socket, "POST", `/images/create?fromImage=${encodeURIComponent(name)}&tag=v1`);
  assert.equal(pulled.status, 200, pulled.body);
  assert.doesNotMatch(pulled.body, /errorDetail/);
  using client = Deno.createHttpClient({ proxy: { transport: "unix", path: socket } });
  const saved = await fetch(`http://localhost/images/get?names=${encodeURIComponent(`${name}:v1`)}`, { client });
  await Deno.writeFile(`${folder.path}/m.tar`, saved.body!);
  try {
    const target = `local://${folder.path}/out//app`;
    const fromFile = await s3loJson(["push", "-f", `${folder.path}/m.tar`, `${target}:file`]);
    const args = ["push", "--docker-host", `unix://${socket}`, `${name}:v1`, `${target}:daemon`];
    const fromDaemon = await s3loJson(args);
    assert.equal(fromFile.digest, amd64!.descriptor.digest);
    assert.deepEqual(
      [fromFile.digest, fromFile.platforms, fromFile.platforms_missing],
      [fromDaemon.digest, fromDaemon.platforms, fromDaemon.platforms_missing],
    );
    for (const kind of ["oci-archive", "docker-archive"]) {
      const copied = await s3loJson(["copy", `${kind}:${folder.path}/m.tar`, `${target}:${kind}`]);
      assert.deepEqual(copied.platforms_missing, MISSING);
      assert.ok((await storedEntries(`${folder.path}/out`, kind)).includes(amd64!.descriptor.digest));
    }
  } finally {
    await engine(socket, "DELETE", `/images/${name}:v1`);
  }
});
