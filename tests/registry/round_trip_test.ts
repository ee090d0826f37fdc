import assert from "node:assert/strict";
import { openRegistrySource, openRegistryTarget } from "../../src/transports/registry.ts";
import { programPath } from "../support/services.ts";
import { multiImage } from "../support/images.ts";
import { CURRENT_REGISTRY, OLD_REGISTRY, startRegistry } from "./real_registry.ts";
import { partsOf, pullImage, pushImage, registryReference, testSession } from "./support.ts";

for (const program of [CURRENT_REGISTRY, OLD_REGISTRY]) {
  Deno.test({
    name: `a multi-platform image with attestations comes back byte for byte (${program})`,
    ignore: programPath(program) === undefined,
    fn: async () => {
      await using registry = await startRegistry({ program });
      using session = testSession();
      const image = multiImage({ seed: 7, attestations: true });
      const reference = registryReference(`${registry.host}/team/app:v1`);
      await using target = openRegistryTarget(reference, session);
      await pushImage(target, image);
      const found = await pullImage(openRegistrySource(reference, session));
      assert.equal(found.get(image.root.descriptor.digest)?.byteLength, image.root.bytes.byteLength);
      for (const [digest, bytes] of image.blobs) assert.deepEqual(found.get(digest), bytes, digest);
      const { blobs } = partsOf(image);
      assert.deepEqual(await target.findBlobs(blobs), new Set(blobs.map(({ digest }) => digest)));
    },
  });
}
