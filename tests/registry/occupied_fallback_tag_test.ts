/** The tag that lists referrers where a registry has no API for it: an image that somebody put there is not replaced. */
import assert from "node:assert/strict";
import { isImageError } from "../../src/errors.ts";
import { parsePlatform } from "../../src/oci/platform.ts";
import { referrersTag } from "../../src/oci/referrers.ts";
import { openRegistryTarget } from "../../src/transports/registry.ts";
import { referrerOf, singleImage } from "../support/images.ts";
import { serveFakeRegistry } from "./fake_registry.ts";
import { registryReference, testSession } from "./support.ts";

const permissions: Deno.PermissionOptions = { net: ["127.0.0.1"], env: true, sys: "inherit" };
const image = singleImage(parsePlatform("linux/amd64"));
const other = singleImage(parsePlatform("linux/amd64"), { seed: 9 });
const signature = referrerOf(image.root, "application/vnd.example.signature", new Uint8Array([1]));

Deno.test("an image at the fallback tag is not replaced by a list of referrers", { permissions }, async () => {
  await using fake = serveFakeRegistry();
  using session = testSession({ plainHttp: true });
  const tag = referrersTag(image.root.descriptor.digest);
  fake.manifests.set(tag, { bytes: other.root.bytes, mediaType: other.root.descriptor.mediaType });
  const target = openRegistryTarget(registryReference(`${fake.server.host}/app:v1`), session);
  await assert.rejects(target.writeManifest(signature.root), (error: unknown) => {
    assert.ok(isImageError(error, "conflict"), String(error));
    assert.match(error.message, /is an image, and no list of referrers$/);
    return true;
  });
  assert.deepEqual(fake.manifests.get(tag)?.bytes, other.root.bytes);
});
