/** A size for people, decimal as docker and crane have it, with one decimal place: `7.8 MB` are 7,800,000 bytes. */
export function formatSize(sizeBytes: number): string {
  const unit = unitOf(sizeBytes);
  return `${inUnit(sizeBytes, unit)} ${UNITS[unit]}`;
}

/** How much there is of something, in one unit: `2.0 / 7.8 MB`. */
export function formatSizes(doneBytes: number, sizeBytes: number): string {
  const unit = unitOf(sizeBytes);
  return `${inUnit(doneBytes, unit)} / ${inUnit(sizeBytes, unit)} ${UNITS[unit]}`;
}

/** Each is 1000 of the one before. */
const UNITS = ["B", "kB", "MB", "GB", "TB"] as const;

/** The unit in which a size is shown: the first in which it is less than a thousand as it is written, `1.0 MB` for 999,999. */
function unitOf(sizeBytes: number): number {
  let unit = 0;
  while (unit < UNITS.length - 1 && Number(inUnit(sizeBytes, unit)) >= 1000) unit++;
  return unit;
}

function inUnit(sizeBytes: number, unit: number): string {
  return unit === 0 ? String(sizeBytes) : (sizeBytes / 1000 ** unit).toFixed(1);
}

/** A size in megabytes with two decimal places, as `inspect` shows it: `7.80 MB`; what would be `0.00 MB` in smaller units. */
export function formatMegabytes(sizeBytes: number): string {
  const megabytes = (sizeBytes / 1_000_000).toFixed(2);
  return megabytes === "0.00" ? formatSize(sizeBytes) : `${megabytes} MB`;
}

/** A number with its noun: `1 blob`, `2 blobs`, `2 entries`. */
export function count(number: number, noun: string, plural = `${noun}s`): string {
  return `${number} ${number === 1 ? noun : plural}`;
}

/** A span of time for people: `0.8 s`, `2 min 5 s`, `3 h 20 min`; where it is rough, no tenths of a second. */
export function formatDuration(durationMs: number, { isRough = false } = {}): string {
  if (durationMs < 60_000) return `${(durationMs / 1000).toFixed(durationMs < 10_000 && !isRough ? 1 : 0)} s`;
  const minutes = Math.floor(durationMs / 60_000);
  if (minutes < 60) return `${minutes} min ${Math.floor(durationMs / 1000) % 60} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}
