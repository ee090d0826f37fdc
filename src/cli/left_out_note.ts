import type { LeftOutReport } from "../commands/left_out.ts";
import { count } from "./text.ts";

/** The note on what stayed behind because `source` does not hold it whole; undefined where all came along. */
export function leftOutNote(report: LeftOutReport, source: string): string | undefined {
  const { platforms_missing: platforms = [], attestations_missing: attestations = 0 } = report;
  const names = [...platforms, ...(attestations > 0 ? [count(attestations, "attestation")] : [])];
  if (names.length === 0) return undefined;
  return `Note: left out, since not all of it is in ${source}: ${names.join(", ")}`;
}
