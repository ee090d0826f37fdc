/**
 * A registry that is spoken to by https and sends on to plain http: with a redirect, or with the place of an upload. What is
 * checked against a digest may come from there; a tag could be made to mean anything, and uploads are private.
 */
import assert from "node:assert/strict";
import { readAll } from "../../src/bytes/blob_reader.ts";
import type { Descriptor } from "../../src/oci/descriptor.ts";
import { digestOf } from "../../src/oci/digest.ts";
import { bytesReader } from "../../src/bytes/blob_reader.ts";
import { hasBlob, openBlob } from "../../src/registry/blobs.ts";
import { listRepositories, listTags } from "../../src/registry/listing.ts";
import { getManifest, putManifest } from "../../src/registry/manifests.ts";
import { listReferrers } from "../../src/registry/referrers.ts";
import type { Repository } from "../../src/registry/repository.ts";
import { uploadBlob } from "../../src/registry/upload.ts";
import { mountBlob } from "../../src/registry/upload_session.ts";
import { singleImage } from "../support/images.ts";
import { type Answer, repositoryOn } from "./memory_network.ts";

const image = singleImage({ os: "linux", architecture: "amd64" }, { seed: 26 });
const { descriptor } = image.root;
const bytes = new TextEncoder().encode("the bytes of a blob");
const blob: Descriptor = { mediaType: "application/octet-stream", digest: digestOf(bytes), size: bytes.byteLength };

/** Sends everything to `host` by http, and answers there. */
function movingTo(host: string, method?: string): Answer {
  return ({ method: asked, url }) => {
    if (url.startsWith("https:")) {
      return new Response(null, { status: 307, headers: { location: `http://${host}${new URL(url).pathname}` } });
    }
    if (method !== undefined) assert.equal(asked, method);
    if (url.includes("/manifests/")) {
      return new Response(new Uint8Array(image.root.bytes), { headers: { "content-type": descriptor.mediaType } });
    }
    return url.includes("/blobs/")
      ? new Response(asked === "HEAD" ? null : bytes, { headers: { "content-length": String(bytes.byteLength) } })
      : Response.json({ tags: ["v1"], repositories: ["app"] });
  };
}

const refused = { code: "denied", message: /refers there over plain http/ } as const;

async function all<T>(pages: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const page of pages) found.push(page);
  return found;
}

type Step = (repository: Repository) => Promise<unknown>;

const UNCHECKED: readonly (readonly [name: string, step: Step])[] = [
  ["a manifest by tag", (repository) => getManifest(repository, "v1")],
  ["the list of tags", (repository) => all(listTags(repository))],
  ["the list of repositories", (repository) => all(listRepositories(repository.connection))],
  ["the list of referrers", (repository) => listReferrers(repository, descriptor.digest)],
  ["the writing of a manifest", (repository) => putManifest(repository, "v1", image.root)],
  [
    "the beginning of an upload",
    (repository) =>
      uploadBlob(repository, {
        digest: blob.digest,
        sizeBytes: blob.size,
        open: () => Promise.resolve(bytesReader(bytes)),
      }),
  ],
];

for (const [name, step] of UNCHECKED) {
  Deno.test(`${name} does not go to plain http by redirect`, { permissions: "none" }, async () => {
    const { repository, plain } = repositoryOn(movingTo("storage.example"));
    await assert.rejects(step(repository), refused);
    assert.deepEqual(plain(), []);
  });
}

Deno.test("reads that a digest checks may be sent on to plain http, without the authorization", {
  permissions: "none",
}, async () => {
  const { repository, plain } = repositoryOn((request) =>
    request.headers?.["authorization"] === undefined && request.url.startsWith("https:")
      ? new Response(null, { status: 401, headers: { "www-authenticate": 'Basic realm="x"' } })
      : movingTo("storage.example")(request)
  );
  await using reader = await openBlob(repository, blob);
  assert.deepEqual(await readAll(reader, 100, "the blob"), bytes);
  assert.equal((await getManifest(repository, descriptor.digest)).descriptor.digest, descriptor.digest);
  assert.equal(plain().length, 2);
  assert.ok(plain().every(({ headers }) => headers?.["authorization"] === undefined));
});

Deno.test("a blob that only plain http says to be there is written anew", { permissions: "none" }, async () => {
  const { repository, plain } = repositoryOn(movingTo("storage.example"));
  assert.equal(await hasBlob(repository, blob), false);
  assert.deepEqual(plain(), []);
});

for (const size of [bytes.byteLength, 9 * 1024 * 1024]) {
  Deno.test(`an upload of ${size} bytes whose place is on plain http is refused`, { permissions: "none" }, async () => {
    let opened = 0;
    const content = new Uint8Array(size);
    const { repository, plain } = repositoryOn(({ method }) =>
      method === "POST"
        ? new Response(null, { status: 202, headers: { location: "http://uploads.example/x?state=1" } })
        : new Response(null, { status: 201 })
    );
    const open = () => {
      opened++;
      return Promise.resolve(bytesReader(content));
    };
    await assert.rejects(uploadBlob(repository, { digest: digestOf(content), sizeBytes: size, open }), refused);
    assert.deepEqual(plain(), []);
    assert.ok(opened <= 1);
  });
}

Deno.test("an upload that moves to plain http between two parts is refused", { permissions: "none" }, async () => {
  const content = new Uint8Array(17 * 1024 * 1024);
  const { repository, plain } = repositoryOn(({ method }) => {
    if (method === "PUT") return new Response(null, { status: 413 });
    const host = method === "PATCH" ? "http://uploads.example" : "https://registry.example";
    return new Response(null, { status: 202, headers: { location: `${host}/v2/app/blobs/uploads/1` } });
  });
  const open = () => Promise.resolve(bytesReader(content));
  await assert.rejects(
    uploadBlob(repository, { digest: digestOf(content), sizeBytes: content.byteLength, open }),
    refused,
  );
  assert.deepEqual(plain(), []);
});

Deno.test(
  "a registry that names itself with http is spoken to by https as before",
  { permissions: "none" },
  async () => {
    const { repository, requests, plain } = repositoryOn(({ method }) =>
      method === "POST"
        ? new Response(null, { status: 202, headers: { location: "http://registry.example/v2/app/blobs/uploads/1" } })
        : new Response(null, { status: 201 })
    );
    const open = () => Promise.resolve(bytesReader(bytes));
    await uploadBlob(repository, { digest: blob.digest, sizeBytes: blob.size, open });
    assert.deepEqual(plain(), []);
    assert.ok(requests.at(-1)?.url.startsWith("https://registry.example/v2/app/blobs/uploads/1"));
  },
);

Deno.test("http on this machine is fine, and so is all of it with --plain-http", { permissions: "none" }, async () => {
  for (const host of ["127.0.0.1:5000", "localhost", "[::1]:80"]) {
    const { repository, plain } = repositoryOn(movingTo(host));
    assert.equal((await getManifest(repository, "v1")).descriptor.digest, descriptor.digest);
    assert.equal(plain().length, 1);
  }
  const { repository } = repositoryOn((request) => {
    assert.ok(request.url.startsWith("http:"));
    const isAsked = new URL(request.url).host === "registry.example";
    return isAsked
      ? new Response(null, { status: 307, headers: { location: request.url.replace("registry", "storage") } })
      : movingTo("storage.example")(request);
  }, { plainHttp: true });
  assert.equal((await getManifest(repository, "v1")).descriptor.digest, descriptor.digest);
  assert.deepEqual(await all(listTags(repository)), [["v1"]]);
});

Deno.test("a registry on this machine does not send tags to another machine by plain http either", {
  permissions: "none",
}, async () => {
  let isTls = true;
  const { repository } = repositoryOn(({ url }) => {
    isTls = url.startsWith("https:");
    return url.includes("localhost")
      ? new Response(null, { status: 307, headers: { location: "http://elsewhere.example/v2/app/manifests/v1" } })
      : movingTo("elsewhere.example")({ method: "GET", url });
  }, { registry: "localhost:5000" });
  await assert.rejects(getManifest(repository, "v1"), refused);
  assert.equal(isTls, true);
});

Deno.test("a mount whose upload would go on at plain http is no mount, and the upload is refused", {
  permissions: "none",
}, async () => {
  const { repository } = repositoryOn(movingTo("storage.example"));
  assert.deepEqual(await mountBlob(repository, blob.digest, "other"), { mounted: false });
});
