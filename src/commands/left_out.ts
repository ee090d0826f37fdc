import type { LeftOutEntry } from "../image/places.ts";

/** What stayed behind because its place does not hold it whole; members of several reports in docs/json.md. */
export interface LeftOutReport {
  /** Platforms, or digests of what has none. */
  readonly platforms_missing?: readonly string[];
  /** How many attestations of platforms that came along. */
  readonly attestations_missing?: number;
}

/** The members for entries that were left out; none of them where there are none. */
export function leftOutReport(leftOut: readonly LeftOutEntry[]): LeftOutReport {
  const platforms = leftOut.filter((entry) => !entry.isAttestation).map((entry) => entry.label);
  const attestations = leftOut.length - platforms.length;
  return {
    ...(platforms.length > 0 ? { platforms_missing: platforms } : {}),
    ...(attestations > 0 ? { attestations_missing: attestations } : {}),
  };
}
