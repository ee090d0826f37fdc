import type { Descriptor } from "../oci/descriptor.ts";

/** The sum of the blobs' stored sizes, in bytes. */
export function sizeOfBlobs(blobs: readonly Descriptor[]): number {
  return blobs.reduce((sum, blob) => sum + blob.size, 0);
}
