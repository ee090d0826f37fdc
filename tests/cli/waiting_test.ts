/** What a person sees of waiting for a server. */
import assert from "node:assert/strict";
import { serveScript } from "../support/scripted_server.ts";
import { s3lo } from "./program.ts";

Deno.test("a wait that a registry asks for is said while it lasts", async () => {
  let answers = 0;
  await using server = serveScript(({ path }) => {
    if (path === "/v2/") return new Response(null, { status: 200 });
    if (answers++ === 0) return new Response(null, { status: 429, headers: { "retry-after": "3" } });
    return new Response(null, { status: 404 });
  });
  const run = await s3lo(["inspect", `${server.host}/app:v1`, "--plain-http"]);
  assert.equal(run.code, 1);
  const [first = "", second = ""] = run.stderr.split("\n");
  assert.match(first, new RegExp(`^Waiting for ${server.host}, up to 3\\.\\d s: The server answered 429 to GET `));
  assert.match(second, /^Error: Cannot find tag "v1"/);
});

Deno.test("a mistyped registry and a mistyped endpoint are tried once more and no more", async () => {
  const env = { AWS_ACCESS_KEY_ID: "a", AWS_SECRET_ACCESS_KEY: "b", AWS_CONFIG_FILE: "/nonexistent" };
  for (
    const args of [
      ["inspect", "registry.invalid/app:v1"],
      ["inspect", "s3://bucket/app:v1", "--endpoint", "http://s3.invalid"],
      ["inspect", "s3://bucket/app:v1", "--endpoint", "http://127.0.0.1:9"],
    ]
  ) {
    const run = await s3lo([...args, "--debug"], { env });
    assert.equal(run.code, 1, run.stderr);
    assert.match(run.stderr, /^Error: .*[Cc]annot reach "(?:registry\.invalid|s3\.invalid|127\.0\.0\.1:9)": /m);
    const failures = run.stderr.split("\n").filter((line) => /^debug: \w+ \S+ failed: /.test(line));
    assert.equal(failures.length, 2, run.stderr);
  }
});
