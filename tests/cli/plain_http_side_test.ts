/** A copy from a registry with TLS to one without: `--plain-http` for both would ask the first by http, too. */
import assert from "node:assert/strict";
import { serveFakeRegistry } from "../registry/fake_registry.ts";
import { Session } from "../../src/transports/session.ts";
import { s3lo } from "./program.ts";

const ENV = { HOME: "/nonexistent", DOCKER_CONFIG: "/nonexistent" };

Deno.test("plain http is for the side that it is said of, else for both", () => {
  const access = (session: Session) => {
    const { plainHttp: source } = session.registryAccess("a.example", "source");
    const { plainHttp: target } = session.registryAccess("b.example", "target");
    return [source, target];
  };
  assert.deepEqual(access(new Session({ target: { plainHttp: true } })), [undefined, true]);
  assert.deepEqual(access(new Session({ plainHttp: true })), [true, true]);
  assert.deepEqual(access(new Session({ plainHttp: true, source: { plainHttp: false } })), [false, true]);
});

Deno.test("--dst-plain-http speaks http to the target and leaves the source to TLS", async () => {
  await using target = serveFakeRegistry();
  // Nobody listens at the source: how it was asked is what counts.
  const source = "127.0.0.1:1/app:v1";
  const run = await s3lo(["copy", "--debug", "--dst-plain-http", source, `${target.server.host}/app:v1`], { env: ENV });
  assert.equal(run.code, 1);
  assert.match(run.stderr, /GET https:\/\/127\.0\.0\.1:1\/v2\//);
  const misplaced = await s3lo(["copy", "--src-plain-http", "s3://some-bucket/app:v1", "local://x//y:z"], { env: ENV });
  assert.equal(misplaced.code, 2);
  assert.match(misplaced.stderr, /--src-plain-http: the source is no registry/);
});
