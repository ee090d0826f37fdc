import { crc32 } from "node:zlib";

/** Other bytes of the same length and CRC32: those given, with some turned over and the last four made to fit. */
export function forgedLike(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const forged = bytes.slice() as Uint8Array<ArrayBuffer>;
  for (let index = 0; index < Math.min(100, forged.byteLength - 4); index++) forged[index]! ^= 0xff;
  const last = new DataView(forged.buffer, forged.byteLength - 4, 4);
  const prefix = crc32(forged.subarray(0, -4));
  const ending = (value: number) => {
    last.setUint32(0, value);
    return crc32(new Uint8Array(last.buffer, last.byteOffset, 4), prefix);
  };
  // The CRC is linear in the last four bytes: which of their bits give the missing ones is a system of 32 equations.
  const base = ending(0);
  const rows = Array.from(
    { length: 32 },
    (_, bit) => ({ value: (1 << bit) >>> 0, gives: (ending((1 << bit) >>> 0) ^ base) >>> 0 }),
  );
  let missing = (crc32(bytes) ^ base) >>> 0;
  let value = 0;
  for (let bit = 31; bit >= 0; bit--) {
    const mask = (1 << bit) >>> 0;
    const at = rows.findIndex((row) => (row.gives & mask) !== 0);
    if (at < 0) continue;
    const [pivot] = rows.splice(at, 1);
    for (const row of rows) {
      if ((row.gives & mask) === 0) continue;
      row.gives = (row.gives ^ pivot!.gives) >>> 0;
      row.value = (row.value ^ pivot!.value) >>> 0;
    }
    if ((missing & mask) === 0) continue;
    missing = (missing ^ pivot!.gives) >>> 0;
    value = (value ^ pivot!.value) >>> 0;
  }
  ending(value);
  return forged;
}
