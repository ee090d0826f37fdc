/**
 * Names of images in buckets: a look-up that is late is made again in the background, and the next Tab has the names. All
 * waits are for events (an answer, a process that ended, a file that was written), none for the clock: the time that a
 * look-up has is a parameter.
 */
import assert from "node:assert/strict";
import { NameCache } from "../../src/cli/completion/name_cache.ts";
import { namesInTime, refresh } from "../../src/cli/completion/look_up.ts";
import { completionScript } from "../../src/cli/completion/scripts.ts";
import { makeBuckets, tempFolder, writeStore } from "../cli/places.ts";
import { s3lo } from "../cli/program.ts";
import { singleImage } from "../support/images.ts";
import { programPath, serviceTest } from "../support/services.ts";
import { candidatesOf, SHELL_NAMES, shellSite } from "./shells.ts";

const PLACE = { bucket: "bucket", endpoint: "http://127.0.0.1:9" };

/** A cache in a folder of its own. */
function openCache(path: string, places = [PLACE]): Promise<NameCache> {
  return NameCache.open(places, (name) => name === "XDG_CACHE_HOME" ? path : undefined, "linux");
}

/** An S3 server with one image, which answers once it is let. */
function bucketServer(names: readonly string[] = ["app/v1"]) {
  const state = { requests: 0, gate: Promise.resolve() };
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async (request) => {
    if (!new URL(request.url).searchParams.has("list-type")) return new Response("", { status: 404 });
    state.requests++;
    await state.gate;
    const keys = names.map((name) =>
      `<Contents><Key>manifests/${name}/manifest.json</Key><Size>2</Size><ETag>x</ETag>` +
      "<LastModified>2024-01-01T00:00:00.000Z</LastModified></Contents>"
    );
    return new Response(
      `<?xml version="1.0"?><ListBucketResult>${keys.join("")}<IsTruncated>false</IsTruncated></ListBucketResult>`,
      { headers: { "content-type": "application/xml" } },
    );
  });
  return {
    state,
    endpoint: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

const KEYS = { AWS_ACCESS_KEY_ID: "k", AWS_SECRET_ACCESS_KEY: "s", AWS_REGION: "us-east-1" };

Deno.test("namesInTime() does not wait for a late bucket, and refresh() remembers it for the next time", async () => {
  await using folder = await tempFolder();
  using cache = await openCache(folder.path);
  const never = Promise.withResolvers<readonly string[]>();
  let ended: AbortSignal | undefined;
  const late = await namesInTime(cache, PLACE, 1, (signal) => {
    ended = signal;
    return never.promise;
  });
  assert.deepEqual(late, { names: [], needsRefresh: true });
  assert.ok(ended?.aborted, "the late request is given up");
  await refresh(cache, PLACE, () => Promise.resolve(["app:v1"]));
  const next = await namesInTime(cache, PLACE, 0, () => never.promise);
  assert.deepEqual(next, { names: ["app:v1"], needsRefresh: false });
});

Deno.test("namesInTime() remembers what came in time", async () => {
  await using folder = await tempFolder();
  using cache = await openCache(folder.path);
  const first = await namesInTime(cache, PLACE, 60_000, () => Promise.resolve(["app:v1"]));
  assert.deepEqual(first, { names: ["app:v1"], needsRefresh: false });
  const second = await namesInTime(cache, PLACE, 60_000, () => Promise.reject(new Error("asked again")));
  assert.deepEqual(second, first);
});

Deno.test("names that a command saw by the way are shown, and asked for whole meanwhile", async () => {
  await using folder = await tempFolder();
  using cache = await openCache(folder.path);
  await cache.keep(PLACE, ["app:v2"], false);
  assert.deepEqual(await namesInTime(cache, PLACE, 0, () => Promise.reject(new Error())), {
    names: ["app:v2"],
    needsRefresh: true,
  });
  await cache.keep(PLACE, ["app:v1"], true);
  await cache.keep(PLACE, ["app:v3"], false);
  assert.deepEqual((await cache.read(PLACE))?.names, ["app:v1", "app:v3"]);
});

Deno.test("a bucket that refuses is not asked at every Tab", async () => {
  await using folder = await tempFolder();
  using cache = await openCache(folder.path);
  await refresh(cache, PLACE, () => Promise.reject(new Error("no credentials")));
  const { needsRefresh } = await namesInTime(cache, PLACE, 0, () => Promise.reject(new Error()));
  assert.equal(needsRefresh, false);
});

Deno.test("only one process looks a bucket up at a time", async () => {
  await using folder = await tempFolder();
  using one = await openCache(folder.path);
  using two = await openCache(folder.path);
  let asked = 0;
  await refresh(one, PLACE, async () => {
    await refresh(two, PLACE, () => Promise.resolve([`${asked++}`]));
    return ["app:v1"];
  });
  assert.equal(asked, 0);
  assert.deepEqual((await two.read(PLACE))?.names, ["app:v1"]);
});

Deno.test("the memory is for the user alone, bounded, told apart by server and profile, and no link is followed", async () => {
  await using folder = await tempFolder();
  const places = Array.from({ length: 80 }, (_, index) => ({ bucket: `b${index}`, endpoint: "http://h" }));
  for (const place of places) {
    using cache = await openCache(folder.path, [place]);
    await cache.keep(place, ["app:v1"], true);
  }
  const path = `${folder.path}/s3lo/completion`;
  const files = (await Array.fromAsync(Deno.readDir(path))).map(({ name }) => name);
  assert.equal(files.length, 64);
  if (Deno.build.os !== "windows") {
    assert.equal((await Deno.stat(path)).mode! & 0o777, 0o700);
    for (const name of files) assert.equal((await Deno.stat(`${path}/${name}`)).mode! & 0o777, 0o600);
  }
  const last = places.at(-1)!;
  const others = [last, { ...last, endpoint: "http://other" }, { ...last, profile: "p" }];
  using cache = await openCache(folder.path, others);
  const known = await Promise.all(others.map(async (place) => (await cache.read(place))?.names.length ?? 0));
  assert.deepEqual(known, [1, 0, 0]);
  await cache.keep(last, Array.from({ length: 30_000 }, (_, index) => `app:${index}`), true);
  assert.equal((await cache.read(last))?.names.length, 20_000);
  // A folder that others may write to is left alone.
  if (Deno.build.os === "windows") return;
  await Deno.chmod(path, 0o777);
  using open = await openCache(folder.path, [last]);
  assert.equal(await open.read(last), undefined);
});

Deno.test("a document that is cut off or somebody else's is nothing known", async () => {
  await using folder = await tempFolder();
  using cache = await openCache(folder.path);
  await cache.keep(PLACE, ["app:v1"], true);
  const path = `${folder.path}/s3lo/completion`;
  const file = `${path}/${(await Array.fromAsync(Deno.readDir(path)))[0]!.name}`;
  const text = await Deno.readTextFile(file);
  for (const broken of [text.slice(0, -3), "", "[]", '{"version":2,"names":[]}', '{"version":1,"at":1,"names":"x"}']) {
    await Deno.writeTextFile(file, broken);
    assert.equal(await cache.read(PLACE), undefined, broken);
  }
});

Deno.test("s3lo __complete does not wait for a bucket, and after --fill the next one has its names, with no request", async () => {
  await using folder = await tempFolder();
  await using bucket = bucketServer(["app/v1", "team/web/v2", "app/sha256-" + "0".repeat(64)]);
  const env = { ...KEYS, XDG_CACHE_HOME: folder.path };
  const line = ["--", "inspect", "--endpoint", bucket.endpoint, "s3://bucket/"];
  const open = Promise.withResolvers<void>();
  bucket.state.gate = open.promise;
  // It ends although the server has not answered, and will not before it has ended.
  const late = await s3lo(["__complete", "--limit-ms", "1", ...line], { env });
  assert.deepEqual([late.code, late.stdout], [0, ":refresh\n"]);
  open.resolve();
  const fill = await s3lo(["__complete", "--fill", ...line], { env });
  assert.deepEqual([fill.code, fill.stdout, fill.stderr], [0, "", ""]);
  const { requests } = bucket.state;
  assert.ok(requests > 0);
  const next = await s3lo(["__complete", "--limit-ms", "0", ...line], { env });
  assert.equal(next.stdout, "s3://bucket/app:\ns3://bucket/team/web:\n");
  assert.equal(bucket.state.requests, requests);
  // In time at once: another line of the same bucket, another server.
  await using other = bucketServer(["db/v3"]);
  const elsewhere = ["--", "copy", "--src-endpoint", other.endpoint, "--dst-endpoint", bucket.endpoint];
  const source = await s3lo(["__complete", "--limit-ms", "60000", ...elsewhere, "s3://bucket/"], { env });
  assert.equal(source.stdout, "s3://bucket/db:\n");
  const target = await s3lo(["__complete", "--limit-ms", "0", ...elsewhere, "alpine", "s3://bucket/app:"], { env });
  assert.equal(target.stdout, "s3://bucket/app:v1\n");
});

Deno.test("what list has shown, completion knows; where nothing can be remembered a listing is none the worse", async () => {
  await using folder = await tempFolder();
  await using bucket = bucketServer(["app/v1"]);
  const env = { ...KEYS, XDG_CACHE_HOME: folder.path, S3LO_ENDPOINT: bucket.endpoint };
  assert.equal((await s3lo(["list", "s3://bucket"], { env })).stdout, "app:v1\n");
  const { requests } = bucket.state;
  const next = await s3lo(["__complete", "--limit-ms", "0", "--", "inspect", "s3://bucket/app:"], { env });
  assert.equal(next.stdout, "s3://bucket/app:v1\n");
  assert.equal(bucket.state.requests, requests);
  // Without a place to remember anything, a listing is none the worse.
  const file = `${folder.path}/file`;
  await Deno.writeTextFile(file, "");
  for (const home of [file, "/proc/none"]) {
    const run = await s3lo(["list", "s3://bucket"], { env: { ...env, XDG_CACHE_HOME: home } });
    assert.deepEqual([run.code, run.stdout, run.stderr], [0, "app:v1\n", ""]);
  }
});

serviceTest("what copy and push have written, completion knows", ["minio"], async (services) => {
  await using folder = await tempFolder();
  using buckets = await makeBuckets(services.minio);
  await writeStore(`${folder.path}/store`, "app", "v1", singleImage({ os: "linux", architecture: "amd64" }));
  const env = { ...buckets.env, XDG_CACHE_HOME: `${folder.path}/cache`, S3LO_ENDPOINT: buckets.endpoint };
  const target = `s3://${buckets.first}/team/app`;
  const source = `local://${folder.path}/store//app:v1`;
  const known = async () =>
    (await s3lo(["__complete", "--limit-ms", "0", "--", "inspect", `${target}:`], { env })).stdout;
  assert.equal((await s3lo(["copy", source, `${target}:v1`, "--dry-run"], { env })).code, 0);
  assert.equal(await known(), ":refresh\n");
  assert.equal((await s3lo(["copy", source, `${target}:v1`], { env })).code, 0);
  // What was seen by the way is not all, so the bucket is asked meanwhile.
  assert.equal(await known(), `${target}:v1\n:refresh\n`);
  assert.equal((await s3lo(["pull", "--platform", "linux/amd64", "-f", `${folder.path}/a.tar`, source])).code, 0);
  assert.equal((await s3lo(["push", "-f", `${folder.path}/a.tar`, `${target}:v2`], { env })).code, 0);
  assert.equal(await known(), `${target}:v1\n${target}:v2\n:refresh\n`);
});

for (const shell of SHELL_NAMES) {
  const program = programPath(shell);
  Deno.test({
    name: `${shell}: the first Tab asks the bucket, a later one has its names${
      program ? "" : " (skipped: not installed)"
    }`,
    ignore: program === undefined && Deno.env.get("CI") !== "true",
    fn: async () => {
      await using folder = await tempFolder();
      await using bucket = bucketServer(["app/v1", "app/v2"]);
      const site = await shellSite(folder.path, ["--limit-ms", "0"]);
      const env = { ...site.env, ...KEYS, S3LO_ENDPOINT: bucket.endpoint, XDG_CACHE_HOME: `${folder.path}/cache` };
      const script = `${folder.path}/completion`;
      await Deno.writeTextFile(script, completionScript(shell)!);
      const ask = () =>
        candidatesOf(shell, {
          program: program!,
          script,
          line: "s3lo inspect s3://bucket/app:v",
          env,
          folder: folder.path,
        });
      const path = `${folder.path}/cache/s3lo/completion`;
      await Deno.mkdir(path, { recursive: true, mode: 0o700 });
      const watcher = Deno.watchFs(path);
      assert.deepEqual(await ask(), []);
      // The background look-up has written when the file holds a document.
      const isWritten = async () => {
        const texts = (await Array.fromAsync(Deno.readDir(path))).map(({ name }) =>
          Deno.readTextFile(`${path}/${name}`)
        );
        return (await Promise.all(texts)).some((text) => text.endsWith("}"));
      };
      if (!await isWritten()) { for await (const _ of watcher) if (await isWritten()) break; }
      const expected = ["v1", "v2"].map((tag) => shell === "bash" ? tag : `s3://bucket/app:${tag}`);
      assert.deepEqual([...await ask()].sort(), expected);
    },
  });
}
