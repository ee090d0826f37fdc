/** The policies of docs/credentials.md: with exactly these rights everything works, and none of them is one too many. */
import assert from "node:assert/strict";
import { CreateMultipartUploadCommand, ListMultipartUploadsCommand, S3Client } from "@aws-sdk/client-s3";
import { blobPath } from "../../src/oci/digest.ts";
import { makeBuckets, tempFolder, type TestBuckets, writeStore } from "../cli/places.ts";
import { s3lo, s3loOk } from "../cli/program.ts";
import { multiImage, singleImage } from "../support/images.ts";
import { type Allowance, restrictedIdentity } from "../support/restricted_identity.ts";
import { serviceTest } from "../support/services.ts";
import { blockOf } from "./documents.ts";

const image = multiImage({ seed: 141, platforms: ["linux/amd64", "linux/arm64"], layerBytes: 6000 });
const other = singleImage({ os: "linux", architecture: "s390x" }, { seed: 142, layerBytes: 6000 });
// One blob that goes in parts.
const large = singleImage({ os: "linux", architecture: "amd64" }, {
  seed: 143,
  layersPerPlatform: 1,
  layerBytes: 17 * 1024 * 1024,
  compression: "none",
});

/** A policy as AWS has it, as far as the documents write it. */
interface Policy {
  readonly Version: string;
  readonly Statement: readonly {
    readonly Effect: string;
    readonly Action: readonly string[];
    readonly Resource: readonly string[];
  }[];
}

/** What a policy of the document allows with a bucket in the place of `my-bucket`, without one of its actions. */
async function allowed(kind: string, bucket: string, without?: string): Promise<Allowance[]> {
  const policy = JSON.parse((await blockOf("docs/credentials.md", `policy: ${kind}`)).text) as Policy;
  assert.equal(policy.Version, "2012-10-17");
  return policy.Statement.map(({ Effect, Action, Resource }): Allowance => {
    assert.equal(Effect, "Allow");
    const names = Resource.map((name) => {
      assert.match(name, /^arn:aws:s3:::my-bucket(?:$|\/)/);
      return name.slice("arn:aws:s3:::".length).replace("my-bucket", bucket);
    });
    return [Action.filter((action) => action !== without), names];
  }).filter(([actions]) => actions.length > 0);
}

/** The actions of a policy. */
async function actionsOf(kind: string): Promise<string[]> {
  return (await allowed(kind, "b")).flatMap(([actions]) => actions).sort();
}

/** The environment of an identity with a policy's rights. */
async function identity(
  minio: string,
  buckets: TestBuckets,
  rights: readonly Allowance[],
): Promise<Record<string, string>> {
  return { ...buckets.env, S3LO_ENDPOINT: buckets.endpoint, ...await restrictedIdentity(minio, rights) };
}

/** Commands that read a bucket. */
function reading(bucket: string, folder: string): string[][] {
  const source = `s3://${bucket}/team/app:v1`;
  return [
    ["list", `s3://${bucket}`],
    ["copy", "--create", source, `local://${folder}/to//app:v1`],
    ["copy", "--create", "--include-referrers", source, `local://${folder}/to//app:all`],
    ["copy", "--create", "-a", `s3://${bucket}/team/app`, `local://${folder}/to//every`],
    ["pull", "-f", `${folder}/app.tar`, source],
    ["pull", "-f", `${folder}/all.tar`, "--all-platforms", source],
    ["inspect", source],
    ["inspect", "--platform", "linux/arm64", source],
    ["digest", source],
    ["bundle", "save", "-f", `${folder}/disk.tar`, source],
    ["index", "create", "--create", `local://${folder}/to//joined:v1`, source],
  ];
}

/** Commands that write into a bucket, of images in a store of the folder. */
function writing(bucket: string, folder: string): string[][] {
  const store = `local://${folder}/from`;
  const team = `s3://${bucket}/team`;
  return [
    ["copy", `${store}//app:v1`, `${team}/app:v1`],
    ["copy", `${store}//large:v1`, `${team}/large:v1`],
    ["copy", `${team}/app:v1`, `${team}/app:again`], // by the server itself
    ["copy", "--platform", "linux/arm64", `${team}/app:v1`, `${team}/app:arm64`],
    ["push", "-f", `${folder}/pushed.tar`, `${team}/app:pushed`],
    ["index", "create", `${team}/joined:v1`, `${team}/app:arm64`],
    ["index", "add", `${team}/joined:v1`, `${team}/app:pushed`],
    ["index", "remove", `${team}/joined:v1`, "linux/arm64"],
    ["bundle", "load", `${folder}/bundle.tar`, team],
  ];
}

/** A folder with a store, an archive and a bundle in it. */
async function prepared(): Promise<AsyncDisposable & { readonly path: string }> {
  const folder = await tempFolder();
  const contents = [["app", image], ["other", other], ["large", large]] as const;
  for (const [name, content] of contents) await writeStore(`${folder.path}/from`, name, "v1", content);
  const store = `local://${folder.path}/from`;
  await s3loOk(["pull", "--platform", "linux/s390x", "-f", `${folder.path}/pushed.tar`, `${store}//other:v1`]);
  await s3loOk(["bundle", "save", "-f", `${folder.path}/bundle.tar`, `${store}//app:v1`]);
  return folder;
}

serviceTest("with exactly the documented rights to read everything that reads works, and nothing is written", [
  "minio",
], async ({ minio }) => {
  await using folder = await prepared();
  using buckets = await makeBuckets(minio);
  const all = { env: { ...buckets.env, S3LO_ENDPOINT: buckets.endpoint } };
  await s3loOk(["copy", `local://${folder.path}/from//app:v1`, `s3://${buckets.first}/team/app:v1`], all);
  const env = await identity(minio, buckets, await allowed("read", buckets.first));
  for (const args of reading(buckets.first, folder.path)) {
    const run = await s3lo(args, { env });
    assert.equal(run.code, 0, `${args.join(" ")}: ${run.stderr}`);
    assert.doesNotMatch(run.stdout + run.stderr, /not known/i, args.join(" "));
  }
  const before = await buckets.keys(buckets.first);
  const refused = await s3lo(["copy", `local://${folder.path}/from//app:v1`, `s3://${buckets.first}/team/app:v2`], {
    env,
  });
  assert.equal(refused.code, 1);
  assert.deepEqual(await buckets.keys(buckets.first), before);
  assert.deepEqual(await actionsOf("read"), ["s3:GetObject", "s3:ListBucket"]);
  for (const [action, missed] of [["s3:GetObject", "pull"], ["s3:ListBucket", "list"]] as const) {
    const less = await identity(minio, buckets, await allowed("read", buckets.first, action));
    const args = reading(buckets.first, folder.path).find(([command]) => command === missed)!;
    assert.equal((await s3lo(args, { env: less })).code, 1, `${missed} without ${action}`);
  }
});

serviceTest("with exactly the documented rights to write everything that writes and reads works", [
  "minio",
], async ({ minio }) => {
  await using folder = await prepared();
  using buckets = await makeBuckets(minio);
  const env = await identity(minio, buckets, await allowed("write", buckets.first));
  for (const args of [...writing(buckets.first, folder.path), ...reading(buckets.first, folder.path)]) {
    const run = await s3lo(args, { env });
    assert.equal(run.code, 0, `${args.join(" ")}: ${run.stderr}`);
  }
  const put = await identity(minio, buckets, await allowed("write", buckets.first, "s3:PutObject"));
  const get = await identity(minio, buckets, await allowed("write", buckets.first, "s3:GetObject"));
  const list = await identity(minio, buckets, await allowed("write", buckets.first, "s3:ListBucket"));
  const [app, joined] = [`s3://${buckets.first}/team/app:v1`, `s3://${buckets.first}/team/joined:v1`];
  const without = [
    [put, ["copy", `local://${folder.path}/from//other:v1`, `s3://${buckets.first}/team/new:v1`]],
    [get, ["index", "add", "--platform", "linux/amd64", joined, app]],
    [list, ["list", `s3://${buckets.first}`]],
  ] as const;
  for (const [less, args] of without) assert.equal((await s3lo(args, { env: less })).code, 1, args.join(" "));
});

serviceTest("each documented right about uploads is missed: without it an upload that nobody needs stays", [
  "minio",
], async ({ minio }) => {
  await using folder = await prepared();
  const { username, password } = new URL(minio);
  const about = ["s3:AbortMultipartUpload", "s3:ListBucketMultipartUploads", "s3:ListMultipartUploadParts"];
  assert.deepEqual(
    await actionsOf("write"),
    [...about, "s3:GetObject", "s3:ListBucket", "s3:PutObject"].sort(),
  );
  const [digest] = [...large.blobs].find(([, bytes]) => bytes.byteLength > 16 * 1024 * 1024)!;
  for (const without of [undefined, ...about]) {
    using buckets = await makeBuckets(minio);
    const client = new S3Client({
      endpoint: buckets.endpoint,
      region: "us-east-1",
      forcePathStyle: true,
      credentials: { accessKeyId: username, secretAccessKey: password },
    });
    // MinIO lists the uploads of one whole key only.
    const upload = { Bucket: buckets.first, Key: blobPath(digest) };
    await client.send(new CreateMultipartUploadCommand(upload));
    const env = await identity(minio, buckets, await allowed("write", buckets.first, without));
    await s3loOk(["copy", `local://${folder.path}/from//large:v1`, `s3://${buckets.first}/large:v1`], { env });
    const listed = await client.send(new ListMultipartUploadsCommand({ Bucket: buckets.first, Prefix: upload.Key }));
    client.destroy();
    assert.equal(listed.Uploads?.length ?? 0, without === undefined ? 0 : 1, without ?? "with all of them");
  }
});

serviceTest("rights to write that end at one team's tags let it change those and no others", [
  "minio",
], async ({ minio }) => {
  await using folder = await prepared();
  using buckets = await makeBuckets(minio);
  const bucket = buckets.first;
  const rights = (await allowed("write", bucket)).flatMap(([actions, names]): Allowance[] => {
    if (!actions.includes("s3:PutObject")) return [[actions, names]];
    return [
      [["s3:GetObject"], names],
      [actions.filter((action) => action !== "s3:GetObject"), [`${bucket}/blobs/*`, `${bucket}/manifests/team/*`]],
    ];
  });
  const env = await identity(minio, buckets, rights);
  for (const args of writing(bucket, folder.path)) {
    const run = await s3lo(args, { env });
    assert.equal(run.code, 0, `${args.join(" ")}: ${run.stderr}`);
  }
  const refused = await s3lo(["copy", `s3://${bucket}/team/app:v1`, `s3://${bucket}/others/app:v1`], { env });
  assert.equal(refused.code, 1);
  assert.ok(!(await buckets.keys(bucket)).some((key) => key.startsWith("manifests/others/")));
});
