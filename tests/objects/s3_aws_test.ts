import assert from "node:assert/strict";
import { isImageError } from "../../src/errors.ts";
import { type Answering, onAws } from "./noting_client.ts";
import { contentOf, pattern } from "./object_store_contract.ts";

const inRegion = (region: string, status: number): Answering => ({ method, url }) =>
  method === "HEAD" && /^https:\/\/s3\.us-east-1\.amazonaws\.com\//.test(url)
    ? { status, headers: { "x-amz-bucket-region": region } }
    : {};

for (const status of [200, 301, 400, 403]) {
  onAws(
    `S3 on AWS: the region is found by asking, also when the answer is ${status}`,
    inRegion("eu-west-1", status),
    async (http, open) => {
      const store = await open({});
      await store.write("m/manifest.json", pattern(3));
      assert.deepEqual(http.lines(), [
        "HEAD https://s3.us-east-1.amazonaws.com/my-bucket",
        "PUT https://my-bucket.s3.eu-west-1.amazonaws.com/m/manifest.json",
      ]);
      assert.match(http.requests[1]?.headers?.["authorization"] ?? "", /\/eu-west-1\/s3\/aws4_request/);
      assert.equal(http.requests[0]?.headers?.["authorization"], undefined);
    },
  );
}

onAws("S3 on AWS: a bucket that is nowhere is said to be missing", () => ({ status: 404 }), async (_http, open) => {
  await assert.rejects(
    open({}),
    (error) => isImageError(error, "not-found") && error.message.includes("s3://my-bucket"),
  );
});

onAws("S3 on AWS: names with dots and other partitions get their addresses", () => ({}), async (http, open) => {
  await (await open({ bucket: "my.bucket", region: "eu-west-1" })).write("a b/ö", pattern(1));
  await (await open({ region: "cn-north-1" })).write("a", pattern(1));
  assert.deepEqual(http.lines(), [
    "PUT https://s3.eu-west-1.amazonaws.com/my.bucket/a%20b/%C3%B6",
    "PUT https://my-bucket.s3.cn-north-1.amazonaws.com.cn/a",
  ]);
});

onAws(
  "S3 on AWS: blobs are INTELLIGENT_TIERING, other objects have no class",
  ({ url }) =>
    url.includes("uploads")
      ? { body: "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>" }
      : url.includes("partNumber")
      ? { headers: { etag: '"e"' } }
      : { body: "<CompleteMultipartUploadResult/>" },
  async (http, open) => {
    const store = await open({ region: "eu-west-1" });
    await store.write("m/manifest.json", pattern(3));
    await store.writeStream("chunks/c", contentOf(pattern(10)));
    await store.writeStream("blobs/one", contentOf(pattern(10)), { isBlob: true });
    await store.writeStream("blobs/parts", contentOf(pattern(2500)), { isBlob: true });
    // A look for unfinished uploads comes before the upload in parts; there were none, so no other comes after it.
    const writing = http.requests.filter(({ method }) => method !== "GET");
    assert.equal(http.requests.length - writing.length, 1);
    const classes = writing.map(({ headers }) => headers?.["x-amz-storage-class"]);
    assert.deepEqual(classes.slice(0, 4), [undefined, undefined, "INTELLIGENT_TIERING", "INTELLIGENT_TIERING"]);
    assert.deepEqual(classes.slice(4), [undefined, undefined, undefined, undefined]);
  },
);

onAws(
  "S3 on AWS: a copy under a condition is a look and one request that carries the condition",
  ({ method }) =>
    method === "HEAD"
      ? { headers: { etag: '"seen"', "content-length": "10" } }
      : { body: "<CopyObjectResult><ETag>x</ETag></CopyObjectResult>" },
  async (http, open) => {
    const [store, other] = [await open({ region: "eu-west-1" }), await open({ bucket: "other", region: "us-east-2" })];
    assert.equal(await store.copyFrom(other, "a", "b", 10, { condition: { absent: true } }), true);
    assert.deepEqual(http.lines(), [
      "HEAD https://other.s3.us-east-2.amazonaws.com/a",
      "PUT https://my-bucket.s3.eu-west-1.amazonaws.com/b",
    ]);
    assert.equal(http.requests[1]?.headers?.["if-none-match"], "*");
    assert.equal(http.requests[1]?.headers?.["x-amz-copy-source"], "other/a");
    assert.equal(http.requests[1]?.headers?.["x-amz-copy-source-if-match"], '"seen"');
  },
);
