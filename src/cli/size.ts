import { ImageError } from "../errors.ts";

/** Bytes of each unit: `GB` and `kB` are decimal, `G` and `GiB` binary, as `split` and `dd` take them. */
const UNITS: ReadonlyMap<string, number> = new Map(
  ["K", "M", "G", "T"].flatMap((letter, index) =>
    [
      [letter, 1024 ** (index + 1)],
      [`${letter}IB`, 1024 ** (index + 1)],
      [`${letter}B`, 1000 ** (index + 1)],
    ] as const
  ),
);

/**
 * Reads a size as people write it: `700MB`, `4.5 GiB`, `1048576`.
 *
 * `option` names it in the error. Throws `usage` when it is no size, or less than `minBytes`.
 */
export function parseSize(text: string, option: string, minBytes: number): number {
  const match = /^([0-9]{1,15}(?:\.[0-9]{1,9})?)\s*([A-Za-z]*)$/.exec(text.trim());
  const unit = match?.[2]?.toUpperCase() ?? "";
  const factor = unit === "" || unit === "B" ? 1 : UNITS.get(unit);
  const sizeBytes = match && factor ? Math.floor(Number(match[1]) * factor) : NaN;
  if (!Number.isSafeInteger(sizeBytes)) {
    throw new ImageError("usage", `Invalid ${option} "${text}": expected a size such as 4GB, 700MB or 2GiB`);
  }
  if (sizeBytes < minBytes) {
    throw new ImageError("usage", `Invalid ${option} "${text}": expected at least ${minBytes} bytes`);
  }
  return sizeBytes;
}
