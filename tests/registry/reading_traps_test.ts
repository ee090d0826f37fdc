import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { readAll } from "../../src/bytes/blob_reader.ts";
import type { ImageError } from "../../src/errors.ts";
import type { Descriptor } from "../../src/oci/descriptor.ts";
import { digestOf } from "../../src/oci/digest.ts";
import { openRegistrySource, type RegistrySource } from "../../src/transports/registry.ts";
import { certificatesExpected, makeCertificate } from "../support/certificates.ts";
import { Random, singleImage } from "../support/images.ts";
import { type Handler, serveRaw, serveScript, writeText } from "../support/scripted_server.ts";
import { readBlob, registryReference, testSession } from "./support.ts";

const permissions: Deno.PermissionOptions = { net: ["127.0.0.1"], env: true, sys: "inherit" };
const bytes = new Random(5).bytes(5000);
const blob: Descriptor = { mediaType: "application/octet-stream", digest: digestOf(bytes), size: bytes.byteLength };
const image = singleImage({ os: "linux", architecture: "amd64" });
const BLOB_PATH = `/v2/team/app/blobs/${blob.digest}`;

/** Opens `team/app:v1` at a scripted registry; its `/v2/` is answered here. */
async function withRegistry(
  handler: Handler,
  body: (source: RegistrySource, server: ReturnType<typeof serveScript>) => Promise<void>,
): Promise<void> {
  await using server = serveScript((request) => request.path === "/v2/" ? new Response("{}") : handler(request));
  using session = testSession({ plainHttp: true });
  await body(openRegistrySource(registryReference(`${server.host}/team/app:v1`), session), server);
}

async function readRange(source: RegistrySource, start: number, length: number): Promise<Uint8Array> {
  await using reader = await source.openBlob(blob, { start, length });
  return await readAll(reader, length + 1, "the range");
}

/** The right answer to a request for a range. */
function partial(range: string | null): Response {
  const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(range ?? "")!;
  const headers = { "content-range": `bytes ${from}-${to}/${bytes.byteLength}` };
  return new Response(bytes.subarray(Number(from), Number(to) + 1), { status: 206, headers });
}

Deno.test("trap 7: ranges are asked for with both ends", { permissions }, async () => {
  await withRegistry(({ headers }) => partial(headers.get("range")), async (source, server) => {
    assert.deepEqual(await readRange(source, 1000, 500), bytes.subarray(1000, 1500));
    assert.deepEqual(await readRange(source, 4900, 500), bytes.subarray(4900));
    const ranges = server.requests.slice(1).map(({ headers }) => headers.get("range"));
    assert.deepEqual(ranges, ["bytes=1000-1499", "bytes=4900-4999"]);
  });
});

Deno.test("trap 7: a registry that answers 200 to a range is read from the start and skipped forward", {
  permissions,
}, async () => {
  await withRegistry(() => new Response(bytes), async (source) => {
    assert.deepEqual(await readRange(source, 1000, 500), bytes.subarray(1000, 1500));
    assert.deepEqual(await readRange(source, 4990, 10), bytes.subarray(4990));
  });
});

Deno.test("trap 7: a registry that answers 416 to a range is asked for everything", { permissions }, async () => {
  const answer: Handler = ({ headers }) =>
    headers.has("range") ? new Response(null, { status: 416 }) : new Response(bytes);
  await withRegistry(answer, async (source, server) => {
    assert.deepEqual(await readRange(source, 1000, 500), bytes.subarray(1000, 1500));
    assert.equal(server.requests.length, 3);
  });
});

for (const range of ["bytes 999-1498/5000", "bytes 1000-1499/4999", "items 1-2/3", ""]) {
  Deno.test(
    `trap 7: Content-Range ${JSON.stringify(range)} for bytes from 1000 is refused`,
    { permissions },
    async () => {
      const answer = () => new Response(bytes.subarray(0, 500), { status: 206, headers: { "content-range": range } });
      await withRegistry(answer, async (source) => {
        await assert.rejects(readRange(source, 1000, 500), { code: "invalid-input" });
      });
    },
  );
}

Deno.test("trap 7: every read starts at the registry's own URL, not at an old redirect", { permissions }, async () => {
  let signed = 0;
  await using storage = serveScript(({ path, headers }) =>
    path === `/signed/${signed}` ? partial(headers.get("range")) : new Response("expired", { status: 403 })
  );
  const answer = () => Response.redirect(`${storage.origin}/signed/${++signed}`, 307);
  await withRegistry(answer, async (source, server) => {
    assert.deepEqual(await readRange(source, 0, 100), bytes.subarray(0, 100));
    assert.deepEqual(await readRange(source, 100, 100), bytes.subarray(100, 200));
    assert.deepEqual(server.lines(), ["GET /v2/", `GET ${BLOB_PATH}`, `GET ${BLOB_PATH}`]);
  });
});

Deno.test("a storage that is busy is asked again by way of the registry", { permissions }, async () => {
  let asked = 0;
  await using storage = serveScript(() => ++asked < 3 ? new Response(null, { status: 503 }) : new Response(bytes));
  await withRegistry(() => Response.redirect(`${storage.origin}/x`, 307), async (source, server) => {
    assert.deepEqual(await readBlob(source, blob), bytes);
    assert.equal(server.requests.length, 4);
  });
});

Deno.test("trap 9: the authorization is dropped when a redirect leaves the registry, and kept when it stays", {
  permissions,
}, async () => {
  await using storage = serveScript(({ headers }) =>
    headers.has("authorization")
      ? new Response("Only one auth mechanism allowed", { status: 400 })
      : new Response(bytes)
  );
  await using server = serveScript(({ path, headers }) => {
    if (headers.get("authorization") !== `Basic ${btoa("user:right")}`) {
      return new Response(null, { status: 401, headers: { "www-authenticate": 'Basic realm="x"' } });
    }
    if (path === BLOB_PATH) return new Response(null, { status: 302, headers: { location: "/moved" } });
    if (path === "/moved") return Response.redirect(`${storage.origin}/object?X-Amz-Signature=x`, 307);
    return new Response("{}");
  });
  using session = testSession({ plainHttp: true });
  const credentials = { kind: "password", username: "user", password: "right" } as const;
  const source = openRegistrySource(registryReference(`${server.host}/team/app`), session, { credentials });
  assert.deepEqual(await readBlob(source, blob), bytes);
  assert.equal(storage.requests[0]?.headers.has("authorization"), false);
  assert.equal(server.requests.find(({ path }) => path === "/moved")?.headers.has("authorization"), true);
});

Deno.test("a challenge of the storage is not answered with the registry's credentials", { permissions }, async () => {
  await using storage = serveScript(({ headers }) => {
    const challenge = `Bearer realm="http://${headers.get("host")}/token"`;
    return new Response(null, { status: 401, headers: { "www-authenticate": challenge } });
  });
  await using server = serveScript(({ path }) =>
    path === "/v2/" ? new Response("{}") : Response.redirect(`${storage.origin}/object`, 307)
  );
  using session = testSession({ plainHttp: true });
  const credentials = { kind: "password", username: "user", password: "right" } as const;
  const source = openRegistrySource(registryReference(`${server.host}/team/app`), session, { credentials });
  await assert.rejects(readBlob(source, blob), { code: "unauthorized" });
  assert.deepEqual(storage.lines(), ["GET /object"]);
});

Deno.test("redirects that never end are given up", { permissions }, async () => {
  await withRegistry(
    ({ path }) => new Response(null, { status: 307, headers: { location: `${path}x` } }),
    async (source) => {
      await assert.rejects(readBlob(source, blob), { code: "invalid-input", message: /more than 10 redirects/ });
    },
  );
});

Deno.test("a blob of another length than its descriptor's is refused before it is read", { permissions }, async () => {
  await withRegistry(() => new Response(bytes.subarray(1)), async (source) => {
    await assert.rejects(readBlob(source, blob), { code: "digest-mismatch", message: /4999 bytes, not 5000/ });
  });
});

Deno.test("a blob that ends short fails as unavailable, so that the reader can go on with a range", async () => {
  await using server = serveRaw((head, connection) =>
    writeText(
      connection,
      head.startsWith("GET /v2/ ")
        ? "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        : head.includes("truncated")
        ? `HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n${"x".repeat(700)}`
        : `HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n${"x".repeat(700)}`,
    )
  );
  using session = testSession({ plainHttp: true });
  for (const repository of ["truncated", "no-length"]) {
    const source = openRegistrySource(registryReference(`${server.host}/${repository}`), session);
    await assert.rejects(readBlob(source, blob), { code: "unavailable" }, repository);
  }
});

Deno.test(
  "a layer that a storage serves with Content-Encoding: gzip is taken as it is stored",
  { permissions },
  async () => {
    const layer = new Uint8Array(gzipSync(bytes));
    const gzipped = { ...blob, digest: digestOf(layer), size: layer.byteLength };
    const answer = () => new Response(layer, { headers: { "content-encoding": "gzip" } });
    await withRegistry(answer, async (source, server) => {
      assert.deepEqual(await readBlob(source, gzipped), layer);
      assert.equal(server.requests.at(-1)?.headers.get("accept-encoding"), "identity");
    });
  },
);

Deno.test("a missing blob is named, and so are a missing tag and a missing digest", { permissions }, async () => {
  const problem = { errors: [{ code: "BLOB_UNKNOWN", message: "blob unknown to registry" }] };
  await withRegistry(() => Response.json(problem, { status: 404 }), async (source) => {
    await assert.rejects(readBlob(source, blob), (error: ImageError) => {
      assert.equal(error.code, "not-found");
      assert.match(error.message, /^Cannot find blob "sha256:[0-9a-f]{64}" of "127\.0\.0\.1:\d+\/team\/app": /);
      return true;
    });
    await assert.rejects(source.root(), {
      code: "not-found",
      message: /^Cannot find tag "v1" in "127[^"]*\/team\/app"/,
    });
    await assert.rejects(source.manifest(image.root.descriptor), {
      code: "not-found",
      message: /^Cannot find manifest/,
    });
  });
});

/** Serves the image's manifest with other bytes or headers. */
function manifestWith(body: Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}): Handler {
  return () => new Response(body, { headers: { "content-type": image.root.descriptor.mediaType, ...headers } });
}

Deno.test("a manifest that does not match its digest is caught: the one asked for, and the one claimed", {
  permissions,
}, async () => {
  const forged = image.root.bytes.slice();
  forged[forged.byteLength - 2] = 0x20;
  await withRegistry(manifestWith(forged), async (source) => {
    await assert.rejects(source.manifest(image.root.descriptor), { code: "digest-mismatch" });
  });
  const claimed = { "docker-content-digest": image.root.descriptor.digest };
  await withRegistry(manifestWith(forged, claimed), async (source) => {
    await assert.rejects(source.root(), { code: "digest-mismatch" });
  });
  await using server = serveScript(manifestWith(forged));
  using session = testSession({ plainHttp: true });
  const pinned = registryReference(`${server.host}/team/app:v1@${image.root.descriptor.digest}`);
  await assert.rejects(openRegistrySource(pinned, session).root(), { code: "digest-mismatch" });
});

Deno.test("a manifest that is too large is not read to its end", { permissions }, async () => {
  await withRegistry(manifestWith(new Uint8Array(4 * 1024 * 1024 + 1)), async (source) => {
    await assert.rejects(source.root(), { code: "invalid-input" });
  });
});

Deno.test("a manifest that breaks off is asked for again", async () => {
  let asked = 0;
  await using server = serveRaw((head, connection) => {
    if (head.startsWith("GET /v2/ ")) {
      return writeText(connection, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    }
    const text = new TextDecoder().decode(image.root.bytes);
    const sent = ++asked < 3 ? text.slice(0, 50) : text;
    return writeText(
      connection,
      `HTTP/1.1 200 OK\r\ncontent-length: ${text.length}\r\nconnection: close\r\n\r\n${sent}`,
    );
  });
  using session = testSession({ plainHttp: true });
  const source = openRegistrySource(registryReference(`${server.host}/team/app`), session);
  assert.equal((await source.root()).descriptor.digest, image.root.descriptor.digest);
  assert.equal(asked, 3);
});

Deno.test("plain http is not tried where nobody asked for it, and https is never left for a bad certificate", {
  ignore: !certificatesExpected,
}, async () => {
  await using server = serveScript(() => new Response("{}"), { tls: await makeCertificate() });
  using session = testSession();
  const source = openRegistrySource(registryReference(`${server.host}/team/app`), session);
  await assert.rejects(source.root(), (error: ImageError) => {
    assert.equal(error.code, "unavailable");
    assert.match(error.hint ?? "", /--ca-cert.*--insecure/);
    return true;
  });
  // A host of TEST-NET-1, where nothing answers: only https may be tried.
  const lines: string[] = [];
  using remote = testSession({
    http: { log: (line) => lines.push(line) },
    retry: { tries: 1, signal: AbortSignal.timeout(300) },
  });
  await assert.rejects(openRegistrySource(registryReference("192.0.2.1/team/app"), remote).root());
  assert.deepEqual(lines.filter((line) => line.includes("http://")), []);
});

Deno.test("a registry with a certificate of an own authority works with it, and with certificates unchecked", {
  ignore: !certificatesExpected,
}, async () => {
  const certificate = await makeCertificate();
  const answer = manifestWith(image.root.bytes);
  await using server = serveScript((request) => request.path === "/v2/" ? new Response("{}") : answer(request), {
    tls: certificate,
  });
  for (const http of [{ caCertificates: [certificate.ca] }, { insecure: true }]) {
    using session = testSession({ http });
    const source = openRegistrySource(registryReference(`${server.host}/team/app`), session);
    assert.equal((await source.root()).descriptor.digest, image.root.descriptor.digest);
  }
});
