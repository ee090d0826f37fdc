/**
 * zstd frames exactly as the Go encoder of the chunked layers writes them, for the eight bytes `abcdefgh` repeated. Its
 * output for that input is simple enough to be written down block by block; tests compare the digests.
 *
 * Spec: RFC 8878, sections 3.1.1.1 (frame header), 3.1.1.3 (compressed blocks).
 */
import { constants, zstdCompressSync } from "node:zlib";

const BLOCK_BYTES = 128 * 1024;

/** The letters `abcdefgh` repeated, cut to `length`. */
export function repeatedLetters(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let index = 0; index < length; index++) bytes[index] = 97 + (index & 7);
  return bytes;
}

/** The Go encoder's frame of {@linkcode repeatedLetters}; `length` is a multiple of 8, or one more than one of 128 KiB. */
export function goFrame(length: number): Uint8Array<ArrayBuffer> {
  const frame = [0x28, 0xb5, 0x2f, 0xfd, ...header(length)];
  for (let at = 0; at < length; at += BLOCK_BYTES) {
    const size = Math.min(BLOCK_BYTES, length - at);
    const isLast = at + size === length;
    if (size < 8) frame.push(...blockHeader(size, 0, isLast), ...repeatedLetters(size));
    else if (at === 0) frame.push(...matchBlock("abcdefgh", size - 8, 8, isLast));
    else frame.push(...matchBlock("", size, at === BLOCK_BYTES ? BLOCK_BYTES - 8 : BLOCK_BYTES, isLast));
  }
  return Uint8Array.from([...frame, ...checksum(repeatedLetters(length))]);
}

function header(length: number): number[] {
  if (length < 65536 + 256) return [0x64, (length - 256) & 255, (length - 256) >> 8];
  const size = [length & 255, length >> 8 & 255, length >> 16 & 255, length >>> 24];
  return length <= 8 * 1024 * 1024 ? [0xa4, ...size] : [0x84, 0x68, ...size];
}

/** Literals, then one match; all three codes in RLE mode, so that the bit stream holds their extra bits alone. */
function matchBlock(literals: string, matchLength: number, offset: number, isLast: boolean): number[] {
  const [matchCode, matchExtra, matchBits] = matchLength >= 65539
    ? [52, matchLength - 65539, 16]
    : [51, matchLength - 32771, 15];
  const offsetCode = 31 - Math.clz32(offset + 3);
  const bits = (1n << BigInt(offsetCode) | BigInt(offset + 3 - 2 ** offsetCode)) << BigInt(matchBits) |
    BigInt(matchExtra);
  const body = [
    literals.length << 3,
    ...new TextEncoder().encode(literals),
    ...[1, 0x54, literals.length, offsetCode, matchCode],
  ];
  for (let left = bits; left > 0n; left >>= 8n) body.push(Number(left & 255n));
  return [...blockHeader(body.length, 2, isLast), ...body];
}

function blockHeader(size: number, type: number, isLast: boolean): number[] {
  const header = size << 3 | type << 1 | (isLast ? 1 : 0);
  return [header & 255, header >> 8 & 255, header >> 16];
}

function checksum(bytes: Uint8Array): Uint8Array {
  return zstdCompressSync(bytes, { params: { [constants.ZSTD_c_checksumFlag]: 1 } }).subarray(-4);
}
