import assert from "node:assert/strict";
import { describeAwsSource } from "../../src/objects/aws_source.ts";
import { tempFolder } from "../cli/places.ts";
import { s3lo, s3loJson } from "../cli/program.ts";

Deno.test("doctor --self tells what would be used and nothing secret", async () => {
  await using folder = await tempFolder();
  await Deno.mkdir(`${folder.path}/.aws`);
  await Deno.writeTextFile(
    `${folder.path}/.aws/config`,
    "[profile build]\nrole_arn = arn:aws:iam::1:role/b\nsource_profile = base\n[profile base]\naws_access_key_id = AKIASECRET\naws_secret_access_key = topsecret1\n",
  );
  await Deno.writeTextFile(
    `${folder.path}/config.json`,
    JSON.stringify({ auths: { "ghcr.io": { auth: btoa("me:topsecret2") } }, credsStore: "pass" }),
  );
  const env = {
    HOME: folder.path,
    DOCKER_CONFIG: folder.path,
    DOCKER_HOST: "tcp://daemon.example.com:2375",
    AWS_PROFILE: "build",
    AWS_ACCESS_KEY_ID: "",
    AWS_SECRET_ACCESS_KEY: "",
    AWS_SESSION_TOKEN: "topsecret3",
    AWS_REGION: "eu-west-1",
    HTTPS_PROXY: "http://me:topsecret4@proxy.example.com:3128",
    https_proxy: "",
    AWS_ENDPOINT_URL: "http://k:topsecret5@minio.example.com:9000",
  };
  const report = await s3loJson(["doctor", "--self"], { env });
  assert.deepEqual(report.aws, {
    source: "profile",
    profile: "build",
    kind: "role",
    profile_from: "AWS_PROFILE",
    region: "eu-west-1",
    region_from: "AWS_REGION",
    endpoint: "http://minio.example.com:9000/",
    endpoint_from: "AWS_ENDPOINT_URL",
  });
  assert.deepEqual(report.registries, {
    variables: [],
    files: [`${folder.path}/config.json`],
    helpers: ["docker-credential-pass"],
  });
  assert.deepEqual(report.daemon, { address: "tcp://daemon.example.com:2375", origin: "DOCKER_HOST", problem: null });
  assert.equal(report.proxies.HTTPS_PROXY, "http://proxy.example.com:3128/");
  assert.match(report.version, /^\d+\.\d+\.\d+/);
  assert.equal(report.permissions.read, "all");
  const text = await s3lo(["doctor", "--self"], { env });
  for (const said of [JSON.stringify(report), text.stdout, text.stderr]) {
    assert.doesNotMatch(said, /topsecret|AKIASECRET/);
  }
  assert.match(text.stdout, /AWS credentials +profile "build" \(role\)/);
});

const SOURCES: readonly [name: string, profile: string | undefined, env: Record<string, string>, source: string][] = [
  ["keys in the environment", undefined, { AWS_ACCESS_KEY_ID: "a", AWS_SECRET_ACCESS_KEY: "b" }, "environment"],
  ["a service account's token", undefined, { AWS_WEB_IDENTITY_TOKEN_FILE: "/t", AWS_ROLE_ARN: "r" }, "web identity"],
  ["a container's address", undefined, { AWS_CONTAINER_CREDENTIALS_FULL_URI: "http://x" }, "container"],
  ["nothing", undefined, {}, "instance role"],
  ["nothing, and the instance's service off", undefined, { AWS_EC2_METADATA_DISABLED: "true" }, "none"],
];
for (const [name, profile, env, source] of SOURCES) {
  Deno.test(`describeAwsSource() of ${name}: ${source}`, { permissions: "none" }, async () => {
    assert.equal((await describeAwsSource(profile, (key) => env[key])).source, source);
  });
}
