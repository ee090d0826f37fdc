/** Readers that tests steer and watch. */
import type { BlobReader } from "../../src/bytes/blob_reader.ts";

type View = Uint8Array<ArrayBuffer>;

/** Bytes that tell their own position (modulo 251), from `start` on. */
export function numbered(length: number, start = 0): View {
  return Uint8Array.from({ length }, (_, index) => (start + index) % 251);
}

/** A reader that does one step per read, and is at its end after the last. */
export function stepReader(steps: readonly ((into: View) => View | Promise<View>)[]): BlobReader {
  const left = [...steps];
  return {
    async read(into) {
      const step = left.shift();
      return step ? await step(into) : into.subarray(0, 0);
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** A reader that counts its reads and closings. */
export interface CountedReader extends BlobReader {
  readonly reads: number;
  readonly closed: number;
}

/** Counts what is done with a reader. */
export function countedReader(reader: BlobReader): CountedReader {
  const counts = { reads: 0, closed: 0 };
  return {
    get reads() {
      return counts.reads;
    },
    get closed() {
      return counts.closed;
    },
    async read(into) {
      counts.reads++;
      return await reader.read(into);
    },
    async [Symbol.asyncDispose]() {
      counts.closed++;
      await reader[Symbol.asyncDispose]();
    },
  };
}

/** A reader of these bytes that detaches every buffer it is given, as a byte stream does. */
export function detachingReader(bytes: Uint8Array, pieceBytes = Infinity): BlobReader {
  let position = 0;
  return {
    read(into) {
      const { byteOffset, byteLength } = into;
      const buffer = into.buffer.transfer();
      const count = Math.min(byteLength, pieceBytes, bytes.byteLength - position);
      const view = new Uint8Array(buffer, byteOffset, count);
      view.set(bytes.subarray(position, position + count));
      position += count;
      return Promise.resolve(view);
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** Lets everything that is ready run. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
}
