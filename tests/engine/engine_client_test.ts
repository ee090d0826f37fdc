import assert from "node:assert/strict";
import { type BlobReader, readAll } from "../../src/bytes/blob_reader.ts";
import { addressConnection } from "../../src/engine/connection.ts";
import { EngineClient } from "../../src/engine/engine_client.ts";
import { findEngine } from "../../src/engine/find_engine.ts";
import { ImageError, isImageError } from "../../src/errors.ts";
import { socketPath } from "../support/sockets.ts";
import { fakeEngine, type FakeEngineScript, fakeHost } from "../support/fake_engine.ts";

/** A test against a scripted daemon. */
function engineTest(
  name: string,
  script: FakeEngineScript,
  body: (client: EngineClient, requests: readonly string[]) => Promise<void>,
): void {
  Deno.test({
    name,
    fn: async () => {
      await using engine = await fakeEngine(script);
      using client = await EngineClient.connect(addressConnection(engine.address, "test"));
      await body(client, engine.requests);
    },
  });
}

/** A reader of `count` pieces that then throws, or ends. */
function piecesReader(count: number, error?: Error): BlobReader {
  let left = count;
  return {
    read(into) {
      if (left-- > 0) return Promise.resolve(into.fill(120));
      return error ? Promise.reject(error) : Promise.resolve(into.subarray(0, 0));
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

const DIGEST = (digit: string) => `sha256:${digit.repeat(64)}`;

engineTest("connect() speaks an old daemon's own API version", { apiVersion: "1.41" }, async (client, requests) => {
  assert.equal(client.info.apiVersion, "1.41");
  assert.equal(client.info.store, "classic");
  assert.deepEqual(client.info.platform, { os: "linux", architecture: "arm64" });
  await assert.rejects(client.inspectImage("app"), (error) => isImageError(error, "not-found"));
  assert.equal(requests.at(-1), "GET /v1.41/images/app/json");
});

engineTest(
  "connect() speaks its own newest version with a newer daemon",
  { apiVersion: "1.77", containerd: true },
  async (
    client,
    requests,
  ) => {
    assert.equal(client.info.apiVersion, "1.51");
    assert.equal(client.info.store, "containerd");
    await assert.rejects(client.inspectImage("app:v1"));
    assert.equal(requests.at(-1), "GET /v1.51/images/app:v1/json?manifests=1");
  },
);

engineTest("connect() knows podman by its ping", { apiVersion: "1.41", podman: true }, (client, requests) => {
  assert.equal(client.info.store, "podman");
  assert.deepEqual(requests, ["GET /_ping", "GET /version"]);
  return Promise.resolve();
});

Deno.test({
  name: "connect() refuses a daemon whose oldest API version is too new",
  fn: async () => {
    await using engine = await fakeEngine({ apiVersion: "1.99", oldestApiVersion: "1.90" });
    await assert.rejects(
      EngineClient.connect(addressConnection(engine.address, "test")),
      (error) => isImageError(error, "unsupported") && /1\.90 to 1\.99/.test(error.message),
    );
  },
});

engineTest("inspectImage() tells complete platforms from absent ones", {
  containerd: true,
  handle: () =>
    Response.json({
      Id: DIGEST("a"),
      RepoTags: ["app:v1"],
      Os: "linux",
      Architecture: "arm64",
      Variant: "v8",
      RootFS: { Type: "layers", Layers: [DIGEST("1"), DIGEST("2")] },
      Descriptor: { mediaType: "application/vnd.oci.image.index.v1+json", digest: DIGEST("a"), size: 10 },
      Manifests: [
        {
          Kind: "image",
          Available: true,
          Descriptor: { mediaType: "m", digest: DIGEST("b"), size: 1 },
          ImageData: { Platform: { os: "linux", architecture: "arm64" } },
        },
        { Kind: "image", Available: false, Descriptor: { mediaType: "m", digest: DIGEST("c"), size: 1 } },
        {
          Kind: "attestation",
          Available: true,
          Descriptor: { mediaType: "m", digest: DIGEST("d"), size: 1 },
          AttestationData: { For: DIGEST("b") },
        },
      ],
    }),
}, async (client) => {
  const image = await client.inspectImage("app:v1");
  assert.equal(image.id, DIGEST("a"));
  assert.equal(image.root?.size, 10);
  assert.deepEqual(image.diffIds, [DIGEST("1"), DIGEST("2")]);
  assert.deepEqual(image.manifests.map((m) => [m.kind, m.isComplete, m.subject]), [
    ["image", true, undefined],
    ["image", false, undefined],
    ["attestation", true, DIGEST("b")],
  ]);
  assert.deepEqual(image.manifests[0]?.descriptor.platform, { os: "linux", architecture: "arm64" });
});

for (const [what, body] of [["cut off", '[{"Id":"sha'], ["no list", "{}"]] as const) {
  engineTest(`listImages() refuses a list that is ${what}`, { handle: () => new Response(body) }, async (client) => {
    await assert.rejects(
      client.listImages(),
      (error) => isImageError(error, "invalid-input") && /list of images/.test(error.message),
    );
  });
}

engineTest("loadImage() streams the tar and returns what was loaded", {
  handle: async (request) => {
    const body = await request.bytes();
    const lines = [
      { status: "Loading layer", progressDetail: { current: 1 } },
      { stream: `Loaded image: app:v1\n` },
      { stream: `Loaded image ID: ${DIGEST("a")}\n` },
      { stream: `got ${body.byteLength} bytes, length header ${request.headers.get("content-length")}\n` },
    ];
    return new Response(lines.map((line) => JSON.stringify(line)).join("\r\n"));
  },
}, async (client) => {
  assert.deepEqual(await client.loadImage(piecesReader(5)), ["app:v1", DIGEST("a")]);
});

engineTest("loadImage() sees a failure that comes after status 200", {
  handle: async (request) => {
    await request.bytes();
    const failure = { errorDetail: { message: "write /x: no space left on device" }, error: "write /x: no space" };
    return new Response(`{"stream":"Loading"}\r\n${JSON.stringify(failure)}\r\n`);
  },
}, async (client) => {
  await assert.rejects(
    client.loadImage(piecesReader(1)),
    (error) => isImageError(error, "invalid-input") && /no space left on device$/.test(error.message),
  );
});

engineTest("loadImage() shows the daemon's words for a refusal", {
  handle: async (request) => {
    await request.bytes();
    return Response.json({ message: "access denied by policy", cause: "x" }, { status: 403 });
  },
}, async (client) => {
  await assert.rejects(
    client.loadImage(piecesReader(1)),
    (error) => isImageError(error, "denied") && /access denied by policy$/.test(error.message),
  );
});

{
  let arrived: Promise<string> | undefined;
  engineTest("loadImage() cuts the request off when the tar cannot be made", {
    handle: (request) => {
      arrived = request.bytes().then((bytes) => `whole: ${bytes.byteLength}`, () => "cut off");
      return arrived.then((text) => new Response(text));
    },
  }, async (client) => {
    const broken = new ImageError("digest-mismatch", "Wrong bytes");
    await assert.rejects(client.loadImage(piecesReader(9, broken)), (error) => error === broken);
    assert.equal(await arrived, "cut off");
  });
}

engineTest("saveImage() asks for one platform only where the daemon can choose", {
  containerd: true,
  handle: () => new Response("tar"),
}, async (client, requests) => {
  await using tar = await client.saveImage(["app:v1"], {
    platform: { os: "linux", architecture: "arm", variant: "v7" },
  });
  assert.equal(new TextDecoder().decode(await readAll(tar, 10, "tar")), "tar");
  const query = new URL(`http://x${requests.at(-1)?.slice(4)}`).searchParams;
  assert.equal(query.get("names"), "app:v1");
  assert.deepEqual(JSON.parse(query.get("platform")!), { os: "linux", architecture: "arm", variant: "v7" });
});

engineTest("saveImage() refuses a platform where there is none to choose", {}, async (client) => {
  await assert.rejects(
    client.saveImage(["app"], { platform: { os: "linux", architecture: "arm64" } }),
    (error) => isImageError(error, "unsupported"),
  );
});

engineTest("inspectImage() refuses names that lead to another path", {}, async (client, requests) => {
  const before = requests.length;
  for (const name of ["../info", "a/../../info", "a?b", "a#b", "", "a b", "%2e%2e/info"]) {
    await assert.rejects(client.inspectImage(name), (error) => isImageError(error, "invalid-reference"), name);
  }
  assert.equal(requests.length, before);
});

Deno.test({
  name: "loadImage() reports a connection that breaks",
  fn: async () => {
    const path = await socketPath();
    const listener = Deno.listen({ transport: "unix", path });
    const answer = (headers: string, body: string) =>
      new TextEncoder().encode(`HTTP/1.1 200 OK\r\n${headers}Content-Length: ${body.length}\r\n\r\n${body}`);
    const serve = async (connection: Deno.Conn) => {
      const buffer = new Uint8Array(64 * 1024);
      for (let count; (count = await connection.read(buffer).catch(() => null)) !== null;) {
        const text = new TextDecoder().decode(buffer.subarray(0, count));
        if (text.includes("/_ping HTTP")) await connection.write(answer("Libpod-Api-Version: 4\r\n", "OK"));
        else if (text.includes("/version HTTP")) await connection.write(answer("", `{"Os":"linux","Arch":"amd64"}`));
        else break;
      }
      connection.close();
    };
    const serving = (async () => {
      for await (const connection of listener) await serve(connection);
    })();
    const client = await EngineClient.connect(addressConnection(`unix://${path}`, "test"));
    client[Symbol.dispose](); // frees the server, which has one connection at a time
    await assert.rejects(
      client.loadImage(piecesReader(100_000)),
      (error) => isImageError(error, "unavailable") && error.message.includes(path),
    );
    listener.close();
    await serving;
  },
});

Deno.test({
  name: "findEngine() goes past dead sockets to the first daemon that answers",
  fn: async () => {
    await using engine = await fakeEngine();
    const sockets = ["/dead.sock", engine.socket, "/later.sock"].map((path) => ({ product: "test", path }));
    const host = fakeHost({ sockets: { "/dead.sock": "connection refused", [engine.socket]: "listening" } });
    using client = await findEngine({ host, sockets });
    assert.equal(client.address, engine.address);
  },
});

Deno.test({
  name: "findEngine() does not fall back from a daemon that was chosen",
  fn: async () => {
    const host = fakeHost({ env: { DOCKER_HOST: `unix://${await socketPath()}` } });
    await assert.rejects(
      findEngine({ host }),
      (error) => isImageError(error, "unavailable") && /\(from DOCKER_HOST\): not there/.test(error.message),
    );
  },
});
