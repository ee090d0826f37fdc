import assert from "node:assert/strict";
import type { Credentials } from "../../src/registry/credentials.ts";
import {
  listRegistryRepositories,
  listRegistryTags,
  openRegistrySource,
  openRegistryTarget,
} from "../../src/transports/registry.ts";
import { indexOf, multiImage, singleImage, type TestImage } from "../support/images.ts";
import { programPath, type ServiceName, serviceTest } from "../support/services.ts";
import { CURRENT_REGISTRY, needs, startRegistry } from "./real_registry.ts";
import { partsOf, pullImage, pushImage, registryReference, testSession } from "./support.ts";

const IMAGES: Readonly<Record<string, TestImage>> = {
  "a multi-platform image with attestations": multiImage({ seed: 7, attestations: true }),
  "a single image with zstd layers": singleImage({ os: "linux", architecture: "s390x" }, { compression: "zstd" }),
  "an image of Docker's types": multiImage({ seed: 8, docker: true }),
  "a nested index": indexOf([multiImage({ seed: 9 }), singleImage({ os: "linux", architecture: "386" })]),
};

/** Host and credentials of a service's address. */
function serviceAccess(address: string): { readonly host: string; readonly credentials?: Credentials } {
  const url = new URL(address);
  if (url.username === "") return { host: url.host };
  const [username, password] = [decodeURIComponent(url.username), decodeURIComponent(url.password)];
  return { host: url.host, credentials: { kind: "password", username, password } };
}

for (const service of ["registry", "oldRegistry", "privateRegistry"] satisfies readonly ServiceName[]) {
  for (const [what, image] of Object.entries(IMAGES)) {
    serviceTest(`${what} comes back byte for byte (${service})`, [service], async (addresses) => {
      const { host, credentials } = serviceAccess(addresses[service]);
      using session = testSession();
      const reference = registryReference(`${host}/s3lo-test/${crypto.randomUUID()}:v1`);
      await using target = openRegistryTarget(reference, session, { credentials });
      const { blobs } = partsOf(image);
      assert.equal((await target.findBlobs(blobs)).size, 0);
      await pushImage(target, image);
      assert.deepEqual(await target.findBlobs(blobs), new Set(blobs.map(({ digest }) => digest)));
      const source = openRegistrySource(reference, session, { credentials });
      const found = await pullImage(source);
      assert.deepEqual(found.get(image.root.descriptor.digest), image.root.bytes);
      assert.equal(found.size, image.blobs.size + 1);
      for (const [digest, bytes] of image.blobs) assert.deepEqual(found.get(digest), bytes, digest);
      assert.deepEqual(await Array.fromAsync(listRegistryTags(reference, session, { credentials })), [["v1"]]);
    });
  }
}

Deno.test({
  name: "crane finds an image whole that was written here, and its tags and repositories are listed in pages",
  ...needs(CURRENT_REGISTRY, "crane"),
  fn: async () => {
    await using registry = await startRegistry();
    using session = testSession();
    // Without attestations: crane takes their statements for layers that are missing.
    const image = multiImage({ seed: 10 });
    const tags = Array.from({ length: 5 }, (_, index) => `v${index}`);
    for (const tag of tags) {
      await using target = openRegistryTarget(registryReference(`${registry.host}/team/app:${tag}`), session);
      await pushImage(target, image);
    }
    const crane = async (...args: string[]) => {
      const { success, stdout, stderr } = await new Deno.Command(programPath("crane")!, { args }).output();
      assert.ok(success, new TextDecoder().decode(stderr));
      return new TextDecoder().decode(stdout).trim();
    };
    assert.equal(await crane("digest", `${registry.host}/team/app:v3`), image.root.descriptor.digest);
    await crane("validate", "--remote", `${registry.host}/team/app:v0`);
    const reference = registryReference(`${registry.host}/team/app`);
    assert.deepEqual((await Array.fromAsync(listRegistryTags(reference, session))).flat(), tags);
    assert.deepEqual(await Array.fromAsync(listRegistryRepositories(registry.host, session)), [["team/app"]]);
  },
});
