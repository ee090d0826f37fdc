import { ImageError } from "../errors.ts";
import type { BlobReader } from "../bytes/blob_reader.ts";
import { algorithmOf, type Digest, Hasher } from "../oci/digest.ts";

/**
 * Checks bytes while they are read: throws `digest-mismatch` instead of handing out the last of them when length or digest
 * are not what they should be.
 *
 * `what` names the bytes in errors. Closing the reader closes `source`.
 */
export function verifiedReader(
  source: BlobReader,
  expected: { readonly digest: Digest; readonly size: number },
  what: string,
): BlobReader {
  const hasher = new Hasher(algorithmOf(expected.digest));
  let count = 0;
  let isChecked = false;
  const mismatch = (why: string) => new ImageError("digest-mismatch", `Cannot use ${what}: ${why}`);
  const check = async () => {
    const extra = await source.read(new Uint8Array(1));
    if (extra.byteLength > 0) throw mismatch(`it has more than ${expected.size} bytes`);
    const digest = hasher.digest();
    if (digest !== expected.digest) throw mismatch(`its bytes have digest "${digest}", not "${expected.digest}"`);
    isChecked = true;
  };
  return {
    async read(into) {
      const wanted = into.subarray(0, Math.min(into.byteLength, expected.size - count));
      if (wanted.byteLength === 0) {
        if (!isChecked && count === expected.size) await check();
        return wanted;
      }
      const piece = await source.read(wanted);
      if (piece.byteLength === 0) throw mismatch(`it has ${count} bytes, not ${expected.size}`);
      hasher.update(piece);
      count += piece.byteLength;
      if (count === expected.size) await check();
      return piece;
    },
    [Symbol.asyncDispose]: () => source[Symbol.asyncDispose](),
  };
}
