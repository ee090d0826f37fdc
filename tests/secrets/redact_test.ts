/**
 * The one redactor: what the program knows to be secret, and what looks like a secret, stays unsaid whoever quotes it: a
 * storage that is gone (its signed address was in the stack), an endpoint with a password, a registry that echoes a token.
 */
import assert from "node:assert/strict";
import { keepSecret, keepSecretHeaders, redact } from "../../src/http/redact.ts";
import { s3lo } from "../cli/program.ts";
import { tempFolder } from "../cli/places.ts";
import { singleImage } from "../support/images.ts";
import { serveScript } from "../support/scripted_server.ts";

const SIGNED = "X-Amz-Credential=AKIAX%2F20260101&X-Amz-Signature=0123456789abcdef&X-Amz-Security-Token=FwoGZXIvYXdz";

Deno.test("redact() takes out what looks secret and leaves everything else as it is", { permissions: "none" }, () => {
  const cases: readonly (readonly [string, string])[] = [
    [`error for url (https://b.s3.test/key?${SIGNED}): gone`, "error for url (https://b.s3.test/key?…): gone"],
    [`GET /key?${SIGNED}&x=1`, "GET /key?X-Amz-Credential=…&X-Amz-Signature=…&X-Amz-Security-Token=…&x=1"],
    ['Check "http://me:hunter22@s3.test:9000".', 'Check "http://s3.test:9000".'],
    ["socks5://me:hunter22@proxy.test:1080, then", "socks5://proxy.test:1080, then"],
    ["tcp://me:hunter22@daemon:2376", "tcp://me:…@daemon:2376"],
    ["authorization: Bearer abc.DEF-123_x", "authorization: Bearer …"],
    ["Authorization: Basic dXNlcjpwYXNz", "Authorization: Basic …"],
    ['{"access_token": "abc\\"def", "expires_in": 3}', '{"access_token": "…", "expires_in": 3}'],
    ["grant_type=refresh_token&refresh_token=abcdef", "grant_type=refresh_token&refresh_token=…"],
    ["the token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx.abc-_1 is old", "the token … is old"],
    ["ghp_0123456789abcdefghij", "…"],
    // What is no secret.
    ["basic authentication is needed, no bearer token given", "basic authentication is needed, no bearer token given"],
    ['Bearer realm="https://auth.test/token",service="s"', 'Bearer realm="https://auth.test/token",service="s"'],
    ["https://ghcr.io/v2/a/tags/list?n=1000&last=b", "https://ghcr.io/v2/a/tags/list?n=1000&last=b"],
    ["ssh://me@host", "ssh://me@host"],
    ["Copied layer 0123456789ab  7.8 MB\n\x1b[2A\x1b[0J", "Copied layer 0123456789ab  7.8 MB\n\x1b[2A\x1b[0J"],
    ["me@example.test:5000/app:v1@sha256:00", "me@example.test:5000/app:v1@sha256:00"],
  ];
  for (const [text, shown] of cases) assert.equal(redact(text), shown);
});

Deno.test("redact() takes out what was kept, in the forms in which it is sent", { permissions: "none" }, () => {
  keepSecret("p@ss/wörd");
  keepSecret("short1");
  keepSecret("tiny");
  keepSecretHeaders({ Authorization: `Basic ${btoa("me:Correct-Horse")}`, "X-Amz-Security-Token": "aws-session-1" });
  keepSecretHeaders({ authorization: "Bearer opaque+token==" });
  for (
    const secret of [
      "p@ss/wörd",
      "p%40ss%2Fw%C3%B6rd",
      "Correct-Horse",
      btoa("me:Correct-Horse"),
      "aws-session-1",
      "opaque+token==",
    ]
  ) {
    assert.equal(redact(`it said: ${secret}!`), "it said: …!");
  }
  assert.equal(redact("short1 shortest short10 x-short1"), "… shortest short10 x-short1");
  assert.equal(redact("tiny words stay"), "tiny words stay");
});

Deno.test("a storage that is gone does not bring its signed address out, not in --debug's stacks either", async () => {
  const image = singleImage({ os: "linux", architecture: "amd64" }, { seed: 3 });
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const dead = `127.0.0.1:${(listener.addr as Deno.NetAddr).port}`;
  listener.close();
  await using folder = await tempFolder();
  await using server = serveScript(({ path }) => {
    if (path === "/v2/") return new Response("{}");
    if (!path.includes("/manifests/")) {
      return new Response(null, { status: 307, headers: { location: `http://${dead}/blob?${SIGNED}` } });
    }
    const { mediaType, digest } = image.root.descriptor;
    return new Response(image.root.bytes as Uint8Array<ArrayBuffer>, {
      headers: { "content-type": mediaType, "docker-content-digest": digest },
    });
  });
  const run = await s3lo(["copy", "--debug", `${server.host}/app:v1`, `local://${folder.path}//app:v1`]);
  assert.equal(run.code, 1);
  assert.match(run.stderr, /Cannot reach "127\.0\.0\.1:/);
  assert.doesNotMatch(run.stderr, /0123456789abcdef|FwoGZXIvYXdz|AKIAX/);
});

Deno.test("the password of an endpoint is not shown", async () => {
  const env = { AWS_ACCESS_KEY_ID: "a", AWS_SECRET_ACCESS_KEY: "b", AWS_CONFIG_FILE: "/nonexistent" };
  for (const debug of [[], ["--debug"]]) {
    const args = ["inspect", "s3://bucket/app:v1", "--endpoint", "http://me:Sesame-Open@127.0.0.1:1", ...debug];
    const run = await s3lo(args, { env });
    assert.notEqual(run.code, 0);
    assert.doesNotMatch(run.stderr, /Sesame-Open/);
  }
});

Deno.test("a token that a registry quotes back is not shown", async () => {
  const token = "an-opaque-token-4711";
  await using server = serveScript(({ path, headers }) => {
    if (path.startsWith("/token")) return Response.json({ token });
    const given = headers.get("authorization");
    if (given === null) {
      const challenge = `Bearer realm="http://${headers.get("host")}/token",service="s"`;
      return new Response(null, { status: 401, headers: { "www-authenticate": challenge } });
    }
    const message = `your token ${given.slice("Bearer ".length)} may not read this`;
    return Response.json({ errors: [{ code: "DENIED", message }] }, { status: 403 });
  });
  const run = await s3lo(["inspect", `${server.host}/app:v1`, "--debug"]);
  assert.match(run.stderr, /your token … may not read this/);
  assert.doesNotMatch(run.stderr, new RegExp(token));
});
