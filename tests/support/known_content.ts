import { readImageConfig } from "../../src/oci/image_config.ts";
import type { Descriptor } from "../../src/oci/descriptor.ts";
import type { Digest } from "../../src/oci/digest.ts";
import { blobsOf, type Manifest } from "../../src/oci/manifest.ts";
import type { KnownContent } from "../../src/transports/docker_daemon_content.ts";

/** A manifest that the target of a push holds with everything below it; an index stands for itself only. */
export interface HeldManifest {
  readonly manifest: Manifest;
  /** The bytes of its config; without them its layers are not known by their diff IDs. */
  readonly config?: Uint8Array | undefined;
}

/** What is known of a target that holds just these manifests. */
export function knownContent(held: readonly HeldManifest[]): KnownContent {
  const manifests = new Map<Digest, Manifest>();
  const images = new Map<Digest, Manifest>();
  const layers = new Map<Digest, Descriptor>();
  const blobs = new Set<Digest>();
  for (const { manifest, config } of held) {
    const { content, descriptor } = manifest;
    manifests.set(descriptor.digest, manifest);
    blobsOf(content).blobs.forEach((blob) => blobs.add(blob.digest));
    if (content.kind !== "image") continue;
    images.set(content.config.digest, manifest);
    const { diffIds } = config ? readImageConfig(config, `config "${content.config.digest}"`) : { diffIds: [] };
    // Where the numbers differ nobody can say which layer is which.
    if (diffIds.length !== content.layers.length) continue;
    diffIds.forEach((diffId, position) => layers.set(diffId, content.layers[position] as Descriptor));
  }
  return {
    findManifest: (digest) => Promise.resolve(manifests.get(digest)),
    findImage: (config) => Promise.resolve(images.get(config)),
    findLayer: (diffId) => Promise.resolve(layers.get(diffId)),
    hasBlob: (digest) => Promise.resolve(blobs.has(digest)),
  };
}
