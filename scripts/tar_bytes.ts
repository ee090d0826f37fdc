/** Small tars that come out the same everywhere: of the demo image's layers and of releases. */
import { Buffer } from "node:buffer";

/** A file of a tar. */
export interface TarFile {
  /** Without a leading slash; up to 100 bytes. */
  readonly name: string;
  readonly mode: number;
  readonly bytes: Uint8Array;
}

const BLOCK_BYTES = 512;

/** A tar of the files, in order, all owned by root and with one time (seconds since 1970). Spec: POSIX.1-1988 ustar. */
export function tarBytes(files: readonly TarFile[], epoch = 0): Uint8Array<ArrayBuffer> {
  const blocks = files.flatMap((file) => [header(file, epoch), file.bytes, new Uint8Array(padding(file.bytes))]);
  return new Uint8Array(Buffer.concat([...blocks, new Uint8Array(2 * BLOCK_BYTES)]));
}

function header({ name, mode, bytes }: TarFile, epoch: number): Uint8Array {
  const octal = (value: number, length: number) => `${value.toString(8).padStart(length - 1, "0")}\0`;
  const before = name.padEnd(100, "\0") + octal(mode, 8) + octal(0, 8) + octal(0, 8) + octal(bytes.byteLength, 12) +
    octal(epoch, 12);
  const after = "0" + "\0".repeat(100) + "ustar\0" + "00" + "root".padEnd(32, "\0").repeat(2) + octal(0, 8).repeat(2);
  // The checksum counts as blanks while it is summed.
  const sum = Buffer.from(`${before}${" ".repeat(8)}${after}`).reduce((all, byte) => all + byte, 0);
  return Buffer.from(`${before}${sum.toString(8).padStart(6, "0")}\0 ${after}`.padEnd(BLOCK_BYTES, "\0"));
}

function padding(bytes: Uint8Array): number {
  return (BLOCK_BYTES - bytes.byteLength % BLOCK_BYTES) % BLOCK_BYTES;
}
