import assert from "node:assert/strict";
import { SourceBlob } from "../../src/image/source_blob.ts";
import type { ImageError } from "../../src/errors.ts";
import type { RegistrySession } from "../../src/registry/session.ts";
import {
  listRegistryRepositories,
  listRegistryTags,
  openRegistrySource,
  openRegistryTarget,
} from "../../src/transports/registry.ts";
import { makeCertificate, type TestCertificate } from "../support/certificates.ts";
import { multiImage, singleImage } from "../support/images.ts";
import type { ScriptedServer } from "../support/scripted_server.ts";
import { CURRENT_REGISTRY, needs, OLD_REGISTRY, startRegistry } from "./real_registry.ts";
import { contentOf, partsOf, pullImage, pushImage, registryReference, testSession } from "./support.ts";
import { serveTokens, tokenAuthSettings, type TokenServerOptions } from "./token_server.ts";

const image = multiImage({ seed: 11, attestations: true });

/** Runs with a Docker folder that holds these entries. */
async function withConfig(
  auths: Record<string, unknown>,
  body: (session: RegistrySession, folder: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "s3lo-docker-" });
  try {
    await Deno.writeTextFile(`${folder}/config.json`, JSON.stringify({ auths }));
    using session = testSession({ env: (name) => name === "DOCKER_CONFIG" ? folder : undefined });
    await body(session, folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

interface TokenSetting {
  readonly host: string;
  readonly tokens: ScriptedServer;
}

/** Runs against a real registry that takes the tokens of a server of the test's own. */
async function withTokenRegistry(
  program: string,
  options: Partial<TokenServerOptions>,
  body: (setting: TokenSetting) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "s3lo-token-" });
  try {
    const certificate: TestCertificate = await makeCertificate();
    await using tokens = await serveTokens({ certificate, users: { user: "right" }, ...options });
    const auth = await tokenAuthSettings(`${tokens.origin}/token`, certificate, folder);
    await using registry = await startRegistry({ program, auth });
    await body({ host: registry.host, tokens });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const basic = (username: string, password: string) => ({ auth: btoa(`${username}:${password}`) });
const typed = (username: string, password: string) => ({
  credentials: { kind: "password", username, password } as const,
});

for (const program of [CURRENT_REGISTRY, OLD_REGISTRY]) {
  const needed = needs(program, "openssl");

  Deno.test(`config.json's password works at a registry behind a token server (${program})`, needed, async () => {
    await withTokenRegistry(program, {}, async ({ host, tokens }) => {
      await withConfig({ [host]: basic("user", "right") }, async (session) => {
        const reference = registryReference(`${host}/team/app:v1`);
        await using target = openRegistryTarget(reference, session);
        await pushImage(target, image);
        const found = await pullImage(openRegistrySource(reference, session));
        assert.equal(found.size, image.blobs.size + 1);
        const scopes = new Set(tokens.requests.map(({ path }) => new URL(path, "http://x").searchParams.get("scope")));
        assert.deepEqual(scopes, new Set(["repository:team/app:pull,push", "repository:team/app:pull"]));
        assert.equal(tokens.requests.length, 2, "one token for each scope");
      });
    });
  });

  Deno.test(
    `an identity token works by OAuth2, and nothing more than pull is had without (${program})`,
    needed,
    async () => {
      await withTokenRegistry(program, { refreshTokens: ["refresh"] }, async ({ host }) => {
        const reference = registryReference(`${host}/public/app:v1`);
        await withConfig({ [host]: { identitytoken: "refresh" } }, async (session) => {
          await using target = openRegistryTarget(reference, session);
          await pushImage(target, image);
        });
        using anonymous = testSession();
        assert.equal(
          (await openRegistrySource(reference, anonymous).root()).descriptor.digest,
          image.root.descriptor.digest,
        );
        await using target = openRegistryTarget(reference, anonymous);
        await assert.rejects(target.publish(image.root), (error: ImageError) => {
          assert.equal(error.code, "unauthorized");
          assert.match(error.message, new RegExp(`"${host}" asks for credentials`));
          assert.match(error.hint ?? "", new RegExp(`docker login ${host}`));
          return true;
        });
      });
    },
  );

  Deno.test(
    `a wrong password gives one clear line, at a token server and at a basic one (${program})`,
    needed,
    async () => {
      await withTokenRegistry(program, {}, async ({ host }) => {
        using session = testSession();
        const source = openRegistrySource(registryReference(`${host}/team/app`), session, typed("user", "wrong"));
        await assert.rejects(source.root(), (error: ImageError) => {
          assert.equal(error.code, "unauthorized");
          assert.match(
            error.message,
            /^Cannot log in to "[^"]+": "[^"]+" refused the credentials \(UNAUTHORIZED: bad login\)$/,
          );
          assert.doesNotMatch(error.message, /wrong/);
          return true;
        });
      });
    },
  );

  Deno.test(`a blob is mounted from another repository, with a token for both (${program})`, needed, async () => {
    await withTokenRegistry(program, {}, async ({ host, tokens }) => {
      using session = testSession();
      const access = typed("user", "right");
      const from = registryReference(`${host}/team/from:v1`);
      await using first = openRegistryTarget(from, session, access);
      await pushImage(first, image);
      await using target = openRegistryTarget(registryReference(`${host}/team/to:v1`), session, access);
      const source = openRegistrySource(from, session, access);
      const { blobs, manifests } = partsOf(image);
      assert.equal((await target.findBlobs(blobs)).size, 0);
      for (const blob of blobs) assert.equal(await target.linkBlob(new SourceBlob(source, blob), source), "linked");
      assert.equal((await target.findBlobs(blobs)).size, blobs.length);
      for (const manifest of manifests) await target.writeManifest(manifest);
      await target.publish(image.root);
      const scopes = tokens.requests.map(({ path }) =>
        new URL(path, "http://x").searchParams.getAll("scope").join(" ")
      );
      assert.ok(scopes.includes("repository:team/to:pull,push repository:team/from:pull"), scopes.join("\n"));
    });
  });
}

Deno.test("tokens that end in the middle of the work are renewed", needs(CURRENT_REGISTRY, "openssl"), async () => {
  // The server says 300 seconds, and the registry (which allows 60 s for clocks that differ) takes them for 2 or 3:
  // only its 401 tells.
  const lies = { lifetimeS: -57, claimedLifetimeS: 300 };
  await withTokenRegistry(CURRENT_REGISTRY, lies, async ({ host, tokens }) => {
    using session = testSession();
    const reference = registryReference(`${host}/team/app:v1`);
    await using target = openRegistryTarget(reference, session, typed("user", "right"));
    const [first, second] = partsOf(image).blobs;
    await target.writeBlob(contentOf(first!, image.blobs.get(first!.digest)!));
    assert.equal(tokens.requests.length, 1);
    await new Promise((resolve) => setTimeout(resolve, 3500));
    await target.writeBlob(contentOf(second!, image.blobs.get(second!.digest)!));
    assert.equal(tokens.requests.length, 2);
    assert.equal((await target.findBlobs([first!, second!])).size, 2);
  });
});

Deno.test({
  name: "config.json's password works at a registry with htpasswd; a wrong one gives one clear line",
  ...needs(CURRENT_REGISTRY, "htpasswd"),
  fn: async () => {
    const folder = await Deno.makeTempDir({ prefix: "s3lo-htpasswd-" });
    try {
      const { stdout } = await new Deno.Command("htpasswd", { args: ["-nbB", "user", "right"] }).output();
      await Deno.writeFile(`${folder}/htpasswd`, stdout);
      const auth = `auth: {htpasswd: {realm: test, path: "${folder}/htpasswd"}}`;
      await using registry = await startRegistry({ auth });
      const reference = registryReference(`${registry.host}/team/app:v1`);
      const small = singleImage({ os: "linux", architecture: "amd64" });
      await withConfig({ [registry.host]: basic("user", "right") }, async (session) => {
        await using target = openRegistryTarget(reference, session);
        await pushImage(target, small);
        assert.deepEqual(await Array.fromAsync(listRegistryTags(reference, session)), [["v1"]]);
        assert.deepEqual(await Array.fromAsync(listRegistryRepositories(registry.host, session)), [["team/app"]]);
      });
      await withConfig({ [registry.host]: basic("user", "wrong") }, async (session) => {
        await assert.rejects(openRegistrySource(reference, session).root(), (error: ImageError) => {
          assert.equal(error.code, "unauthorized");
          assert.match(error.message, /^Cannot read manifest "v1" of "[^"]+": "[^"]+" refused the credentials/);
          assert.match(error.hint ?? "", /docker login/);
          return true;
        });
      });
      using anonymous = testSession();
      await assert.rejects(openRegistrySource(reference, anonymous).root(), (error: ImageError) => {
        assert.match(error.message, /asks for credentials/);
        return error.code === "unauthorized";
      });
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
