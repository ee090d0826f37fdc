/** What the file of settings says of single buckets and registries reaches the session, below what the run itself says. */
import assert from "node:assert/strict";
import { Session, type SessionOptions } from "../../src/transports/session.ts";

const DEFAULTS: SessionOptions["defaults"] = {
  bucket: (name) => ({
    endpoint: "http://127.0.0.1:9",
    region: "us-east-1",
    concurrentBlobs: name === "careful" ? 2 : name === "quick" ? 30 : undefined,
  }),
  registry: (host) => ({ plainHttp: host === "plain:5000" ? true : undefined, profile: "p", concurrentBlobs: 7 }),
};

Deno.test("of several places the most careful number of blobs holds, and a typed one before all", async () => {
  await using session = new Session({ defaults: DEFAULTS });
  assert.equal(session.concurrentBlobs, 10);
  await session.bucket("quick", "source");
  assert.equal(session.concurrentBlobs, 30);
  await session.bucket("careful", "target");
  assert.equal(session.concurrentBlobs, 2);
  await session.bucket("quick", "target");
  assert.equal(session.concurrentBlobs, 2);
  await using typed = new Session({ defaults: DEFAULTS, concurrentBlobs: 5 });
  await typed.bucket("careful", "source");
  assert.equal(typed.concurrentBlobs, 5);
});

Deno.test("a registry's own settings hold for it alone, unless the run says otherwise", async () => {
  await using session = new Session({ defaults: DEFAULTS });
  const { plainHttp, awsProfile } = session.registryAccess("plain:5000", "source");
  assert.deepEqual([plainHttp, awsProfile], [true, "p"]);
  assert.equal(session.registryAccess("ghcr.io", "source").plainHttp, undefined);
  assert.equal(session.concurrentBlobs, 7);
  await using typed = new Session({ defaults: DEFAULTS, plainHttp: false, target: { profile: "t" } });
  assert.equal(typed.registryAccess("plain:5000", "source").plainHttp, false);
  assert.equal(typed.registryAccess("plain:5000", "target").awsProfile, "t");
});
