/**
 * Cosign keeps signatures, attestations and SBOMs under tags that are made of a digest. They belong to the image as
 * referrers do: `--include-referrers` takes them along between all places that have tags, for the entries of an index too.
 */
import assert from "node:assert/strict";
import { hexOf } from "../../src/oci/digest.ts";
import type { Manifest } from "../../src/oci/manifest.ts";
import { parsePlatform } from "../../src/oci/platform.ts";
import { multiImage, referrerOf, singleImage } from "../support/images.ts";
import { serviceTest } from "../support/services.ts";
import { makeBuckets, readStoredTag, tempFolder, writeStore } from "./places.ts";
import { s3lo, s3loJson, s3loOk } from "./program.ts";

const image = multiImage({ seed: 77, platforms: ["linux/amd64", "linux/arm64"] });
const child = image.platforms.get("linux/arm64")!;

/** What lies at cosign's tags: any manifest will do. The last one is the signature of an SBOM. */
const sbom = singleImage(parsePlatform("linux/amd64"), { seed: 81 });
const TAGGED = [
  { tag: tagOf(image.root, "sig"), content: singleImage(parsePlatform("linux/amd64"), { seed: 78 }) },
  { tag: tagOf(image.root, "att"), content: singleImage(parsePlatform("linux/amd64"), { seed: 79 }) },
  { tag: tagOf(child, "sig"), content: singleImage(parsePlatform("linux/amd64"), { seed: 80 }) },
  { tag: tagOf(child, "sbom"), content: sbom },
  { tag: tagOf(sbom.root, "sig"), content: singleImage(parsePlatform("linux/amd64"), { seed: 82 }) },
];

function tagOf({ descriptor }: Manifest, end: string): string {
  return `sha256-${hexOf(descriptor.digest)}.${end}`;
}

/** A store with the image, its tags, and the signature of another image. */
async function signedStore(folder: string): Promise<void> {
  await writeStore(folder, "app", "v1", image);
  for (const { tag, content } of TAGGED) await writeStore(folder, "app", tag, content);
  await writeStore(folder, "app", `sha256-${"a".repeat(64)}.sig`, TAGGED[0]!.content);
}

async function assertSigned(folder: string): Promise<void> {
  for (const { tag, content } of TAGGED) {
    assert.deepEqual(await readStoredTag(folder, "app", tag), content.root.bytes, tag);
  }
  const listed = await s3loOk(["list", "--all", `local://${folder}`]);
  assert.deepEqual(listed.trim().split("\n").sort(), ["app:v1", ...TAGGED.map(({ tag }) => `app:${tag}`)].sort());
}

Deno.test("copy --include-referrers takes cosign's tags along, those of an index's entries and of an SBOM too", async () => {
  await using folder = await tempFolder();
  await signedStore(`${folder.path}/a`);
  const source = `local://${folder.path}/a//app:v1`;
  const report = await s3loJson(["copy", "--include-referrers", source, `local://${folder.path}/b//app:v1`]);
  assert.equal(report.referrers_copied, TAGGED.length);
  assert.equal(report.referrer_tags_dropped, 0);
  await assertSigned(`${folder.path}/b`);
  await s3loOk(["copy", source, `local://${folder.path}/plain//app:v1`]);
  assert.equal(await s3loOk(["list", "--all", `local://${folder.path}/plain`]), "app:v1\n");
  const pinned = `${source.replace(/:v1$/, "")}@${image.root.descriptor.digest}`;
  await s3loOk(["copy", "--include-referrers", pinned, `local://${folder.path}/c//app:v1`]);
  await assertSigned(`${folder.path}/c`);
});

Deno.test("what cannot hold cosign's tags says how many it leaves out", async () => {
  await using folder = await tempFolder();
  await signedStore(`${folder.path}/a`);
  const source = `local://${folder.path}/a//app:v1`;
  for (
    const args of [
      ["copy", "--include-referrers", source, `oci:${folder.path}/layout:v1`],
      ["copy", "--include-referrers", source, `oci-archive:${folder.path}/out.tar`],
      ["bundle", "save", "--include-referrers", "-f", `${folder.path}/bundle.tar`, source],
    ]
  ) {
    const run = await s3lo(args);
    assert.equal(run.code, 0, run.stderr);
    assert.match(run.stderr, /Note: 5 tags of cosign/, args.join(" "));
  }
});

Deno.test("what can hold the image alone takes no referrers, and says how many it leaves out", async () => {
  await using folder = await tempFolder();
  const single = singleImage(parsePlatform("linux/amd64"), { seed: 83 });
  const signature = referrerOf(single.root, "application/vnd.example.signature", new Uint8Array([7, 7]));
  await writeStore(folder.path, "app", "v1", single);
  await writeStore(folder.path, "app", "ref", signature);
  await s3loOk(["copy", `local://${folder.path}//app:ref`, `local://${folder.path}/b//app:ref`]);
  await s3loOk(["copy", `local://${folder.path}//app:v1`, `local://${folder.path}/b//app:v1`]);
  const args = ["copy", "--include-referrers", `local://${folder.path}/b//app:v1`];
  const run = await s3lo([...args, "-o", "json", `docker-archive:${folder.path}/out.tar`]);
  assert.equal(run.code, 0, run.stderr);
  assert.match(run.stderr, /Note: 1 referrer \(signatures, SBOMs\) not copied/);
  const { referrers_copied, referrers_dropped, blobs_copied } = JSON.parse(run.stdout);
  assert.deepEqual([referrers_copied, referrers_dropped], [0, 1]);
  assert.equal(blobs_copied, single.blobs.size, "nothing of the signature is read");
  assert.equal((await s3loJson([...args, `oci:${folder.path}/layout:v1`])).referrers_copied, 1);
});

Deno.test("a protected tag of cosign is not replaced, unless forced, and nothing is published", async () => {
  await using folder = await tempFolder();
  await signedStore(`${folder.path}/a`);
  const target = `${folder.path}/b`;
  const [first] = TAGGED;
  await writeStore(target, "app", first!.tag, sbom);
  await Deno.writeTextFile(`${target}/s3lo.yaml`, "default:\n    immutable: true\n");
  const args = ["copy", "--include-referrers", `local://${folder.path}/a//app:v1`, `local://${target}//app:v1`];
  const run = await s3lo(args);
  assert.equal(run.code, 1);
  assert.match(run.stderr, /\.sig" of "app" exists and is immutable/);
  assert.equal(await readStoredTag(target, "app", "v1"), undefined);
  assert.deepEqual(await readStoredTag(target, "app", first!.tag), sbom.root.bytes);
  await s3loOk([...args, "--force"]);
  await assertSigned(target);
});

serviceTest("cosign's tags go through registries and buckets", ["registry", "minio"], async (services) => {
  await using folder = await tempFolder();
  using buckets = await makeBuckets(services.minio);
  const options = { env: buckets.env };
  await signedStore(`${folder.path}/a`);
  const registry = `${new URL(services.registry).host}/graph-${crypto.randomUUID().slice(0, 8)}/app:v1`;
  const places = [
    `local://${folder.path}/a//app:v1`,
    registry,
    `s3://${buckets.first}/app:v1`,
    registry.replace("/app:", "/again:"),
    `local://${folder.path}/end//app:v1`,
  ];
  for (const [index, place] of places.slice(1).entries()) {
    const report = await s3loJson(
      ["copy", "--include-referrers", "--endpoint", buckets.endpoint, places[index]!, place],
      options,
    );
    assert.equal(report.referrers_copied, TAGGED.length, place);
  }
  await assertSigned(`${folder.path}/end`);
});
