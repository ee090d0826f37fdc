import assert from "node:assert/strict";
import { MEDIA_TYPES } from "../../src/oci/media_types.ts";
import { referrersTag } from "../../src/oci/referrers.ts";
import { openRegistrySource, openRegistryTarget } from "../../src/transports/registry.ts";
import { multiImage, referrerOf, singleImage } from "../support/images.ts";
import { serveScript } from "../support/scripted_server.ts";
import { serveFakeRegistry } from "./fake_registry.ts";
import { CURRENT_REGISTRY, needs, OLD_REGISTRY, startRegistry } from "./real_registry.ts";
import { pushImage, registryReference, testSession } from "./support.ts";

const permissions: Deno.PermissionOptions = { net: ["127.0.0.1"], env: true, sys: "inherit" };
const image = singleImage({ os: "linux", architecture: "amd64" });
const { digest } = image.root.descriptor;
const signature = referrerOf(image.root, "application/vnd.example.signature", new Uint8Array([1]));
const sbom = referrerOf(image.root, "application/vnd.example.sbom", new Uint8Array([2]));

function indexOfEntries(entries: readonly unknown[]): string {
  return JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests: entries });
}

/** Asks a scripted registry for the referrers of the image. */
async function referrersAt(handler: (path: string, origin: string) => Response | undefined) {
  await using server = serveScript(({ path }) =>
    path === "/v2/" ? new Response("{}") : handler(path.replace("/v2/app/", ""), server.origin)
  );
  using session = testSession({ plainHttp: true });
  const source = openRegistrySource(registryReference(`${server.host}/app`), session);
  const found = await source.referrers(digest);
  return { digests: found.map((entry) => entry.digest), lines: server.lines() };
}

const ociIndex = { headers: { "content-type": MEDIA_TYPES.ociIndex } };

Deno.test(
  "referrers come from the API, page by page, whatever filters it says it applied",
  { permissions },
  async () => {
    const { digests, lines } = await referrersAt((path, origin) => {
      if (path === `referrers/${digest}?page=2`) return new Response(indexOfEntries([sbom.root.descriptor]), ociIndex);
      const headers = {
        ...ociIndex.headers,
        "oci-filters-applied": "artifactType",
        link: `<${origin}/v2/app/referrers/${digest}?page=2>; rel="next"`,
      };
      return new Response(indexOfEntries([signature.root.descriptor]), { headers });
    });
    assert.deepEqual(digests, [signature.root.descriptor.digest, sbom.root.descriptor.digest]);
    assert.deepEqual(lines.slice(1), [`GET /v2/app/referrers/${digest}`, `GET /v2/app/referrers/${digest}`]);
  },
);

for (const status of [400, 404, 405, 501]) {
  Deno.test(`referrers come from the fallback tag where the API answers ${status}`, { permissions }, async () => {
    const { digests } = await referrersAt((path) =>
      path.startsWith("referrers/")
        ? new Response("no such page", { status })
        : new Response(indexOfEntries([signature.root.descriptor]), ociIndex)
    );
    assert.deepEqual(digests, [signature.root.descriptor.digest]);
  });
}

Deno.test(
  "referrers come from the fallback tag where the API answers with a page for people",
  { permissions },
  async () => {
    const { digests } = await referrersAt((path) =>
      path.startsWith("referrers/")
        ? new Response("<html>", { headers: { "content-type": "text/html" } })
        : new Response(indexOfEntries([sbom.root.descriptor]), ociIndex)
    );
    assert.deepEqual(digests, [sbom.root.descriptor.digest]);
  },
);

Deno.test("trap 10: a fallback tag that gives the subject itself counts as no referrers", { permissions }, async () => {
  const index = multiImage({ platforms: ["linux/amd64"] });
  for (const subject of [image.root, index.root]) {
    await using server = serveScript(({ path }) => {
      if (path === "/v2/") return new Response("{}");
      if (!path.includes("/manifests/")) return undefined;
      return new Response(subject.bytes, { headers: { "content-type": subject.descriptor.mediaType } });
    });
    using session = testSession({ plainHttp: true });
    const source = openRegistrySource(registryReference(`${server.host}/app`), session);
    assert.deepEqual(await source.referrers(subject.descriptor.digest), []);
  }
});

Deno.test("no referrers anywhere is none, and a refusal is an error", { permissions }, async () => {
  assert.deepEqual((await referrersAt(() => undefined)).digests, []);
  await assert.rejects(referrersAt(() => new Response(null, { status: 403 })), { code: "denied" });
});

Deno.test(
  "a referrer is listed under the fallback tag, once, beside what others wrote there",
  { permissions },
  async () => {
    await using fake = serveFakeRegistry();
    using session = testSession({ plainHttp: true });
    const tag = referrersTag(digest);
    const foreign = {
      mediaType: MEDIA_TYPES.ociManifest,
      digest: `sha256:${"a".repeat(64)}`,
      size: 5,
      platform: { os: "windows", architecture: "amd64", "os.version": "10.0" },
      unknown: { kept: true },
    };
    fake.manifests.set(tag, {
      bytes: new TextEncoder().encode(indexOfEntries([foreign])),
      mediaType: MEDIA_TYPES.ociIndex,
    });
    const target = openRegistryTarget(registryReference(`${fake.server.host}/app:v1`), session);
    await Promise.all([signature, sbom, signature].map(({ root }) => target.writeManifest(root)));
    const { bytes } = fake.manifests.get(tag)!;
    const { manifests } = JSON.parse(new TextDecoder().decode(bytes));
    assert.deepEqual(manifests[0], foreign);
    assert.deepEqual(
      manifests.slice(1),
      [signature, sbom].map(({ root }) => ({
        mediaType: MEDIA_TYPES.ociManifest,
        digest: root.descriptor.digest,
        size: root.descriptor.size,
        artifactType: root.content.artifactType,
        annotations: root.content.annotations,
      })),
    );
  },
);

Deno.test("no fallback tag is written where the registry says OCI-Subject", { permissions }, async () => {
  await using fake = serveFakeRegistry({ referrers: true });
  using session = testSession({ plainHttp: true });
  const target = openRegistryTarget(registryReference(`${fake.server.host}/app:v1`), session);
  await target.writeManifest(signature.root);
  assert.deepEqual([...fake.manifests.keys()], [signature.root.descriptor.digest]);
});

for (const program of [CURRENT_REGISTRY, OLD_REGISTRY]) {
  Deno.test({
    name: `referrers written to a real registry are found again (${program})`,
    ...needs(program),
    fn: async () => {
      await using registry = await startRegistry({ program });
      using session = testSession();
      const reference = registryReference(`${registry.host}/team/app:v1`);
      await using target = openRegistryTarget(reference, session);
      await pushImage(target, image);
      for (const referrer of [signature, sbom]) {
        const pinned = registryReference(`${registry.host}/team/app@${referrer.root.descriptor.digest}`);
        await using referrerTarget = openRegistryTarget(pinned, session);
        await pushImage(referrerTarget, referrer);
      }
      const found = await openRegistrySource(reference, session).referrers(digest);
      assert.deepEqual(
        new Set(found.map((entry) => [entry.digest, entry.artifactType].join(" "))),
        new Set([signature, sbom].map(({ root }) => [root.descriptor.digest, root.content.artifactType].join(" "))),
      );
    },
  });
}
