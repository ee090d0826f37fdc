import { ImageError, isImageError } from "../errors.ts";
import { ChunkPresence } from "../bucket/chunk_presence.ts";
import { findHeldBlobs as findInBucket } from "../bucket/find_blobs.ts";
import type { BlobContent, ImageSource, ImageTarget } from "../image/places.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import { type ImageLocation, isInRepository } from "../oci/location.ts";
import type { BlobHolders } from "./bundle_source.ts";
import { bucketImage } from "./open_bucket.ts";
import type { Session } from "./session.ts";

/**
 * Which blobs lie where an image is going to be, in full length, whole or in chunks; nothing is written and no store is made.
 *
 * Throws `unsupported` for archives and the daemon, of which that cannot be told.
 */
export async function findHeldBlobs(
  session: Session,
  location: ImageLocation,
  blobs: readonly Descriptor[],
): Promise<ReadonlySet<Digest>> {
  if (!isInRepository(location)) {
    throw new ImageError("unsupported", `Cannot load a bundle that relies on others into "${location.text}"`, {
      hint: "Load it into a store or registry, and copy the image from there",
    });
  }
  if (location.kind === "registry") {
    const { openRegistryTarget } = await import("./registry.ts");
    const access = session.registryAccess(location.registry, "target");
    await using target = openRegistryTarget(location, await session.registry(), access);
    return await target.findBlobs(blobs);
  }
  try {
    const { store } = await bucketImage(session, location, { access: "read", side: "target" });
    return (await findInBucket(store.objects, blobs, new ChunkPresence(store.objects))).present;
  } catch (error) {
    if (isImageError(error, "not-found")) return new Set();
    throw error;
  }
}

/** The same target, which asks first whether it can take a blob over from somebody who holds it already. */
export function linkingTarget(target: ImageTarget, holders: BlobHolders): ImageTarget {
  return {
    name: target.name,
    limits: target.limits,
    plan: async (manifests, blobs) => await target.plan?.(manifests, blobs),
    findBlobs: (blobs) => target.findBlobs(blobs),
    linkBlob: async (content: BlobContent, source: ImageSource) => {
      const holder = holders.get(content.blob.digest);
      return holder && await target.linkBlob(content, holder) || await target.linkBlob(content, source);
    },
    writeBlob: (content) => target.writeBlob(content),
    writeManifest: (manifest) => target.writeManifest(manifest),
    ...(target.writeTagged ? { writeTagged: (tag, manifest) => target.writeTagged!(tag, manifest) } : {}),
    publish: (root) => target.publish(root),
    [Symbol.asyncDispose]: () => target[Symbol.asyncDispose](),
  };
}
