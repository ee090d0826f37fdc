import assert from "node:assert/strict";
import { SourceBlob } from "../../src/image/source_blob.ts";
import type { ImageError } from "../../src/errors.ts";
import type { Descriptor } from "../../src/oci/descriptor.ts";
import { type Digest, digestOf } from "../../src/oci/digest.ts";
import { openRegistrySource, openRegistryTarget, type RegistryTarget } from "../../src/transports/registry.ts";
import { Random, singleImage } from "../support/images.ts";
import { serveScript } from "../support/scripted_server.ts";
import { serveCutting } from "./cutting_proxy.ts";
import { type FakeOptions, type FakeRegistry, serveFakeRegistry } from "./fake_registry.ts";
import { contentOf, registryReference, testSession } from "./support.ts";

const permissions: Deno.PermissionOptions = { net: ["127.0.0.1"], env: true, sys: "inherit" };
const MIB = 1024 * 1024;
const small = new Random(1).bytes(3000);
const large = new Uint8Array(18 * MIB);
for (let at = 0; at < large.byteLength; at += 4096) large[at] = at / 4096;
const image = singleImage({ os: "linux", architecture: "amd64" });

function descriptorOf(bytes: Uint8Array): Descriptor {
  return { mediaType: "application/octet-stream", digest: digestOf(bytes), size: bytes.byteLength };
}

async function withFake(
  options: FakeOptions,
  body: (target: RegistryTarget, fake: FakeRegistry) => Promise<void>,
): Promise<void> {
  await using fake = serveFakeRegistry(options);
  using session = testSession({ plainHttp: true });
  const target = openRegistryTarget(registryReference(`${fake.server.host}/app:v1`), session);
  await body(target, fake);
  await target[Symbol.asyncDispose]();
  assert.deepEqual([...fake.uploads.keys()], [], "uploads left behind");
}

/** `METHOD` of every request to the upload resource. */
function uploadMethods(fake: FakeRegistry): string {
  return fake.server.requests.filter(({ path }) => path.includes("/uploads/")).map(({ method }) => method).join(" ");
}

async function write(target: RegistryTarget, fake: FakeRegistry, bytes: Uint8Array): Promise<void> {
  const blob = descriptorOf(bytes);
  await target.writeBlob(contentOf(blob, bytes));
  assert.equal(digestOf(fake.blobs.get(blob.digest)!), blob.digest);
}

for (const absolute of [false, true]) {
  const kind = absolute ? "absolute" : "relative";
  Deno.test(
    `a blob goes in one PUT of known length, to a ${kind} Location with its query kept`,
    { permissions },
    async () => {
      await withFake({ absolute }, async (target, fake) => {
        await write(target, fake, small);
        await write(target, fake, large);
        await write(target, fake, new Uint8Array(0));
        assert.equal(uploadMethods(fake), "POST PUT POST PUT POST PUT");
        const [, put] = fake.server.requests.filter(({ method }) => method === "PUT");
        assert.equal(put?.headers.get("content-length"), String(large.byteLength));
        assert.equal(put?.headers.get("transfer-encoding"), null);
      });
    },
  );
}

for (const status of [404, 405, 411, 413, 501]) {
  Deno.test(`trap 8: a large blob goes in parts where one PUT is refused with ${status}`, { permissions }, async () => {
    await withFake({ wholePut: () => new Response(null, { status }) }, async (target, fake) => {
      await write(target, fake, large);
      assert.equal(uploadMethods(fake), "POST PUT DELETE POST PATCH PATCH PATCH PUT");
      const ranges = fake.server.requests.map(({ headers }) => headers.get("content-range")).filter((range) => range);
      assert.deepEqual(ranges, [`0-${8 * MIB - 1}`, `${8 * MIB}-${16 * MIB - 1}`, `${16 * MIB}-${18 * MIB - 1}`]);
      // The next one does not run into it again.
      fake.server.requests.length = 0;
      await write(target, fake, large);
      assert.equal(uploadMethods(fake), "POST PATCH PATCH PATCH PUT");
    });
  });
}

for (const patchStatus of [200, 201, 204]) {
  Deno.test(`trap 8: ${patchStatus} to a PATCH, with a stale Range, counts as taken`, { permissions }, async () => {
    const options = { wholePut: () => new Response(null, { status: 405 }), patchStatus, patchRange: "0-99" };
    await withFake(options, async (target, fake) => {
      await write(target, fake, large);
      assert.equal(uploadMethods(fake), "POST PUT DELETE POST PATCH PATCH PATCH PUT");
    });
  });
}

Deno.test("trap 8: parts are as large as OCI-Chunk-Min-Length asks for", { permissions }, async () => {
  const options = { wholePut: () => new Response(null, { status: 405 }), minPartBytes: 10 * MIB };
  await withFake(options, async (target, fake) => {
    await write(target, fake, large);
    const sizes = fake.server.requests.filter(({ method }) => method === "PATCH").map(({ body }) => body.byteLength);
    assert.deepEqual(sizes, [10 * MIB, 8 * MIB]);
  });
});

Deno.test(
  "trap 8: where neither one PUT nor parts are taken, it is said once and nothing is left",
  { permissions },
  async () => {
    const options = {
      wholePut: () => new Response(null, { status: 413 }),
      patch: () => Response.json({ errors: [{ code: "UNSUPPORTED", message: "no chunks" }] }, { status: 405 }),
    };
    await withFake(options, async (target) => {
      const blob = descriptorOf(large);
      await assert.rejects(target.writeBlob(contentOf(blob, large)), (error: ImageError) => {
        assert.equal(error.code, "unsupported");
        assert.match(error.message, /^Cannot write blobs to "[^"]+\/app": .*UNSUPPORTED: no chunks/);
        return true;
      });
    });
  },
);

Deno.test("trap 8: after a broken connection, a registry that takes no parts gets the blob in one piece again", {
  permissions,
}, async () => {
  await using fake = serveFakeRegistry({ patch: () => new Response(null, { status: 405 }) });
  await using proxy = serveCutting(fake.server.host, { afterSentBytes: 6 * MIB, times: 1 });
  using session = testSession({ plainHttp: true });
  const target = openRegistryTarget(registryReference(`${proxy.host}/app:v1`), session);
  await write(target, fake, large);
  assert.equal(proxy.cuts(), 1);
  // When the server takes note of the PUT that broke, and forgets its upload, is up to chance.
  assert.match(uploadMethods(fake).replaceAll(" PUT", ""), /^POST GET(?: DELETE POST)?(?: PATCH DELETE POST)+$/);
  assert.match(uploadMethods(fake), /PUT$/);
});

Deno.test("a registry that is busy gets the blob again, in a new upload", { permissions }, async () => {
  for (const bytes of [small, large]) {
    let tries = 0;
    const wholePut = () =>
      ++tries < 3 ? new Response(null, { status: 503, headers: { "retry-after": "0" } }) : undefined;
    await withFake({ wholePut }, async (target, fake) => {
      await write(target, fake, bytes);
      assert.equal(uploadMethods(fake), "POST PUT DELETE POST PUT DELETE POST PUT");
    });
  }
});

Deno.test("a part that was refused with 416 goes on where the registry says", { permissions }, async () => {
  let patches = 0;
  const options: FakeOptions = {
    wholePut: () => new Response(null, { status: 405 }),
    patch: () => ++patches === 2 ? new Response(null, { status: 416 }) : undefined,
  };
  await withFake(options, async (target, fake) => {
    await write(target, fake, large);
    assert.equal(uploadMethods(fake), "POST PUT DELETE POST PATCH PATCH GET PATCH PATCH PUT");
  });
});

Deno.test("an upload that the registry has lost begins anew", { permissions }, async () => {
  let patches = 0;
  const options: FakeOptions = {
    wholePut: () => new Response(null, { status: 405 }),
    patch: () => ++patches === 2 ? new Response(null, { status: 404 }) : undefined,
  };
  await withFake(options, async (target, fake) => {
    await write(target, fake, large);
    assert.equal(patches, 5);
  });
});

Deno.test("a blob that got in although the answer was lost is not sent again", { permissions }, async () => {
  await using fake = serveFakeRegistry({
    wholePut: ({ body }) => {
      fake.blobs.set(digestOf(body), body);
      fake.uploads.clear();
      return new Response(null, { status: 504 });
    },
  });
  using session = testSession({ plainHttp: true });
  const target = openRegistryTarget(registryReference(`${fake.server.host}/app:v1`), session);
  await target.writeBlob(contentOf(descriptorOf(small), small));
  assert.equal(fake.server.requests.filter(({ method }) => method === "PUT").length, 1);
});

Deno.test("a mount that is not granted goes on with the upload that was begun for it", { permissions }, async () => {
  await withFake({}, async (target, fake) => {
    using session = testSession({ plainHttp: true });
    const source = openRegistrySource(registryReference(`${fake.server.host}/other`), session);
    const blob = descriptorOf(small);
    assert.equal(await target.linkBlob(new SourceBlob(source, blob), source), false);
    await target.writeBlob(contentOf(blob, small));
    assert.equal(uploadMethods(fake), "POST PUT");
    const [mount] = fake.server.requests.filter(({ method }) => method === "POST");
    assert.equal(mount?.path, `/v2/app/blobs/uploads/?mount=${encodeURIComponent(blob.digest)}&from=other`);
    // One that is not used in the end is cancelled when the target is closed.
    assert.equal(await target.linkBlob(new SourceBlob(source, descriptorOf(large)), source), false);
    assert.equal(fake.uploads.size, 1);
  });
});

for (const status of [400, 401, 403, 404, 405]) {
  Deno.test(`a mount that is refused with ${status} becomes an upload`, { permissions }, async () => {
    await withFake({ mount: () => new Response(null, { status }) }, async (target, fake) => {
      using session = testSession({ plainHttp: true });
      const source = openRegistrySource(registryReference(`${fake.server.host}/other`), session);
      assert.equal(await target.linkBlob(new SourceBlob(source, descriptorOf(small)), source), false);
      await write(target, fake, small);
    });
  });
}

Deno.test("a mount for which the token server gives no token becomes an upload", { permissions }, async () => {
  await using server = serveScript(({ path, headers }) => {
    if (path.startsWith("/token")) {
      return path.includes("other") ? new Response(null, { status: 403 }) : Response.json({ token: "t" });
    }
    if (headers.get("authorization") === "Bearer t") return new Response(null, { status: 201 });
    const challenge = `Bearer realm="http://${headers.get("host")}/token"`;
    return new Response(null, { status: 401, headers: { "www-authenticate": challenge } });
  });
  using session = testSession({ plainHttp: true });
  const target = openRegistryTarget(registryReference(`${server.host}/app`), session);
  const source = openRegistrySource(registryReference(`${server.host}/other`), session);
  assert.equal(await target.linkBlob(new SourceBlob(source, descriptorOf(small)), source), false);
});

Deno.test("nothing is mounted from another registry or from the same repository", { permissions }, async () => {
  await withFake({}, async (target, fake) => {
    using session = testSession({ plainHttp: true });
    for (const name of ["127.0.0.1:1/other", `${fake.server.host}/app`]) {
      const source = openRegistrySource(registryReference(name), session);
      assert.equal(await target.linkBlob(new SourceBlob(source, descriptorOf(small)), source), false);
    }
    assert.deepEqual(fake.server.requests, []);
  });
});

Deno.test(
  "findBlobs() takes a blob of another size, and a refusal to look, for not there",
  { permissions },
  async () => {
    await withFake({}, async (target, fake) => {
      const blobs = [small, large, new Uint8Array(1)].map(descriptorOf);
      fake.blobs.set(blobs[0]!.digest, small);
      fake.blobs.set(blobs[1]!.digest, small);
      assert.deepEqual(await target.findBlobs([...blobs, blobs[0]!]), new Set<Digest>([blobs[0]!.digest]));
    });
  },
);

Deno.test("publish() refuses a reference whose digest is another image's", { permissions }, async () => {
  await using fake = serveFakeRegistry();
  using session = testSession({ plainHttp: true });
  const other = `sha256:${"0".repeat(64)}`;
  const target = openRegistryTarget(registryReference(`${fake.server.host}/app:v1@${other}`), session);
  await assert.rejects(target.publish(image.root), { code: "conflict" });
  assert.equal(fake.manifests.size, 0);
  const right = registryReference(`${fake.server.host}/app@${image.root.descriptor.digest}`);
  await openRegistryTarget(right, session).publish(image.root);
  assert.deepEqual([...fake.manifests.keys()], [image.root.descriptor.digest]);
});

for (const status of [400, 409, 412]) {
  Deno.test(
    `a tag that must not move (${status}) is success where it points at the image already`,
    { permissions },
    async () => {
      const problem = { errors: [{ code: "TAG_INVALID", message: "the tag is immutable" }] };
      const manifest = ({ method }: { method: string }) =>
        method === "PUT" ? Response.json(problem, { status }) : undefined;
      await using fake = serveFakeRegistry({ manifest });
      using session = testSession({ plainHttp: true });
      const target = openRegistryTarget(registryReference(`${fake.server.host}/app:v1`), session);
      fake.manifests.set("v1", { bytes: image.root.bytes, mediaType: image.root.descriptor.mediaType });
      await target.publish(image.root);
      const other = singleImage({ os: "linux", architecture: "arm64" });
      fake.manifests.set("v1", { bytes: other.root.bytes, mediaType: other.root.descriptor.mediaType });
      await assert.rejects(target.publish(image.root), (error: ImageError) => {
        assert.equal(error.code, "conflict");
        assert.match(error.message, /the tag is immutable/);
        return true;
      });
    },
  );
}

Deno.test("a registry that stores another manifest than the one sent is caught", { permissions }, async () => {
  const headers = { "docker-content-digest": `sha256:${"1".repeat(64)}` };
  await using fake = serveFakeRegistry({ manifest: () => new Response(null, { status: 201, headers }) });
  using session = testSession({ plainHttp: true });
  const target = openRegistryTarget(registryReference(`${fake.server.host}/app:v1`), session);
  await assert.rejects(target.publish(image.root), { code: "digest-mismatch" });
});
