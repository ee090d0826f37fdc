/** A size for people, 1024-based with one decimal: `7.8 MB`. */
export function formatSize(sizeBytes: number): string {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let value = sizeBytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return unit === 0 ? `${value} B` : `${value.toFixed(1)} ${units[unit]}`;
}

/** A size in megabytes with two decimals, as `inspect` shows it: `7.80 MB`; what would be `0.00 MB` in smaller units. */
export function formatMegabytes(sizeBytes: number): string {
  const megabytes = (sizeBytes / 1024 / 1024).toFixed(2);
  return megabytes === "0.00" ? formatSize(sizeBytes) : `${megabytes} MB`;
}

/** A number with its noun: `1 blob`, `2 blobs`, `2 entries`. */
export function count(number: number, noun: string, plural = `${noun}s`): string {
  return `${number} ${number === 1 ? noun : plural}`;
}

/** A span of time for people: `0.8 s`, `2 min 5 s`. */
export function formatDuration(durationMs: number): string {
  if (durationMs < 60_000) return `${(durationMs / 1000).toFixed(durationMs < 10_000 ? 1 : 0)} s`;
  const minutes = Math.floor(durationMs / 60_000);
  return `${minutes} min ${Math.floor(durationMs / 1000) % 60} s`;
}
