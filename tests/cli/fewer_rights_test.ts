/** Identities with fewer rights: what is only looked at to say more, or to save work, never stops what they may do. */
import assert from "node:assert/strict";
import { SETTINGS_KEY } from "../../src/bucket/keys.ts";
import { digestOf, hexOf } from "../../src/oci/digest.ts";
import { type OddRequest, oddS3, type Quirk, refuse } from "../objects/odd_s3_server.ts";
import { multiImage, referrerOf, singleImage } from "../support/images.ts";
import { type Allowance, restrictedIdentity } from "../support/restricted_identity.ts";
import { serviceTest } from "../support/services.ts";
import { checkBlobs, makeBuckets, readStoredTag, tempFolder, writeStore } from "./places.ts";
import { s3lo, s3loJson, s3loOk } from "./program.ts";

const image = multiImage({
  seed: 91,
  platforms: ["linux/amd64", "linux/arm64"],
  layersPerPlatform: 2,
  layerBytes: 6000,
});
const zstd = singleImage({ os: "linux", architecture: "amd64" }, {
  seed: 92,
  layersPerPlatform: 2,
  layerBytes: 6000,
  compression: "zstd",
});
const signature = referrerOf(
  image.root,
  "application/vnd.example.signature",
  new TextEncoder().encode("signed") as Uint8Array<ArrayBuffer>,
);

/** Reads and nothing else: what is not there is denied as well. */
const READ: (bucket: string) => Allowance[] = (bucket) => [[["s3:GetObject"], [`${bucket}/*`]]];
const LIST: (bucket: string) => Allowance[] = (bucket) => [[["s3:ListBucket"], [bucket]]];
const WRITE: (bucket: string) => Allowance[] = (bucket) => [[["s3:PutObject"], [`${bucket}/*`]]];

serviceTest(
  "without s3:ListBucket on the source: copy, inspect, pull and bundle save do their work and say what they cannot know",
  [
    "minio",
  ],
  async ({ minio }) => {
    await using folder = await tempFolder();
    using buckets = await makeBuckets(minio);
    const given = ["--endpoint", buckets.endpoint];
    for (const [name, content] of [["app", image], ["zstd", zstd]] as const) {
      await writeStore(`${folder.path}/from`, name, "v1", content);
      await s3loOk(
        ["copy", ...given, `local://${folder.path}/from//${name}:v1`, `s3://${buckets.first}/${name}:v1`],
        buckets,
      );
    }
    const env = { ...buckets.env, ...await restrictedIdentity(minio, READ(buckets.first)) };
    for (const [name, content] of [["app", image], ["zstd", zstd]] as const) {
      const source = `s3://${buckets.first}/${name}:v1`;
      const copied = await s3lo(["copy", ...given, source, `local://${folder.path}/to//${name}:v1`], { env });
      assert.equal(copied.code, 0, copied.stderr);
      assert.match(copied.stderr, /Note: whether .* has signatures is not known.*s3:ListBucket/);
      await checkBlobs(`${folder.path}/to`, content);
      const all = await s3loJson(
        ["copy", ...given, "--include-referrers", source, `local://${folder.path}/all//${name}:v1`],
        { env },
      );
      // MinIO tells what is not there by its name; AWS denies that too, as the server below does.
      assert.deepEqual(all.unknown, ["signatures"]);
      const told = await s3lo(["inspect", ...given, source], { env });
      assert.equal(told.code, 0, told.stderr);
      assert.match(told.stdout, /Not known, without s3:ListBucket: signatures/);
      assert.ok(!/MISSING|DAMAGED/.test(told.stdout), told.stdout);
      await s3loOk(["pull", ...given, "--platform", "linux/amd64", "-f", `${folder.path}/${name}.tar`, source], {
        env,
      });
      await s3loOk(["bundle", "save", ...given, "-f", `${folder.path}/${name}-bundle.tar`, source], { env });
    }
    // Who may list is told of everything, and nothing is unknown.
    const whole = await s3loJson(["inspect", ...given, `s3://${buckets.first}/app:v1`], buckets);
    assert.equal(whole.unknown, undefined);
  },
);

serviceTest("without s3:DeleteObject a new immutable tag is written, also where its probe may not be written", [
  "minio",
], async ({ minio }) => {
  await using folder = await tempFolder();
  using buckets = await makeBuckets(minio);
  await writeStore(folder.path, "app", "v1", image);
  await writeStore(folder.path, "other", "v1", zstd);
  await buckets.put(buckets.first, SETTINGS_KEY, new TextEncoder().encode("default:\n  immutable: true\n"));
  const [all, narrow] = [
    [...READ(buckets.first), ...LIST(buckets.first), ...WRITE(buckets.first)],
    [
      ...READ(buckets.first),
      ...LIST(buckets.first),
      [["s3:PutObject"], [`${buckets.first}/blobs/*`, `${buckets.first}/manifests/*`]] as Allowance,
    ],
  ];
  const given = ["--endpoint", buckets.endpoint, "--output", "json"];
  for (const [allowed, tag] of [[all, "v1"], [narrow, "v2"]] as const) {
    const env = { ...buckets.env, ...await restrictedIdentity(minio, allowed) };
    const target = `s3://${buckets.first}/app:${tag}`;
    await s3loOk(["copy", ...given, `local://${folder.path}//app:v1`, target], { env });
    // It is protected all the same.
    const again = await s3lo(["copy", ...given, `local://${folder.path}//other:v1`, target], { env });
    assert.equal(again.code, 1);
    assert.match(again.stderr, /immutable/);
    assert.equal(
      digestOf(await buckets.get(buckets.first, `manifests/app/${tag}/manifest.json`)),
      image.root.descriptor.digest,
    );
  }
});

serviceTest(
  "with no more than writing and listing, an image whose old blobs are there is written and not taken for lost",
  [
    "minio",
  ],
  async ({ minio }) => {
    await using folder = await tempFolder();
    using buckets = await makeBuckets(minio);
    await writeStore(folder.path, "app", "v1", image);
    const env = {
      ...buckets.env,
      ...await restrictedIdentity(minio, [...LIST(buckets.first), ...WRITE(buckets.first)]),
    };
    for (const tag of ["v1", "v2"]) {
      const target = `s3://${buckets.first}/app:${tag}`;
      const run = await s3lo([
        "copy",
        "--endpoint",
        buckets.endpoint,
        "--force",
        `local://${folder.path}//app:v1`,
        target,
      ], { env });
      assert.equal(run.code, 0, run.stderr);
    }
    assert.equal(
      digestOf(await buckets.get(buckets.first, "manifests/app/v2/manifest.json")),
      image.root.descriptor.digest,
    );
  },
);

/** A server whose identity may not list; what is not there is denied, as S3 does then. */
const noListing: Quirk = ({ operation, proceed }: OddRequest) => {
  if (operation === "ListObjectsV2") return refuse(403, "AccessDenied");
  if (operation !== "GetObject" && operation !== "HeadObject") return undefined;
  const answer = proceed();
  return answer.status === 404 ? refuse(403, "AccessDenied") : answer;
};

Deno.test("a signature that may be read comes along though nothing may be listed, and what fails does so before the tag is there", async () => {
  await using odd = await oddS3();
  await using folder = await tempFolder();
  await writeStore(folder.path, "app", "v1", image);
  await writeStore(folder.path, "app", "sig", signature);
  const given = ["--endpoint", odd.server.origin];
  for (const tag of ["v1", "sig"]) {
    await s3loOk(["copy", ...given, `local://${folder.path}//app:${tag}`, `s3://odd/app:${tag}`]);
  }
  assert.ok(odd.objects.has(`manifests/app/sha256-${hexOf(image.root.descriptor.digest)}/manifest.json`));
  // The same objects behind a server with fewer rights.
  let breaks = false;
  await using few = await oddS3((request) => {
    const isRecords = request.operation === "ListObjectsV2" &&
      (request.query.get("prefix") ?? "").includes("/signatures/");
    return breaks && isRecords ? refuse(400, "Odd", "nothing to be done") : noListing(request);
  });
  for (const [key, object] of odd.objects) few.objects.set(key, object);
  const source = "s3://odd/app:v1";
  const report = await s3loJson(
    [
      "copy",
      "--endpoint",
      few.server.origin,
      "--include-referrers",
      source,
      `local://${folder.path}/to//app:v1`,
      "--create",
    ],
  );
  assert.equal(report.referrers_copied, 1);
  assert.deepEqual(report.unknown, ["referrers", "signatures"]);
  breaks = true;
  const failed = await s3lo(["copy", "--endpoint", few.server.origin, source, `local://${folder.path}/never//app:v1`]);
  assert.equal(failed.code, 1);
  assert.equal(await readStoredTag(`${folder.path}/never`, "app", "v1"), undefined);
});
