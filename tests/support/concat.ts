import { Buffer } from "node:buffer";

/** All bytes in a row, as a plain array of their own (a `Buffer` is not deeply equal to one). */
export function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.concat(parts));
}
