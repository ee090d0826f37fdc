import { Buffer } from "node:buffer";
import { crc32 } from "node:zlib";

const BIGGEST_STORED_BLOCK = 0xffff;

/**
 * A gzip stream whose data is stored, not compressed: the same bytes with every version of every compressor, so that
 * the demo image always has the same digest. Throws a `RangeError` beyond 65,535 bytes.
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
  const parts = [new Uint8Array(header), new Uint8Array(frame.buffer), data, new Uint8Array(trailer.buffer)];
  return new Uint8Array(Buffer.concat(parts));
}
