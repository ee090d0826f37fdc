import assert from "node:assert/strict";
import { hexOf } from "../../src/oci/digest.ts";
import { multiImage, referrerOf } from "../support/images.ts";
import { optionalProgram, serviceTest } from "../support/services.ts";
import { makeBuckets, tempFolder, writeStore } from "./places.ts";
import { s3lo, s3loJson, s3loOk } from "./program.ts";

const app = multiImage({ seed: 41, layerBytes: 200_000, attestations: true });
const db = multiImage({
  seed: 41,
  layerBytes: 200_000,
  layersPerPlatform: 3,
  platforms: ["linux/amd64", "linux/s390x"],
});
const newer = multiImage({ seed: 41, layerBytes: 200_000, layersPerPlatform: 4 });

for (const server of ["minio", "versity"] as const) {
  serviceTest(`a bundle of images of a bucket and a registry loads into ${server}, and again, and its delta`, [
    server,
    "registry",
  ], async (services) => {
    await using folder = await tempFolder();
    using buckets = await makeBuckets(services[server]);
    const options = { env: buckets.env };
    const endpoint = ["--endpoint", buckets.endpoint];
    const host = new URL(services.registry).host;
    const repository = `bundle-${crypto.randomUUID().slice(0, 8)}/db`;
    await writeStore(folder.path, "team/app", "v1", app);
    await writeStore(folder.path, "team/app", "v2", newer);
    await writeStore(folder.path, "db", "v2", db);
    for (const tag of ["v1", "v2"]) {
      const target = `s3://${buckets.first}/team/app:${tag}`;
      await s3loOk(["copy", ...endpoint, `local://${folder.path}//team/app:${tag}`, target], options);
    }
    await s3loOk(["copy", `local://${folder.path}//db:v2`, `${host}/${repository}:v2`]);
    const [file, delta] = [`${folder.path}/disk.tar`, `${folder.path}/delta.tar`];
    const refs = [`s3://${buckets.first}/team/app:v1`, `${host}/${repository}:v2`];
    const saved = await s3loJson(["bundle", "save", ...endpoint, "-f", file, "--split", "150kB", ...refs], options);
    const target = `s3://${buckets.second}/in`;
    const loaded = await s3loJson(["bundle", "load", ...endpoint, file, target], options);
    assert.deepEqual(
      loaded.images.map((image: { reference: string; digest: string }) => [image.reference, image.digest]),
      [[`${target}/team/app:v1`, app.root.descriptor.digest], [
        `${target}/${repository}:v2`,
        db.root.descriptor.digest,
      ]],
    );
    const keys = await buckets.keys(buckets.second);
    for (const blob of saved.blobs) assert.ok(keys.includes(`blobs/sha256/${blob.digest.slice(7)}`));
    const again = await s3loJson(["bundle", "load", ...endpoint, file, target], options);
    assert.ok(again.images.every((image: { bytes_copied: number }) => image.bytes_copied === 0));

    const next = [`s3://${buckets.first}/team/app:v2`];
    await s3loOk(["bundle", "save", ...endpoint, "-f", delta, "--since", file, ...next], options);
    const refused = await s3lo(["bundle", "load", ...endpoint, delta, `local://${folder.path}/new`], options);
    assert.match(refused.stderr, /relies on/);
    const moved = await s3loJson(["bundle", "load", ...endpoint, delta, target], options);
    assert.equal(moved.images[0].digest, newer.root.descriptor.digest);
    assert.ok(moved.images[0].bytes_skipped > 100_000);
    const end = await s3loJson(
      ["copy", ...endpoint, `${target}/team/app:v2`, `local://${folder.path}/end//app:v2`],
      options,
    );
    assert.equal(end.digest, newer.root.descriptor.digest, "every blob is there");
  });
}

serviceTest("a bundle loads into a registry, which takes shared blobs over by itself, and crane finds it whole", [
  "registry",
  "oldRegistry",
], async (services) => {
  await using folder = await tempFolder();
  await writeStore(`${folder.path}/src`, "team/app", "v1", app);
  await writeStore(`${folder.path}/src`, "team/app", "v2", newer);
  await writeStore(`${folder.path}/src`, "db", "v2", db);
  await writeStore(
    `${folder.path}/src`,
    "team/app",
    "sig",
    referrerOf(app.root, "application/vnd.example.signature", new Uint8Array([7])),
  );
  const ref = (name: string) => `local://${folder.path}/src//${name}`;
  await s3loOk(["copy", ref("team/app:v1"), `local://${folder.path}/signed//team/app:v1`]);
  await s3loOk(["copy", ref("team/app:sig"), `local://${folder.path}/signed//team/app:sig`]);
  const [file, delta] = [`${folder.path}/disk.tar`, `${folder.path}/delta.tar`];
  await s3loOk([
    "bundle",
    "save",
    "--include-referrers",
    "-f",
    file,
    `local://${folder.path}/signed//team/app:v1`,
    ref("db:v2"),
  ]);
  // Layers of the first bundle's team/app, needed by an image of another name.
  await s3loOk(["bundle", "save", "-f", delta, "--since", file, `${ref("team/app:v2")} as other/app:v2`]);
  for (const registry of [services.registry, services.oldRegistry]) {
    const target = `${new URL(registry).host}/bundle-${crypto.randomUUID().slice(0, 8)}`;
    const refused = await s3lo(["bundle", "load", delta, target]);
    assert.match(refused.stderr, /relies on .* of "other\/app:v2", which the target does not hold/);
    const loaded = await s3loJson(["bundle", "load", file, target]);
    assert.equal(loaded.images[0].referrers_copied, 1);
    assert.ok(loaded.images[1].blobs_linked >= 2, "mounted from the first image's repository");
    const again = await s3loJson(["bundle", "load", file, target]);
    assert.ok(again.images.every((image: { bytes_copied: number }) => image.bytes_copied === 0));
    const moved = await s3loJson(["bundle", "load", delta, target]);
    assert.ok(moved.images[0].bytes_linked > 100_000, "what the delta relies on comes from the other repository");
    const inspected = await s3loJson(["inspect", `${target}/team/app:v1`]);
    assert.equal(inspected.referrers.length, 1);
    const crane = optionalProgram("crane");
    // It takes attestations for images of layers that it does not know, so the one with attestations is left out.
    for (const name of crane ? ["db:v2", "other/app:v2"] : []) {
      const { code, stderr } = await new Deno.Command(crane!, {
        args: ["validate", "--insecure", "--remote", `${target}/${name}`],
        stdout: "null",
        stderr: "piped",
      }).output();
      assert.equal(code, 0, new TextDecoder().decode(stderr));
    }
  }
  // crane reads layouts from folders only.
  const crane = optionalProgram("crane");
  if (crane) {
    const unpacked = `${folder.path}/unpacked`;
    await Deno.mkdir(unpacked);
    await new Deno.Command("tar", { args: ["xf", file, "-C", unpacked] }).output();
    const target = `${new URL(services.registry).host}/crane-${crypto.randomUUID().slice(0, 8)}:all`;
    const pushed = await new Deno.Command(crane, {
      args: ["push", "--insecure", "--index", unpacked, target],
      stdout: "piped",
      stderr: "piped",
    }).output();
    assert.equal(pushed.code, 0, new TextDecoder().decode(pushed.stderr));
    const root = await s3loJson(["inspect", target.replace(":all", `@${app.root.descriptor.digest}`)]);
    assert.equal(root.digest, app.root.descriptor.digest);
  }
});

serviceTest("a bundle of single images loads into podman and Docker without us", ["podman", "docker29"], async () => {
  await using folder = await tempFolder();
  await writeStore(folder.path, "team/app", "v1", app);
  await writeStore(folder.path, "db", "v2", db);
  const file = `${folder.path}/disk.tar`;
  const refs = ["team/app:v1", "db:v2"].map((name) => `local://${folder.path}//${name}`);
  await s3loOk(["bundle", "save", "-f", file, "--platform", "linux/amd64", ...refs]);
  for (const variable of ["S3LO_TEST_PODMAN", "S3LO_TEST_DOCKER29"]) {
    const docker = ["-H", `unix://${Deno.env.get(variable)}`];
    const loaded = await new Deno.Command("docker", { args: [...docker, "load", "-i", file], stderr: "piped" })
      .output();
    assert.equal(loaded.code, 0, new TextDecoder().decode(loaded.stderr));
    for (const [name, image] of [["team/app:v1", app], ["db:v2", db]] as const) {
      const content = image.platforms.get("linux/amd64")!.content;
      const { code } = await new Deno.Command("docker", { args: [...docker, "image", "inspect", name], stdout: "null" })
        .output();
      assert.equal(code, 0, `${name} in ${variable}: ${content.kind === "image" ? hexOf(content.config.digest) : ""}`);
      await new Deno.Command("docker", { args: [...docker, "rmi", "-f", name], stdout: "null" }).output();
    }
  }
});
