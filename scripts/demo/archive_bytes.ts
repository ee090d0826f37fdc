/** Writes layers the same way everywhere: a tar with fixed metadata, and gzip that does not depend on a compressor. */
import { crc32 } from "node:zlib";

/** A file of a layer. */
export interface LayerFile {
  /** Without a leading slash. */
  readonly path: string;
  readonly mode: number;
  readonly content: Uint8Array;
}

const BLOCK = 512;
const BIGGEST_STORED_BLOCK = 0xffff;

/** A tar (ustar) of the files, owned by root, dated 1970. */
export function tarBytes(files: readonly LayerFile[]): Uint8Array<ArrayBuffer> {
  const blocks = files.flatMap((file) => [tarHeader(file), padded(file.content)]);
  return joined([...blocks, new Uint8Array(2 * BLOCK)]);
}

/**
 * A gzip stream whose data is stored, not compressed: the same bytes with every version of every compressor, so that
 * the demo image always has the same digest.
 */
export function gzipStored(data: Uint8Array): Uint8Array<ArrayBuffer> {
  if (data.length > BIGGEST_STORED_BLOCK) throw new RangeError("Cannot store more than one block");
  const header = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1]; // gzip, no name, no time, unknown system; last block, stored
  const frame = new DataView(new ArrayBuffer(4));
  frame.setUint16(0, data.length, true);
  frame.setUint16(2, ~data.length & 0xffff, true);
  const trailer = new DataView(new ArrayBuffer(8));
  trailer.setUint32(0, crc32(data), true);
  trailer.setUint32(4, data.length, true);
  return joined([new Uint8Array(header), new Uint8Array(frame.buffer), data, new Uint8Array(trailer.buffer)]);
}

function tarHeader(file: LayerFile): Uint8Array {
  const header = new Uint8Array(BLOCK);
  const put = (text: string, at: number) => header.set(new TextEncoder().encode(text), at);
  const octal = (value: number, digits: number) => value.toString(8).padStart(digits, "0");
  put(file.path, 0);
  put(`${octal(file.mode, 7)}\0${octal(0, 7)}\0${octal(0, 7)}\0`, 100); // mode, owner, group
  put(`${octal(file.content.length, 11)}\0${octal(0, 11)}\0`, 124); // size, time
  put("        0", 148); // the checksum counts as blanks while it is summed; a regular file
  put("ustar\0" + "00", 257);
  put(`${octal(header.reduce((sum, byte) => sum + byte, 0), 6)}\0 `, 148);
  return header;
}

function padded(content: Uint8Array): Uint8Array {
  const block = new Uint8Array(Math.ceil(content.length / BLOCK) * BLOCK);
  block.set(content);
  return block;
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
