/** Where a bucket is reached without the SDK is where the SDK would reach it; what is not plain is left to it. */
import assert from "node:assert/strict";
import { AwsSdk } from "../../src/objects/aws_sdk.ts";
import { plainAddress, wantsSpecialHosts } from "../../src/objects/s3_endpoint.ts";
import { HttpClient } from "../../src/http/client.ts";

const BUCKETS = [
  undefined,
  "my-bucket",
  "abc",
  "a1",
  "dotted.bucket.example",
  "Upper-Case",
  "under_score",
  "10.0.0.1",
  "x-s3alias",
  "name--x-s3",
  "name--use1-az4--x-s3",
  "name--op-s3",
  "arn:aws:s3:us-east-1:123456789012:accesspoint/ap",
  "a".repeat(63),
  "a".repeat(64),
];
const REGIONS = [
  "us-east-1",
  "us-east-2",
  "eu-central-1",
  "ap-southeast-5",
  "il-central-1",
  "mx-central-1",
  "ca-west-1",
  "us-gov-west-1",
  "cn-north-1",
  "us-iso-east-1",
  "us-isob-east-1",
  "eu-isoe-west-1",
  "eusc-de-east-1",
  "aws-global",
  "fips-us-east-1",
  "auto",
  "garage",
  "no region",
];
const ENDPOINTS = [
  undefined,
  "http://127.0.0.1:9000",
  "https://[::1]:9000",
  "https://minio.example/behind/a/path",
  "https://s3.eu-west-1.amazonaws.com",
  "https://account.r2.cloudflarestorage.com",
];

/** What one side says: an address, or nothing. */
async function told(ask: () => unknown): Promise<unknown> {
  try {
    const found = await ask() as { url: URL; region: string; service: string } | undefined;
    return found && `${found.url.href.replace(/\/$/, "")} for ${found.region}/${found.service}`;
  } catch {
    return undefined;
  }
}

Deno.test("every address that is told without the SDK is the one that the SDK tells", async () => {
  using http = new HttpClient();
  const sdk = new AwsSdk({ profile: undefined, http, log: undefined, region: () => "us-east-1" });
  let plain = 0;
  for (const endpoint of ENDPOINTS) {
    const isPathStyle = endpoint !== undefined && !endpoint.includes("amazonaws");
    for (const region of REGIONS) {
      for (const bucket of BUCKETS) {
        const question = { bucket, region, endpoint, isPathStyle };
        const own = await told(() => plainAddress(question));
        if (own === undefined) continue;
        plain++;
        assert.equal(own, await told(() => sdk.address(question)), JSON.stringify(question));
      }
    }
  }
  assert.ok(plain > 100, `${plain} addresses`);
  sdk.close();
});

Deno.test("the ordinary cases need no SDK, the peculiar ones do", () => {
  const address = (bucket: string, region: string, endpoint?: string) =>
    plainAddress({ bucket, region, endpoint, isPathStyle: endpoint !== undefined })?.url.href;
  assert.equal(address("my-bucket", "eu-west-1"), "https://my-bucket.s3.eu-west-1.amazonaws.com/");
  assert.equal(address("my.bucket", "garage", "http://127.0.0.1:1/p"), "http://127.0.0.1:1/p/my.bucket");
  for (
    const [bucket, region] of [
      ["my.bucket", "eu-west-1"],
      ["b--x-s3", "eu-west-1"],
      ["my-bucket", "cn-north-1"],
      ["my-bucket", "fips-us-east-1"],
    ] as const
  ) assert.equal(address(bucket, region), undefined, `${bucket} in ${region}`);
});

Deno.test("FIPS and dual-stack hosts are asked for by the environment and by the profile in use", () => {
  const none = new Map<string, Map<string, string>>();
  const own = new Map([["mine", new Map([["use_dualstack_endpoint", "true"]])]]);
  assert.equal(wantsSpecialHosts(none, undefined, () => undefined), false);
  assert.equal(wantsSpecialHosts(own, undefined, () => undefined), false);
  assert.equal(wantsSpecialHosts(own, "mine", () => undefined), true);
  assert.equal(wantsSpecialHosts(own, undefined, (name) => name === "AWS_PROFILE" ? "mine" : undefined), true);
  const fips = (value: string) => (name: string) => name === "AWS_USE_FIPS_ENDPOINT" ? value : undefined;
  assert.equal(wantsSpecialHosts(none, undefined, fips("true")), true);
  assert.equal(wantsSpecialHosts(none, undefined, fips("false")), false);
});
