/** Which server is asked, for small calls and for bytes alike: by the environment, by profiles, by name of AWS's own hosts. */
import assert from "node:assert/strict";
import { isImageError } from "../../src/errors.ts";
import { openS3Store, type S3StoreOptions } from "../../src/objects/open_s3_store.ts";
import type { S3Store } from "../../src/objects/s3_store.ts";
import { NotingClient, onAws } from "./noting_client.ts";
import { contentOf, pattern } from "./object_store_contract.ts";
import { oddS3 } from "./odd_s3_server.ts";
import { withEnvironment } from "./s3_kit.ts";

const PERMISSIONS: Deno.PermissionOptions = { env: true, read: "inherit", write: "inherit", sys: "inherit" };

/** What a server says to whatever this test asks. */
const answers = ({ url, method }: { readonly url: string; readonly method: string }) => ({
  headers: { etag: '"e"' },
  body: url.includes("list-type")
    ? "<ListBucketResult/>"
    : url.includes("uploads") && method === "GET"
    ? "<ListMultipartUploadsResult/>"
    : url.includes("uploads")
    ? "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
    : url.includes("uploadId") && method === "POST"
    ? "<CompleteMultipartUploadResult/>"
    : "",
});

/** Uses a store in every way that sends a request. */
async function useAll(store: S3Store): Promise<void> {
  await Array.fromAsync(store.list(""));
  await store.head("a");
  await store.read("a", 1000);
  await store.write("a", pattern(3));
  await store.writeStream("blobs/b", contentOf(pattern(10)), { isBlob: true });
  await store.writeStream("blobs/c", contentOf(pattern(2500)), { isBlob: true });
  await store.remove(["a"]);
}

for (
  const [what, endpoint, region] of [
    ["a private link", "https://bucket.vpce-0a1b-c.s3.eu-west-1.vpce.amazonaws.com", "eu-west-1"],
    ["a FIPS endpoint", "https://s3-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"],
    ["a dual-stack endpoint", "https://s3.dualstack.ap-south-1.amazonaws.com", "ap-south-1"],
    ["an endpoint of China", "https://s3.cn-north-1.amazonaws.com.cn", "cn-north-1"],
    ["an accelerated endpoint", "https://s3-accelerate.amazonaws.com", "us-east-1"],
  ] as const
) {
  for (const how of ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "--endpoint"]) {
    onAws(
      `${what} by ${how} is used for bytes as for small calls, and is AWS all the same`,
      answers,
      async (http, open) => {
        using _endpoint = withEnvironment(how === "--endpoint" ? {} : { [how]: endpoint });
        await using store = await open(how === "--endpoint" ? { endpoint } : {});
        await useAll(store);
        const hosts = new Set(http.requests.map(({ url }) => new URL(url).hostname));
        assert.deepEqual([...hosts], [`my-bucket.${new URL(endpoint).hostname}`]);
        assert.ok(http.requests.length >= 10, http.lines().join("\n"));
        for (const { headers = {} } of http.requests) {
          assert.match(headers["authorization"] ?? "", new RegExp(`/${region}/s3/`));
        }
        assert.equal(store.isConditional, true);
        const put = http.requests.find(({ url, method }) => method === "PUT" && url.endsWith("/blobs/b"));
        assert.equal(put?.headers?.["x-amz-storage-class"], "INTELLIGENT_TIERING");
      },
    );
  }
}

onAws("where FIPS endpoints are asked for, the bucket's region is asked of one too", () => ({
  headers: { "x-amz-bucket-region": "us-west-2", etag: '"e"' },
}), async (http, open) => {
  using _fips = withEnvironment({ AWS_USE_FIPS_ENDPOINT: "true" });
  await using store = await open({});
  await store.write("a", pattern(1));
  assert.deepEqual(http.lines(), [
    "HEAD https://s3-fips.us-east-1.amazonaws.com/my-bucket",
    "PUT https://my-bucket.s3-fips.us-west-2.amazonaws.com/a",
  ]);
});

onAws("configured endpoints can be switched off, and one endpoint has one spelling", answers, async (http, open) => {
  {
    using _off = withEnvironment({
      AWS_ENDPOINT_URL: "https://minio.example",
      AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: "true",
    });
    await (await open({ region: "eu-west-1" })).write("a", pattern(1));
  }
  await (await open({ endpoint: "https://MinIO.example:443/" })).write("b", pattern(1));
  await (await open({ endpoint: "https://minio.example/behind/a/path/" })).write("c", pattern(1));
  assert.deepEqual(http.lines(), [
    "PUT https://my-bucket.s3.eu-west-1.amazonaws.com/a",
    "PUT https://minio.example/my-bucket/b",
    "PUT https://minio.example/behind/a/path/my-bucket/c",
  ]);
});

onAws("an endpoint with a password in it is refused, and the password not repeated", answers, async (_http, open) => {
  for (const endpoint of ["http://me:hush-hush@minio.example", "https://hush-hush@minio.example"]) {
    await assert.rejects(open({ endpoint }), (error) => {
      assert.ok(isImageError(error, "invalid-reference"));
      return !`${error.message}${error.hint}`.includes("hush-hush");
    });
  }
});

/** Two profiles with servers, regions and keys of their own, and one that has only keys. */
const CONFIG = (first: string, second: string) => `
[profile first]
region = eu-north-1
services = mine
aws_access_key_id = AKIAFIRST
aws_secret_access_key = one ; a comment
[services mine]
ec2 =
  endpoint_url = http://wrong.example
s3 =
  endpoint_url = ${first}
[profile second]
region = ap-south-1
endpoint_url = ${second}/
aws_access_key_id = AKIASECOND
aws_secret_access_key = two
[profile bare]
region = eu-west-3
aws_access_key_id = AKIABARE
aws_secret_access_key = three
`;

Deno.test({
  name: "two profiles are two servers, regions and identities in one process, whatever AWS_PROFILE says",
  permissions: { ...PERMISSIONS, net: ["127.0.0.1"] },
  fn: async () => {
    await using first = await oddS3();
    await using second = await oddS3();
    const folder = await Deno.makeTempDir({ prefix: "s3lo-objects-" });
    try {
      await Deno.writeTextFile(`${folder}/config`, CONFIG(first.server.origin, second.server.origin));
      using _environment = withEnvironment({
        AWS_CONFIG_FILE: `${folder}/config`,
        AWS_SHARED_CREDENTIALS_FILE: `${folder}/none`,
        AWS_PROFILE: "second",
      });
      const lines: string[] = [];
      using http = new NotingClient(answers);
      const open = (profile: string, more: Partial<S3StoreOptions> = {}) =>
        first.open({ bucket: "odd", endpoint: undefined, profile, log: (line) => lines.push(line), ...more });
      await using one = await open("first");
      await using two = await open("second");
      await using bare = await open("bare", { http });
      await Promise.all([useAll(one), useAll(two), useAll(bare)]);
      for (
        const [server, id, region] of [[first, "AKIAFIRST", "eu-north-1"], [
          second,
          "AKIASECOND",
          "ap-south-1",
        ]] as const
      ) {
        assert.ok(server.requests.length >= 10);
        for (const { headers } of server.requests) {
          assert.match(headers.get("authorization") ?? "", new RegExp(`Credential=${id}/\\d+/${region}/s3/`));
        }
      }
      for (const { url, headers = {} } of http.requests) {
        assert.match(url, /^https:\/\/odd\.s3\.eu-west-3\.amazonaws\.com\//);
        assert.match(headers["authorization"] ?? "", /Credential=AKIABARE\//);
      }
      // What lies on another server, or is another's to read, is not asked of one server alone.
      await one.write("s", pattern(10));
      const before = first.requests.length + second.requests.length;
      assert.equal(await two.copyFrom(one, "s", "t", 10), false);
      await using stranger = await open("bare", { endpoint: first.server.origin });
      assert.equal(await stranger.copyFrom(one, "s", "t", 10), false);
      assert.equal(first.requests.length + second.requests.length, before);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test({
  name: "a profile that is nowhere is named at once, and so is a variable that holds a line break",
  permissions: PERMISSIONS,
  fn: async () => {
    using http = new NotingClient(answers);
    using _nothing = withEnvironment({
      AWS_ACCESS_KEY_ID: "AKIAEXAMPLE",
      AWS_SECRET_ACCESS_KEY: "hush-hush",
      AWS_SESSION_TOKEN: undefined,
      AWS_PROFILE: undefined,
      AWS_REGION: undefined,
      AWS_DEFAULT_REGION: undefined,
      AWS_CONFIG_FILE: "/nonexistent/config",
      AWS_SHARED_CREDENTIALS_FILE: "/nonexistent/credentials",
    });
    const open = (profile?: string) => openS3Store({ bucket: "b", endpoint: "https://minio.example", http, profile });
    const missing = (error: unknown) =>
      isImageError(error, "unauthorized") && /profile "elsewhere".*\/nonexistent\/config/.test(error.message);
    await assert.rejects(open("elsewhere"), missing);
    {
      using _profile = withEnvironment({ AWS_PROFILE: "elsewhere" });
      await assert.rejects(open(), missing);
    }
    for (
      const [name, value, what] of [
        ["AWS_ACCESS_KEY_ID", "AKIAEXAMPLE\n", "a line break"],
        ["AWS_SECRET_ACCESS_KEY", "hush-hush\r\n", "a line break"],
        ["AWS_SESSION_TOKEN", "hush\nhush", "a line break"],
        ["AWS_ACCESS_KEY_ID", " AKIAEXAMPLE", "a blank"],
        ["AWS_REGION", "eu-west-1\n", "a line break"],
        ["AWS_ENDPOINT_URL_S3", "https://minio.example\n", "a line break"],
        ["AWS_SECRET_ACCESS_KEY", "hush\u0007hush", "a control character"],
      ] as const
    ) {
      using _variable = withEnvironment({ [name]: value });
      await assert.rejects(open(), (error) => {
        assert.ok(isImageError(error, "unauthorized"), String(error));
        assert.equal(error.message, `Cannot use ${name}: it holds ${what}`);
        assert.match(error.hint ?? "", new RegExp(`^Set ${name}`));
        return true;
      });
    }
    assert.equal(http.requests.length, 0);
  },
});
