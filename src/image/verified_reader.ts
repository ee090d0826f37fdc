import { ImageError } from "../errors.ts";
import type { BlobReader } from "../bytes/blob_reader.ts";
import type { Hasher } from "../oci/digest.ts";
import type { Descriptor } from "../oci/descriptor.ts";

/** A reader's state: how far it is, and the digest of everything up to there. */
export interface Progress {
  readonly position: number;
  readonly hasher: Hasher;
}

/**
 * Counts and hashes a blob while it is read, and throws `digest-mismatch` instead of handing out the last bytes when size
 * or digest are wrong: nobody downstream ever holds a whole blob that is not the one named.
 *
 * `from`: where `inner` starts, with the hash of what comes before. `onBytes` is told of every piece.
 */
export function verifiedReader(
  inner: BlobReader,
  blob: Descriptor,
  what: string,
  from: Progress,
  onProgress: (progress: Progress, count: number) => void,
): BlobReader {
  let { position } = from;
  const hasher = from.hasher.copy();
  const mismatch = (why: string) => new ImageError("digest-mismatch", `Cannot use ${what}: ${why}`);
  return {
    async read(into) {
      if (position === blob.size || into.byteLength === 0) return into.subarray(0, 0);
      const piece = await inner.read(into);
      if (piece.byteLength === 0) throw mismatch(`it ended after ${position} of ${blob.size} bytes`);
      position += piece.byteLength;
      if (position > blob.size) throw mismatch(`it has more than the ${blob.size} bytes of its descriptor`);
      hasher.update(piece);
      if (position === blob.size) {
        if (hasher.digest() !== blob.digest) throw mismatch(`its bytes have digest "${hasher.digest()}"`);
        if ((await inner.read(new Uint8Array(1))).byteLength > 0) {
          throw mismatch(`it has more than the ${blob.size} bytes of its descriptor`);
        }
      }
      onProgress({ position, hasher }, piece.byteLength);
      return piece;
    },
    [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
  };
}
