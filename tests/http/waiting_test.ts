/**
 * How long one waits for a server, how often it is asked, and what is told meanwhile. A mistyped host once cost three
 * quarters of a minute of silence, and a busy registry was asked 25 times for one manifest, since tries multiplied.
 */
import assert from "node:assert/strict";
import { retrying, type Wait } from "../../src/bytes/retry.ts";
import { ImageError } from "../../src/errors.ts";
import { HttpClient } from "../../src/http/client.ts";
import { sendRetrying } from "../../src/http/send_retrying.ts";
import { resumingReader } from "../../src/image/resuming_reader.ts";
import { getManifest } from "../../src/registry/manifests.ts";
import { openBlob } from "../../src/registry/blobs.ts";
import { RegistrySession } from "../../src/registry/session.ts";
import { waitNotes } from "../../src/cli/wait_notes.ts";
import { digestOf } from "../../src/oci/digest.ts";
import { serveScript } from "../support/scripted_server.ts";

/** A port of this machine where nothing listens. */
function deadHost(): string {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  return `127.0.0.1:${port}`;
}

/** Counts the waits before another try. */
function counted(): { readonly waits: Wait[]; readonly retry: { baseDelayMs: number; onWait: (wait: Wait) => void } } {
  const waits: Wait[] = [];
  return { waits, retry: { baseDelayMs: 1, onWait: (wait) => waits.push(wait) } };
}

for (const status of [429, 503]) {
  Deno.test(`a registry that always answers ${status} is asked five times for a manifest, and each wait is told`, async () => {
    await using server = serveScript(({ path }) =>
      path === "/v2/" ? new Response(null, { status: 200 }) : new Response(null, { status })
    );
    const { waits, retry } = counted();
    using session = new RegistrySession({ retry });
    const repository = session.repository(server.host, "app", { plainHttp: true });
    await assert.rejects(getManifest(repository, "v1"), { code: "unavailable" });
    assert.equal(server.lines().filter((line) => line === "GET /v2/app/manifests/v1").length, 5);
    assert.deepEqual(waits.map(({ host }) => host), Array(4).fill(server.host));
    assert.match(waits[0]!.reason, new RegExp(`^The server answered ${status} to GET `));
  });
}

Deno.test("a blob that a registry never gives is asked for five times, by whatever reads it", async () => {
  await using server = serveScript(({ path }) => new Response(null, { status: path === "/v2/" ? 200 : 503 }));
  const { retry } = counted();
  using session = new RegistrySession({ retry });
  const repository = session.repository(server.host, "app", { plainHttp: true });
  const blob = { mediaType: "x/y", digest: digestOf(new Uint8Array(100)), size: 100 };
  await using reader = resumingReader(
    (range) => openBlob(repository, blob, range),
    { start: 0, length: blob.size, isWhole: true },
    { baseDelayMs: 1 },
  );
  await assert.rejects(reader.read(new Uint8Array(10)), { code: "unavailable" });
  assert.equal(server.requests.filter(({ path }) => path.includes("/blobs/")).length, 5);
});

Deno.test("a token server that is busy is asked five times for a token", async () => {
  await using server = serveScript(({ path, headers }) => {
    if (path.startsWith("/token")) return new Response(null, { status: 429 });
    const realm = `Bearer realm="http://${headers.get("host")}/token"`;
    return new Response(null, { status: 401, headers: { "www-authenticate": realm } });
  });
  const { retry } = counted();
  using session = new RegistrySession({ retry });
  const repository = session.repository(server.host, "app", { plainHttp: true });
  await assert.rejects(getManifest(repository, "v1"), { code: "unavailable" });
  assert.equal(server.lines().filter((line) => line === "GET /token").length, 5);
});

Deno.test("a host where nothing listens is tried once more, one that has answered before five times", async () => {
  const { waits, retry } = counted();
  using client = new HttpClient();
  const dead = { method: "GET", url: `http://${deadHost()}/` };
  await assert.rejects(sendRetrying(client, dead, retry), { code: "unavailable" });
  assert.equal(waits.length, 1);
  let url = "";
  await using server = serveScript(() => new Response("here"));
  url = `${server.origin}/`;
  await (await client.send({ method: "GET", url })).discard();
  await server[Symbol.asyncDispose]();
  await assert.rejects(sendRetrying(client, { method: "GET", url }, retry), { code: "unavailable" });
  assert.equal(waits.length, 1 + 4);
});

Deno.test("retrying() around retrying() tries as often as one alone", async () => {
  let tries = 0;
  const fail = () => {
    tries++;
    return Promise.reject(new ImageError("unavailable", "busy"));
  };
  const inner = () =>
    retrying(fail, { baseDelayMs: 1 }).catch((error) => {
      throw new ImageError("unavailable", "Cannot read it", { cause: error });
    });
  await assert.rejects(retrying(inner, { baseDelayMs: 1 }), { message: "Cannot read it" });
  assert.equal(tries, 5);
});

Deno.test("a host that takes its time with a first answer is told of once", async () => {
  const told = Promise.withResolvers<Wait>();
  let count = 0;
  await using server = serveScript(async () => {
    await told.promise;
    return new Response("late");
  });
  const onWait = (wait: Wait) => (count++, told.resolve(wait));
  using client = new HttpClient({ stallTimeoutMs: 30_000, onWait });
  for (let round = 0; round < 2; round++) {
    await (await client.send({ method: "GET", url: `${server.origin}/` })).discard();
  }
  const { host, reason } = await told.promise;
  assert.deepEqual([host, reason, count], [server.host, "No answer yet", 1]);
});

Deno.test("waitNotes() says a long wait once for each host, and nothing of short ones", { permissions: "none" }, () => {
  const said: string[] = [];
  let now = 0;
  const onWait = waitNotes((text) => said.push(text), () => now);
  onWait({ host: "a.test", reason: "busy", waitMs: 2000 });
  onWait({ host: "a.test", reason: "busy", waitMs: 5000 });
  onWait({ host: "a.test", reason: "busy", waitMs: 5100 });
  onWait({ host: "b.test", reason: "gone", waitMs: 30_000 });
  now = 5000;
  onWait({ host: "a.test", reason: "busy", waitMs: 90_000 });
  assert.deepEqual(said, [
    "Waiting for a.test, up to 5.0 s: busy",
    "Waiting for b.test, up to 30 s: gone",
    "Waiting for a.test, up to 1 min 30 s: busy",
  ]);
});
