/** Packs executables so that the same input gives the same bytes everywhere. */
import { createHash } from "node:crypto";
import { basename } from "node:path";
import { constants, crc32, deflateRawSync, gzipSync } from "node:zlib";

/** A file of an archive. */
export interface PackedFile {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly mode: number;
}

const LEVEL = constants.Z_BEST_COMPRESSION;

/** A gzipped tar of files, in order, all with one time (seconds since 1970) and owner 0. Spec: POSIX.1-1988 ustar. */
export function tarGz(files: readonly PackedFile[], epoch: number): Uint8Array {
  const blocks: Uint8Array[] = [];
  for (const { name, bytes, mode } of files) {
    const octal = (value: number, length: number) => `${value.toString(8).padStart(length - 1, "0")}\0`;
    const before = name.padEnd(100, "\0") + octal(mode, 8) + octal(0, 8) + octal(0, 8) + octal(bytes.byteLength, 12) +
      octal(epoch, 12);
    const after = "0" + "\0".repeat(100) + "ustar\0" + "00" + "root".padEnd(32, "\0").repeat(2) + octal(0, 8).repeat(2);
    const sum = [...before, " ".repeat(8), ...after].join("").split("").reduce((all, c) => all + c.charCodeAt(0), 0);
    const header = `${before}${sum.toString(8).padStart(6, "0")}\0 ${after}`.padEnd(512, "\0");
    blocks.push(new TextEncoder().encode(header), bytes, new Uint8Array((512 - bytes.byteLength % 512) % 512));
  }
  return gzipSync(joined([...blocks, new Uint8Array(1024)]), { level: LEVEL });
}

/** A zip of files, in order, all with one time (seconds since 1970, read as UTC). Spec: PKWARE APPNOTE 6.3. */
export function zip(files: readonly PackedFile[], epoch: number): Uint8Array {
  const time = new Date(epoch * 1000);
  const dosTime = time.getUTCHours() << 11 | time.getUTCMinutes() << 5 | time.getUTCSeconds() >> 1;
  const dosDate = Math.max(0, time.getUTCFullYear() - 1980) << 9 | (time.getUTCMonth() + 1) << 5 | time.getUTCDate();
  const parts: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let offset = 0;
  for (const file of files) {
    const name = new TextEncoder().encode(file.name);
    const packed = deflateRawSync(file.bytes, { level: LEVEL });
    const shared = [
      ...little(20, 2),
      ...little(0, 2),
      ...little(8, 2),
      ...little(dosTime, 2),
      ...little(dosDate, 2),
      ...little(crc32(file.bytes), 4),
      ...little(packed.byteLength, 4),
      ...little(file.bytes.byteLength, 4),
      ...little(name.byteLength, 2),
      ...little(0, 2),
    ];
    const local = joined([new Uint8Array([0x50, 0x4b, 3, 4, ...shared]), name, packed]);
    const attributes = [...little(0, 6), ...little((0o100000 | file.mode) * 0x10000, 4), ...little(offset, 4)];
    directory.push(new Uint8Array([0x50, 0x4b, 1, 2, ...little(20 | 3 << 8, 2), ...shared, ...attributes]), name);
    parts.push(local);
    offset += local.byteLength;
  }
  const central = joined(directory);
  const count = little(files.length, 2);
  const end = [0x50, 0x4b, 5, 6, ...little(0, 4), ...count, ...count, ...little(central.byteLength, 4)];
  return joined([...parts, central, new Uint8Array([...end, ...little(offset, 4), ...little(0, 2)])]);
}

/** Lines of SHA256SUMS for files, sorted by name, as `sha256sum --check` reads them. */
export async function checksums(paths: readonly string[]): Promise<string> {
  const lines: string[] = [];
  for (const path of paths.toSorted((left, right) => basename(left) < basename(right) ? -1 : 1)) {
    lines.push(`${createHash("sha256").update(await Deno.readFile(path)).digest("hex")}  ${basename(path)}\n`);
  }
  return lines.join("");
}

function little(value: number, bytes: number): number[] {
  return Array.from({ length: bytes }, (_, index) => Math.floor(value / 256 ** index) % 256);
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.byteLength;
  }
  return all;
}
