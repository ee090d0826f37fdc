import type { BlobCounts } from "../commands/blob_counts.ts";
import { count, formatSize } from "./text.ts";

/**
 * What became of an image's blobs, in the words of every command:
 * `2 blobs copied (3.1 MB), 5 linked by the target itself (8.0 MB), 1 skipped as already there (1.2 kB)`.
 *
 * What was linked is left out where it is none.
 */
export function blobSummary(counts: BlobCounts, verb = "copied"): string {
  const linked = counts.blobs_linked > 0
    ? `, ${counts.blobs_linked} linked by the target itself (${formatSize(counts.bytes_linked)})`
    : "";
  return `${count(counts.blobs_copied, "blob")} ${verb} (${formatSize(counts.bytes_copied)})${linked}, ` +
    `${counts.blobs_skipped} skipped as already there (${formatSize(counts.bytes_skipped)})`;
}

/** The counts of several images together. */
export function sumOfCounts(images: readonly BlobCounts[]): BlobCounts {
  const sum = (pick: (image: BlobCounts) => number) => images.reduce((all, image) => all + pick(image), 0);
  return {
    blobs_copied: sum((each) => each.blobs_copied),
    bytes_copied: sum((each) => each.bytes_copied),
    blobs_linked: sum((each) => each.blobs_linked),
    bytes_linked: sum((each) => each.bytes_linked),
    blobs_skipped: sum((each) => each.blobs_skipped),
    bytes_skipped: sum((each) => each.bytes_skipped),
  };
}
