/** How bytes are compressed, as their first bytes say. The last two are told apart and not read. */
export type SniffedCompression = "none" | "gzip" | "zstd" | "bzip2" | "xz";

/** How many bytes {@linkcode sniffCompression} looks at. */
export const SNIFF_BYTES = 6;

/** The compression of a stream that starts with these bytes (6 of them, fewer only where there are no more). */
export function sniffCompression(start: Uint8Array): SniffedCompression {
  const begins = (...magic: number[]) => magic.every((byte, index) => start[index] === byte);
  if (begins(0x1f, 0x8b)) return "gzip";
  if (begins(0x28, 0xb5, 0x2f, 0xfd)) return "zstd";
  // A zstd stream may begin with a frame of foreign data (RFC 8878, section 3.1.2).
  if (start[0] !== undefined && (start[0] & 0xf0) === 0x50 && [0x2a, 0x4d, 0x18].every((b, i) => start[i + 1] === b)) {
    return "zstd";
  }
  if (begins(0x42, 0x5a, 0x68)) return "bzip2";
  return begins(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00) ? "xz" : "none";
}
