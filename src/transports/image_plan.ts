import type { Descriptor } from "../oci/descriptor.ts";
import type { Manifest } from "../oci/manifest.ts";

/**
 * What a target that writes one thing after another is to hold: the image as it was planned, and the manifests that came
 * with it later because they refer to it.
 */
export class ImagePlan {
  /** The root first, depth first. */
  readonly manifests: readonly Manifest[];
  /** In the order in which they are to be written. */
  readonly blobs: readonly Descriptor[];
  readonly #others: Manifest[] = [];

  constructor(manifests: readonly Manifest[], blobs: readonly Descriptor[]) {
    this.manifests = manifests;
    this.blobs = blobs;
  }

  /** Takes a manifest that is written; one of the plan is known already. */
  add(manifest: Manifest): void {
    if (!this.manifests.some((one) => isSame(one, manifest))) this.#others.push(manifest);
  }

  /** The manifests of the plan, then those added in the order of their digests, since they come in any. */
  all(): readonly Manifest[] {
    return [...this.manifests, ...this.#others.toSorted((a, b) => a.descriptor.digest < b.descriptor.digest ? -1 : 1)];
  }

  /** Throws a `TypeError` when another image is published than was planned. */
  checkRoot(root: Manifest): void {
    if (!this.manifests[0] || !isSame(root, this.manifests[0])) {
      throw new TypeError("publish() was given another root than plan()");
    }
  }
}

function isSame(one: Manifest, other: Manifest): boolean {
  return one.descriptor.digest === other.descriptor.digest;
}
