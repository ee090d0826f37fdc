/** Packs executables so that the same input gives the same bytes everywhere. */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { basename } from "node:path";
import { constants, crc32, deflateRawSync, gzipSync } from "node:zlib";
import { tarBytes, type TarFile } from "../tar_bytes.ts";

const LEVEL = constants.Z_BEST_COMPRESSION;

/** A gzipped tar of files, in order, all with one time (seconds since 1970) and owner 0. */
export function tarGz(files: readonly TarFile[], epoch: number): Uint8Array {
  return gzipSync(tarBytes(files, epoch), { level: LEVEL });
}

/** A zip of files, in order, all with one time (seconds since 1970, read as UTC). Spec: PKWARE APPNOTE 6.3. */
export function zip(files: readonly TarFile[], epoch: number): Uint8Array {
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
    const local = Buffer.concat([new Uint8Array([0x50, 0x4b, 3, 4, ...shared]), name, packed]);
    const attributes = [...little(0, 6), ...little((0o100000 | file.mode) * 0x10000, 4), ...little(offset, 4)];
    directory.push(new Uint8Array([0x50, 0x4b, 1, 2, ...little(20 | 3 << 8, 2), ...shared, ...attributes]), name);
    parts.push(local);
    offset += local.byteLength;
  }
  const central = Buffer.concat(directory);
  const count = little(files.length, 2);
  const end = [0x50, 0x4b, 5, 6, ...little(0, 4), ...count, ...count, ...little(central.byteLength, 4)];
  return Buffer.concat([...parts, central, new Uint8Array([...end, ...little(offset, 4), ...little(0, 2)])]);
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
