/** `--storage-class` and `--sse-kms-key-id`: what the user asks for reaches every way of writing, or is refused by name. */
import assert from "node:assert/strict";
import { blobPath } from "../../src/oci/digest.ts";
import { oddS3 } from "../objects/odd_s3_server.ts";
import { singleImage } from "../support/images.ts";
import { serviceTest } from "../support/services.ts";
import { makeBuckets, tempFolder, writeStore } from "./places.ts";
import { s3lo, s3loOk } from "./program.ts";

const MIB = 1024 * 1024;
const small = singleImage({ os: "linux", architecture: "amd64" }, { seed: 71, layersPerPlatform: 2, layerBytes: 5000 });
const large = singleImage({ os: "linux", architecture: "arm64" }, {
  seed: 72,
  layersPerPlatform: 1,
  layerBytes: 20 * MIB,
  compression: "none",
});

const WRITING = [
  ["copy", "a/b:v1", "TARGET"],
  ["push", "app:v1", "TARGET"],
  ["index create", "TARGET", "s3://bkt/app:v1"],
  ["index add", "TARGET", "s3://bkt/app:v1"],
  ["index remove", "TARGET", "linux/amd64"],
  ["bundle load", "disk.tar", "TARGET"],
] as const;

Deno.test("every command that writes to buckets has the options in its help and refuses wrong values before it begins", async () => {
  for (const [command, ...operands] of WRITING) {
    const name = command.split(" ");
    const help = await s3loOk([...name, "--help"]);
    assert.match(help, /--storage-class CLASS [\s\S]*INTELLIGENT_TIERING/, command);
    assert.match(help, /--sse-kms-key-id KEY +Encrypt/, command);
    const to = (target: string) => operands.map((each) => each === "TARGET" ? target : each);
    for (
      const [args, words] of [
        [[...to("local:///x//app:v1"), "--storage-class", "STANDARD_IA"], /--storage-class is for buckets/],
        [[...to("local:///x//app:v1"), "--sse-kms-key-id", "alias/k"], /--sse-kms-key-id is for buckets/],
        [[...to("s3://bkt/app:v1"), "--storage-class", "DEEP_ARCHIVE"], /DEEP_ARCHIVE.*cannot be read/],
        [[...to("s3://bkt/app:v1"), "--storage-class", "standard_ia"], /capitals[\s\S]*STANDARD_IA/],
        [[...to("s3://bkt/app:v1"), "--storage-class", "A\nB"], /Invalid --storage-class/],
        [[...to("s3://bkt/app:v1"), "--sse-kms-key-id", "two words"], /Invalid --sse-kms-key-id/],
        [[...to("s3://bkt/app:v1"), "--sse-kms-key-id="], /Invalid --sse-kms-key-id/],
      ] satisfies [string[], RegExp][]
    ) {
      const run = await s3lo([...name, ...args]);
      assert.equal(run.code, 2, `${command} ${args.join(" ")}: ${run.stderr}`);
      assert.match(run.stderr, words);
    }
  }
});

Deno.test("class and key go with blobs in one request, in parts and copied by the server; the tag has the key alone", async () => {
  await using odd = await oddS3();
  await using folder = await tempFolder();
  await writeStore(folder.path, "small", "v1", small);
  await writeStore(folder.path, "large", "v1", large);
  const given = ["--endpoint", odd.server.origin, "--storage-class", "WARM", "--sse-kms-key-id", "alias/images"];
  for (const [name, content] of [["small", small], ["large", large]] as const) {
    await s3loOk(["copy", ...given, `local://${folder.path}//${name}:v1`, `s3://odd/${name}:v1`]);
    await s3loOk(["copy", ...given, `s3://odd/${name}:v1`, `s3://other/${name}:v1`]);
    for (const bucket of ["", "other/"]) {
      const headersOf = (key: string) => odd.objects.get(bucket + key)?.headers ?? {};
      for (const digest of content.blobs.keys()) {
        const headers = headersOf(blobPath(digest));
        assert.equal(headers["x-amz-storage-class"], "WARM", `${bucket}${digest}`);
        assert.equal(headers["x-amz-server-side-encryption-aws-kms-key-id"], "alias/images");
      }
      const tag = headersOf(`manifests/${name}/v1/manifest.json`);
      assert.equal(tag["x-amz-storage-class"], undefined);
      assert.equal(tag["x-amz-server-side-encryption-aws-kms-key-id"], "alias/images");
    }
  }
  const operations = new Set(odd.operations());
  for (const way of ["PutObject", "CreateMultipartUpload", "CopyObject"]) assert.ok(operations.has(way), way);
});

serviceTest("MinIO stores blobs in the class that was asked for, and one that it has not is named", [
  "minio",
], async ({ minio }) => {
  await using folder = await tempFolder();
  using buckets = await makeBuckets(minio);
  const options = { env: buckets.env };
  await writeStore(folder.path, "small", "v1", small);
  await writeStore(folder.path, "large", "v1", large);
  const given = ["--endpoint", buckets.endpoint, "--storage-class", "REDUCED_REDUNDANCY"];
  const { S3Client, HeadObjectCommand } = await import("@aws-sdk/client-s3");
  const { username, password } = new URL(minio);
  const credentials = { accessKeyId: username, secretAccessKey: password };
  const client = new S3Client({ endpoint: buckets.endpoint, region: "us-east-1", forcePathStyle: true, credentials });
  for (const [name, content] of [["small", small], ["large", large]] as const) {
    await s3loOk(["copy", ...given, `local://${folder.path}//${name}:v1`, `s3://${buckets.first}/${name}:v1`], options);
    await s3loOk(
      ["copy", ...given, `s3://${buckets.first}/${name}:v1`, `s3://${buckets.second}/${name}:v1`],
      options,
    );
    for (const Bucket of [buckets.first, buckets.second]) {
      for (const digest of content.blobs.keys()) {
        const { StorageClass } = await client.send(new HeadObjectCommand({ Bucket, Key: blobPath(digest) }));
        assert.equal(StorageClass, "REDUCED_REDUNDANCY", `${Bucket} ${digest}`);
      }
    }
  }
  client.destroy();
  const unknown = await s3lo([
    ...["copy", "--endpoint", buckets.endpoint, "--storage-class", "WARM"],
    ...[`local://${folder.path}//small:v1`, `s3://${buckets.first}/other:v1`],
  ], options);
  // What was stored before is skipped, so a fresh bucket shows it.
  assert.equal(unknown.code, 0, unknown.stderr);
  await writeStore(folder.path, "fresh", "v1", singleImage({ os: "linux", architecture: "amd64" }, { seed: 73 }));
  const refused = await s3lo([
    ...["copy", "--endpoint", buckets.endpoint, "--storage-class", "WARM"],
    ...[`local://${folder.path}//fresh:v1`, `s3://${buckets.first}/fresh:v1`],
  ], options);
  assert.equal(refused.code, 1, refused.stdout);
  assert.match(refused.stderr, /does not take the storage class[\s\S]*--storage-class/);
  assert.ok(!(await buckets.keys(buckets.first)).some((key) => key.includes("fresh")));
});
