/** Listings and documents as registries and the proxies before them give them: in pages without end, compressed, cut off. */
import assert from "node:assert/strict";
import { brotliCompressSync, gzipSync, zstdCompressSync } from "node:zlib";
import type { Descriptor } from "../../src/oci/descriptor.ts";
import { digestOf } from "../../src/oci/digest.ts";
import { MEDIA_TYPES } from "../../src/oci/media_types.ts";
import { MAX_LISTING_PAGES } from "../../src/oci/limits.ts";
import { listTags } from "../../src/registry/listing.ts";
import { findManifest, getManifest } from "../../src/registry/manifests.ts";
import { PageWalk } from "../../src/registry/page_walk.ts";
import { listReferrers } from "../../src/registry/referrers.ts";
import { Session } from "../../src/transports/session.ts";
import { singleImage } from "../support/images.ts";
import { serveRaw, serveScript, writeText } from "../support/scripted_server.ts";
import { repositoryOn } from "./memory_network.ts";
import { testSession } from "./support.ts";
import { listImages } from "../support/by_text.ts";

const image = singleImage({ os: "linux", architecture: "amd64" }, { seed: 39 });
const { descriptor } = image.root;
const subject = descriptor.digest;

async function all(pages: AsyncIterable<readonly string[]>): Promise<string[]> {
  const found: string[] = [];
  for await (const page of pages) found.push(...page);
  return found;
}

Deno.test(
  "a registry that refuses 1000 entries a page is asked again without a number",
  { permissions: "none" },
  async () => {
    for (const status of [400, 422]) {
      const { repository, requests } = repositoryOn(({ url }) => {
        if (url.includes("n=1000")) {
          return Response.json({ errors: [{ code: "PAGINATION_NUMBER_INVALID" }] }, { status });
        }
        if (url.includes("last=b")) return Response.json({ tags: ["c"] });
        return Response.json({ tags: ["a", "b"] }, { headers: { link: '</v2/app/tags/list?last=b&n=2>; rel="next"' } });
      });
      assert.deepEqual(await all(listTags(repository)), ["a", "b", "c"]);
      assert.deepEqual(requests.slice(1).map(({ url }) => new URL(url).search), ["?n=1000", "", "?last=b&n=2"]);
    }
    const { repository, requests } = repositoryOn(() => new Response("no", { status: 400 }));
    await assert.rejects(all(listTags(repository)), { code: "invalid-input", message: /Cannot list the tags/ });
    assert.equal(requests.length, 3);
  },
);

Deno.test("a page whose link leads to itself, or back, is the end", { permissions: "none" }, async () => {
  const { repository, requests } = repositoryOn(({ url }) => {
    const isSecond = url.includes("last=b");
    const link = isSecond ? '</v2/app/tags/list?n=1000>; rel="next"' : '</v2/app/tags/list?last=b>; rel="next"';
    return Response.json({ tags: isSecond ? ["c"] : ["a", "b"] }, { headers: { link } });
  });
  assert.deepEqual(await all(listTags(repository)), ["a", "b", "c"]);
  assert.equal(requests.length, 3);
});

Deno.test("pages that never end are given up, with the name of the listing", { permissions: "none" }, () => {
  const walk = new PageWalk("r", "https://r/v2/app/tags/list", 'Cannot list the tags of "r/app"');
  assert.throws(() => {
    for (let page = 0;; page++) {
      assert.ok(page <= MAX_LISTING_PAGES);
      walk.next();
      walk.follow(`</v2/app/tags/list?page=${page}>; rel="next"`);
    }
  }, { code: "invalid-input", message: /^Cannot list the tags of "r\/app": it has more than 100000 pages$/ });
});

Deno.test(
  "referrers that never end are given up by their number and by their size",
  { permissions: "none" },
  async () => {
    const entry = (index: number, annotation: string) => ({
      mediaType: MEDIA_TYPES.ociManifest,
      digest: digestOf(new TextEncoder().encode(String(index))),
      size: 100,
      annotations: { note: annotation },
    });
    for (
      const [entries, annotation, pattern] of [
        [1500, "", /^Cannot list the referrers of "sha256:.*": it has more than 10000 entries$/],
        [10, "x".repeat(390_000), /more than 67108864 bytes$/],
      ] as const
    ) {
      let pages = 0;
      const { repository } = repositoryOn(() => {
        const manifests = Array.from({ length: entries }, (_, index) => entry(pages * entries + index, annotation));
        return Response.json({ schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests }, {
          headers: { "content-type": MEDIA_TYPES.ociIndex, link: `<?page=${++pages}>; rel="next"` },
        });
      });
      await assert.rejects(listReferrers(repository, subject), { code: "invalid-input", message: pattern });
      assert.ok(pages < 30, `${pages} pages`);
    }
  },
);

Deno.test("a listing whose body breaks off is asked for again: tags, referrers, and the token for them", async () => {
  const index = JSON.stringify({
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociIndex,
    manifests: [{ mediaType: MEDIA_TYPES.ociManifest, digest: subject, size: 7 } satisfies Descriptor],
  });
  const asked = new Map<string, number>();
  await using server = serveRaw(async (head, connection) => {
    const [, path = ""] = head.split(" ");
    const isLoggedIn = /authorization: bearer t0ken/i.test(head);
    if (!path.startsWith("/token") && !isLoggedIn) {
      const challenge = `Bearer realm="http://${/^host: (.*)$/im.exec(head)?.[1]}/token",service="s"`;
      return await writeText(
        connection,
        `HTTP/1.1 401 No\r\nwww-authenticate: ${challenge}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`,
      );
    }
    const kind = path.startsWith("/token") ? "token" : path.includes("/referrers/") ? "referrers" : "tags";
    const [type, text] = {
      token: ["application/json", '{"token":"t0ken"}'],
      referrers: [MEDIA_TYPES.ociIndex, index],
      tags: ["application/json", '{"tags":["a","b"]}'],
    }[kind];
    const times = (asked.get(kind) ?? 0) + 1;
    asked.set(kind, times);
    const sent = times === 1 ? text!.slice(0, 9) : text;
    await writeText(
      connection,
      `HTTP/1.1 200 OK\r\ncontent-type: ${type}\r\ncontent-length: ${text!.length}\r\nconnection: close\r\n\r\n${sent}`,
    );
  });
  using session = testSession({ plainHttp: true });
  const repository = session.repository(server.host, "app");
  assert.deepEqual(await all(listTags(repository)), ["a", "b"]);
  assert.deepEqual((await listReferrers(repository, subject)).map(({ digest }) => digest), [subject]);
  assert.deepEqual([...asked.values()], [2, 2, 2]);
});

Deno.test("list HOST goes on past a repository without tags, and one that is gone", async () => {
  await using server = serveScript(({ path }) => {
    const [, repository] = /^\/v2\/([a-z]+)\/tags\/list/.exec(path) ?? [];
    if (path === "/v2/") return new Response("{}");
    if (path.startsWith("/v2/_catalog")) return Response.json({ repositories: ["empty", "full", "gone", "late"] });
    if (repository === "empty") return Response.json({ name: "empty", tags: null });
    if (repository === "gone") {
      return Response.json({ errors: [{ code: "NAME_UNKNOWN", message: "" }] }, { status: 404 });
    }
    return Response.json({ name: repository, tags: ["v1"] });
  });
  await using session = new Session({ plainHttp: true });
  const images = await listImages(session, server.host);
  const named = images.filter(({ tags }) => tags.length > 0);
  assert.deepEqual(named, [
    { name: `${server.host}/full`, tags: ["v1"] },
    { name: `${server.host}/late`, tags: ["v1"] },
  ]);
  await assert.rejects(listImages(session, `${server.host}/gone`), { code: "not-found" });
});

Deno.test("documents that a proxy has compressed are unpacked, and their digest is of what they hold", {
  permissions: "none",
}, async () => {
  const { bytes } = image.root;
  const type = { "content-type": descriptor.mediaType, "docker-content-digest": descriptor.digest };
  const ways: readonly (readonly [encoding: string, body: Uint8Array])[] = [
    ["gzip", gzipSync(bytes)],
    ["GZIP", gzipSync(bytes)],
    ["x-gzip", gzipSync(bytes)],
    ["zstd", zstdCompressSync(bytes)],
    // Not true: it is said to be compressed and is not.
    ["gzip", bytes],
    ["zstd", bytes],
  ];
  for (const [encoding, body] of ways) {
    const { repository } = repositoryOn(() =>
      new Response(new Uint8Array(body), { headers: { ...type, "content-encoding": encoding } })
    );
    for (const name of ["v1", descriptor.digest]) {
      const manifest = await getManifest(repository, name, name === "v1" ? undefined : descriptor);
      assert.deepEqual(manifest.bytes, bytes, encoding);
    }
  }
  const { repository } = repositoryOn(() =>
    new Response(new Uint8Array(gzipSync('{"tags":["a"]}')), { headers: { "content-encoding": "gzip" } })
  );
  assert.deepEqual(await all(listTags(repository)), ["a"]);
});

Deno.test(
  "a compressed document is bounded unpacked, and other bytes are still refused",
  { permissions: "none" },
  async () => {
    const headers = { "content-type": descriptor.mediaType, "content-encoding": "gzip" };
    const bomb = gzipSync(new Uint8Array(64 * 1024 * 1024).fill(0x20));
    const large = repositoryOn(() => new Response(new Uint8Array(bomb), { headers }));
    await assert.rejects(findManifest(large.repository, "v1"), { code: "invalid-input" });
    const forged = image.root.bytes.slice();
    forged[forged.byteLength - 2] = 0x20;
    const other = repositoryOn(() => new Response(new Uint8Array(gzipSync(forged)), { headers }));
    await assert.rejects(findManifest(other.repository, descriptor.digest), { code: "digest-mismatch" });
    const brotli = repositoryOn(() =>
      new Response(new Uint8Array(brotliCompressSync(image.root.bytes)), {
        headers: { ...headers, "content-encoding": "br" },
      })
    );
    await assert.rejects(findManifest(brotli.repository, "v1"), { code: "invalid-input" });
  },
);
