import type { BlobReader } from "./blob_reader.ts";

/** What is wrong about a stream's length, for errors: how many bytes were expected, and how many came. */
export function lengthMismatch(sizeBytes: number, got: number | "more"): string {
  return `expected ${sizeBytes} bytes, got ${got}`;
}

/**
 * A reader of exactly `sizeBytes` bytes. Where there are fewer or more it throws what `wrong` makes, and the last byte is
 * not handed out: one is always held back until it is known that another follows, or that the source has ended (and so has
 * checked itself). Closing it closes the source.
 */
export function exactReader(source: BlobReader, sizeBytes: number, wrong: (got: number | "more") => Error): BlobReader {
  let left = sizeBytes;
  let held: number | undefined;
  const readByte = async () => (await source.read(new Uint8Array(1)))[0];
  return {
    async read(into) {
      if (into.byteLength === 0 || left === 0) return into.subarray(0, 0);
      held ??= await readByte();
      if (held === undefined) throw wrong(0);
      if (left === 1) {
        if (await readByte() !== undefined) throw wrong("more");
        left = 0;
        into[0] = held;
        return into.subarray(0, 1);
      }
      const piece = await source.read(into.subarray(0, Math.min(into.byteLength, left - 1)));
      const last = piece.at(-1);
      if (last === undefined) throw wrong(sizeBytes - left + 1);
      piece.copyWithin(1, 0, piece.byteLength - 1);
      piece[0] = held;
      held = last;
      left -= piece.byteLength;
      return piece;
    },
    [Symbol.asyncDispose]: () => source[Symbol.asyncDispose](),
  };
}
