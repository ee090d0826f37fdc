import assert from "node:assert/strict";
import { parsePlatform } from "../../src/oci/platform.ts";
import { countingProxy } from "../support/counting_proxy.ts";
import { multiImage, singleImage } from "../support/images.ts";
import { serveScript } from "../support/scripted_server.ts";
import { serviceTest } from "../support/services.ts";
import { listFiles, makeBuckets, tempFolder, writeStore } from "./places.ts";
import { s3lo, s3loJson, s3loOk } from "./program.ts";

const image = singleImage(parsePlatform("linux/amd64"), { seed: 61, layerBytes: 50_000 });
assert.ok(image.root.content.kind === "image");
const layer = image.root.content.layers[1]!;

type Lie = (
  path: string,
  honest: Uint8Array<ArrayBuffer>,
) => { body: Uint8Array<ArrayBuffer>; headers?: Record<string, string> } | undefined;

const LIES: readonly (readonly [name: string, lie: Lie, message: RegExp])[] = [
  [
    "a layer of other bytes",
    (path, honest) =>
      path.endsWith(layer.digest)
        ? { body: honest.map((byte, index) => index === 9 ? byte ^ 1 : byte) as Uint8Array<ArrayBuffer> }
        : undefined,
    /its bytes have digest/,
  ],
  [
    "a layer that ends early",
    (path, honest) => path.endsWith(layer.digest) ? { body: honest.slice(0, -100) } : undefined,
    new RegExp(layer.digest),
  ],
  [
    "a layer that goes on",
    (path, honest) => path.endsWith(layer.digest) ? { body: new Uint8Array([...honest, 1, 2, 3]) } : undefined,
    new RegExp(layer.digest),
  ],
  [
    "a manifest that is not the one that was asked for",
    (path) =>
      path.includes("/manifests/")
        ? {
          body: multiImage().root.bytes as Uint8Array<ArrayBuffer>,
          headers: { "content-type": multiImage().root.descriptor.mediaType },
        }
        : undefined,
    /has digest|digest/,
  ],
  [
    "a manifest with a lying digest header",
    (path, honest) =>
      path.includes("/manifests/") ? { body: honest, headers: { "docker-content-digest": layer.digest } } : undefined,
    /digest/,
  ],
];

for (const [name, lie, message] of LIES) {
  Deno.test(`copy from a registry that gives ${name} fails and leaves nothing visible`, async () => {
    await using folder = await tempFolder();
    await using server = serveScript(({ path, method }) => {
      const honest = path.includes("/manifests/")
        ? image.root.bytes
        : image.blobs.get(path.slice(path.lastIndexOf("/") + 1) as never);
      if (path === "/v2/") return new Response("{}");
      if (!honest) return undefined;
      const bytes = honest as Uint8Array<ArrayBuffer>;
      const { body, headers } = lie(path, bytes) ?? { body: bytes };
      const type = path.includes("/manifests/") ? image.root.descriptor.mediaType : "application/octet-stream";
      return new Response(method === "HEAD" ? null : body, { headers: { "content-type": type, ...headers } });
    });
    // With a digest in the reference that is what counts; with a tag there is only what the registry says itself.
    const pin = name.includes("header") ? ":v1" : `@${image.root.descriptor.digest}`;
    const reference = `${server.host}/app${pin}`;
    const run = await s3lo(["copy", "--plain-http", reference, `local://${folder.path}/b//app:v1`]);
    assert.equal(run.code, 1, run.stderr);
    assert.match(run.stderr, message);
    // Where nothing was begun there is no store at all.
    const files = await listFiles(folder.path);
    assert.ok(
      !files.some((path) =>
        path.startsWith("b/manifests/") || path.endsWith(layer.digest.slice(7)) || path.includes("/tmp/")
      ),
      files.join(" "),
    );
  });
}

serviceTest("a private registry takes the password of stdin or config.json, and a wrong one gets one clear line", [
  "privateRegistry",
], async (services) => {
  await using folder = await tempFolder();
  const { host, username, password } = new URL(services.privateRegistry);
  await writeStore(folder.path, "app", "v1", image);
  const target = `${host}/cli-${crypto.randomUUID().slice(0, 8)}/app:v1`;
  const args = ["copy", `local://${folder.path}//app:v1`, target];
  const empty = { DOCKER_CONFIG: `${folder.path}/none`, REGISTRY_AUTH_FILE: `${folder.path}/none.json` };
  const wrong = await s3lo([...args, "-u", username, "--password-stdin"], { env: empty, stdin: "not-the-password\n" });
  assert.equal(wrong.code, 1);
  assert.equal(wrong.stderr.trim().split("\n").filter((line) => line.startsWith("Error: ")).length, 1, wrong.stderr);
  assert.ok(!wrong.stderr.includes("not-the-password"));
  const none = await s3lo(args, { env: empty });
  assert.equal(none.code, 1);
  assert.match(none.stderr, /docker login|--username/);
  await s3loOk([...args, "-u", username, "--password-stdin"], { env: empty, stdin: `${password}\n` });
  await Deno.mkdir(`${folder.path}/docker`);
  await Deno.writeTextFile(
    `${folder.path}/docker/config.json`,
    JSON.stringify({ auths: { [host]: { auth: btoa(`${username}:${password}`) } } }),
  );
  const report = await s3loJson(args, { env: { DOCKER_CONFIG: `${folder.path}/docker` } });
  assert.equal(report.blobs_copied, 0);
  const debug = await s3lo(["inspect", "--debug", target], { env: { DOCKER_CONFIG: `${folder.path}/docker` } });
  assert.equal(debug.code, 0, debug.stderr);
  assert.ok(!debug.stderr.includes(password) && !debug.stderr.includes(btoa(`${username}:${password}`)));
});

serviceTest("copy between buckets of one server moves no blob through the client", ["minio"], async (services) => {
  await using folder = await tempFolder();
  using buckets = await makeBuckets(services.minio);
  const big = multiImage({ seed: 62, layerBytes: 3_000_000, sharedLayer: false });
  await writeStore(folder.path, "app", "v1", big);
  await using proxy = countingProxy(new URL(services.minio).host);
  const args = ["copy", "--endpoint", `http://${proxy.host}`];
  const options = { env: buckets.env };
  const first = await s3loJson([...args, `local://${folder.path}//app:v1`, `s3://${buckets.first}/app:v1`], options);
  assert.ok(proxy.sentBytes > first.bytes_copied, "the first copy goes through");
  const [sent, received] = [proxy.sentBytes, proxy.receivedBytes];
  const second = await s3loJson([...args, `s3://${buckets.first}/app:v1`, `s3://${buckets.second}/app:v1`], options);
  assert.deepEqual([second.blobs_copied, second.bytes_copied], [0, 0]);
  assert.deepEqual([second.blobs_linked, second.bytes_linked], [first.blobs_copied, first.bytes_copied]);
  assert.ok(second.bytes_linked > 5_000_000);
  const passed = proxy.sentBytes - sent + proxy.receivedBytes - received;
  assert.ok(passed < 100_000, `${passed} bytes passed: more than the manifests and the requests`);
});

serviceTest(
  "copy again asks a bucket for no more than a handful of objects, whatever the number of layers",
  ["minio"],
  async (services) => {
    await using folder = await tempFolder();
    using buckets = await makeBuckets(services.minio);
    const many = singleImage(parsePlatform("linux/amd64"), { seed: 63, layersPerPlatform: 40, layerBytes: 100 });
    await writeStore(folder.path, "app", "v1", many);
    const args = [
      "copy",
      "--debug",
      "--endpoint",
      buckets.endpoint,
      `local://${folder.path}//app:v1`,
      `s3://${buckets.first}/app:v1`,
    ];
    await s3loOk(args, { env: buckets.env });
    const again = await s3lo(args, { env: buckets.env });
    const requests = again.stderr.split("\n").filter((line) => /^debug: (?:GET|HEAD|PUT|POST|DELETE) http/.test(line));
    assert.ok(requests.length <= 6, requests.join("\n"));
  },
);
