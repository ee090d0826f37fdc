import { ImageError, isImageError } from "../errors.ts";
import type { LandingPath } from "../archive/bundle_names.ts";
import { ChunkPresence } from "../bucket/chunk_presence.ts";
import { findHeldBlobs as findInBucket } from "../bucket/find_blobs.ts";
import type { BlobContent, ImageSource, ImageTarget } from "../image/places.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import { refuseNearMiss } from "../oci/near_misses.ts";
import { isStoreText, parseReference, parseStoreLocation } from "../oci/reference.ts";
import type { BlobHolders } from "./bundle_source.ts";
import { bucketImage } from "./open_bucket.ts";
import type { Session } from "./session.ts";

/** Where the images of a bundle go. */
export interface BundlePlace {
  /** Whether all images share their blobs there. */
  readonly isStore: boolean;
  /** The one reference that was given; undefined where each image lands under its own name. */
  readonly explicit: string | undefined;
  /** The reference under which an image lands. */
  referenceOf(landing: LandingPath): string;
}

/** Whether a reference means an archive, a layout or the daemon. */
export function isLocalPlace(text: string): boolean {
  return /^(?:docker-archive|oci-archive|oci|docker-daemon):(?!\/\/)/.test(text);
}

/**
 * Reads what a bundle is loaded into: a store (`s3://bucket[/prefix]`, `local://folder[//prefix]`), a registry
 * (`host[/prefix]`), or, with a tag, one image anywhere. Throws `usage`, `invalid-reference`.
 */
export function parseBundlePlace(text: string): BundlePlace {
  const explicit = (isStore: boolean): BundlePlace => ({ isStore, explicit: text, referenceOf: () => text });
  if (isLocalPlace(text)) return explicit(false);
  if (isStoreText(text)) {
    if (isPinned(text.replace(/^[a-z0-9]+:\/\//, ""))) {
      parseReference(text);
      return explicit(true);
    }
    const location = parseStoreLocation(text);
    const base = location.kind === "s3" ? `s3://${location.bucket}/` : `local://${location.path}//`;
    return {
      isStore: true,
      explicit: undefined,
      referenceOf: ({ image, tag }) => `${base}${location.prefix}${image}:${tag}`,
    };
  }
  refuseNearMiss(text.replace(/^docker:\/\//, ""), "store");
  const bare = text.replace(/^docker:\/\//, "").replace(/\/+$/, "");
  const [host = "", ...path] = bare.split("/");
  if (path.length > 0 && isPinned(bare)) {
    parseReference(text);
    return explicit(false);
  }
  if (!/[.:]/.test(host) && host !== "localhost") {
    throw new ImageError("usage", `Cannot load into "${text}": it is neither a store nor a registry's host`, {
      hint: "Use s3://bucket, local:///folder, or a host with or without a path (localhost:5000, ghcr.io/team)",
    });
  }
  parseReference(`${bare}/x:y`);
  return { isStore: false, explicit: undefined, referenceOf: ({ image, tag }) => `${bare}/${image}:${tag}` };
}

/** Whether a reference without its scheme has a tag or a digest. */
function isPinned(text: string): boolean {
  const last = text.slice(text.lastIndexOf("/") + 1);
  return text.includes("/") && /[:@]/.test(last);
}

/**
 * Which blobs lie where an image is going to be, in full length, whole or in chunks; nothing is written and no store is made.
 *
 * Throws `unsupported` for archives and the daemon, of which that cannot be told.
 */
export async function findHeldBlobs(
  session: Session,
  text: string,
  blobs: readonly Descriptor[],
): Promise<ReadonlySet<Digest>> {
  if (isLocalPlace(text)) {
    throw new ImageError("unsupported", `Cannot load a bundle that relies on others into "${text}"`, {
      hint: "Load it into a store or registry, and copy the image from there",
    });
  }
  const reference = parseReference(text);
  if (reference.kind === "registry") {
    const { openRegistryTarget } = await import("./registry.ts");
    const access = session.registryAccess(reference.registry, "target");
    await using target = openRegistryTarget(reference, await session.registry(), access);
    return await target.findBlobs(blobs);
  }
  try {
    const { store } = await bucketImage(session, reference, text, { access: "read", side: "target" });
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
