import type { CopyResult } from "../image/copy_image.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";

/**
 * What became of configs and layers; it means the same in every report (docs/json.md). No blob is in two of the three, and
 * together they are all that the image has in the target. Bytes are those that are stored.
 */
export interface BlobCounts {
  /** Their bytes passed through this machine. */
  readonly blobs_copied: number;
  readonly bytes_copied: number;
  /** The target's store or registry took them over by itself. */
  readonly blobs_linked: number;
  readonly bytes_linked: number;
  /** The target had them already. */
  readonly blobs_skipped: number;
  readonly bytes_skipped: number;
}

/** Which blobs a copy has moved, and how. */
type MovedBlobs = Pick<CopyResult, "movedBlobs" | "linkedBlobs" | "presentBlobs">;

/** Counts the blobs of one copy, or of several to one place: of those what became of a blob first is what counts. */
export function blobCounts(...copies: readonly MovedBlobs[]): BlobCounts {
  const counted = new Set<Digest>();
  const first = (blobs: readonly Descriptor[]) =>
    blobs.filter(({ digest }) => !counted.has(digest) && counted.add(digest));
  const copied: Descriptor[] = [];
  const linked: Descriptor[] = [];
  const skipped: Descriptor[] = [];
  for (const { movedBlobs, linkedBlobs, presentBlobs } of copies) {
    copied.push(...first(movedBlobs));
    linked.push(...first(linkedBlobs));
    skipped.push(...first(presentBlobs));
  }
  return {
    blobs_copied: copied.length,
    bytes_copied: sizeOfBlobs(copied),
    blobs_linked: linked.length,
    bytes_linked: sizeOfBlobs(linked),
    blobs_skipped: skipped.length,
    bytes_skipped: sizeOfBlobs(skipped),
  };
}

/** The stored size of all that was counted, in bytes. */
export function totalBytes(counts: BlobCounts): number {
  return counts.bytes_copied + counts.bytes_linked + counts.bytes_skipped;
}

/** The sum of the blobs' stored sizes, in bytes. */
export function sizeOfBlobs(blobs: readonly Descriptor[]): number {
  return blobs.reduce((sum, blob) => sum + blob.size, 0);
}
