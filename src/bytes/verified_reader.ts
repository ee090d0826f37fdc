import { ImageError } from "../errors.ts";
import { algorithmOf, type Digest, Hasher } from "../oci/digest.ts";
import type { BlobReader } from "./blob_reader.ts";

/** A reader's state: how far it is, and the digest of everything up to there. */
export interface Progress {
  readonly position: number;
  readonly hasher: Hasher;
}

/** Where a check begins and who is told. */
export interface VerifiedReaderOptions {
  /** Where `inner` starts, with the hash of what comes before. Default: at the start. */
  readonly from?: Progress;
  /** Told of every piece, after it was hashed. */
  readonly onProgress?: (progress: Progress, count: number) => void;
}

/**
 * Counts and hashes a blob while it is read, and throws `digest-mismatch` instead of handing out the last bytes when size
 * or digest are wrong: nobody downstream ever holds a whole blob that is not the one named.
 *
 * `what` names the bytes in errors. Closing the reader closes `inner`.
 */
export function verifiedReader(
  inner: BlobReader,
  blob: { readonly digest: Digest; readonly size: number },
  what: string,
  options: VerifiedReaderOptions = {},
): BlobReader {
  let position = options.from?.position ?? 0;
  const hasher = options.from?.hasher.copy() ?? new Hasher(algorithmOf(blob.digest));
  const mismatch = (why: string) => new ImageError("digest-mismatch", `Cannot use ${what}: ${why}`);
  const check = async () => {
    if (hasher.digest() !== blob.digest) throw mismatch(`its bytes have digest "${hasher.digest()}"`);
    if ((await inner.read(new Uint8Array(1))).byteLength > 0) {
      throw mismatch(`it has more than the ${blob.size} bytes of its descriptor`);
    }
  };
  let isChecked = blob.size > 0;
  return {
    async read(into) {
      if (position === blob.size || into.byteLength === 0) {
        // A blob of no bytes has no last ones to hold back.
        if (!isChecked && into.byteLength > 0) await check();
        isChecked = true;
        return into.subarray(0, 0);
      }
      const piece = await inner.read(into);
      if (piece.byteLength === 0) throw mismatch(`it ended after ${position} of ${blob.size} bytes`);
      position += piece.byteLength;
      if (position > blob.size) throw mismatch(`it has more than the ${blob.size} bytes of its descriptor`);
      hasher.update(piece);
      if (position === blob.size) await check();
      options.onProgress?.({ position, hasher }, piece.byteLength);
      return piece;
    },
    [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
  };
}

/** Reads a stream to its end and gives digest and length. Does not close it. */
export async function digestOfReader(
  reader: BlobReader,
  algorithm: "sha256" | "sha512",
  signal?: AbortSignal,
): Promise<{ readonly digest: Digest; readonly sizeBytes: number }> {
  const hasher = new Hasher(algorithm);
  let sizeBytes = 0;
  let buffer = new Uint8Array(1024 * 1024);
  while (true) {
    signal?.throwIfAborted();
    const piece = await reader.read(buffer);
    if (piece.byteLength === 0) return { digest: hasher.digest(), sizeBytes };
    hasher.update(piece);
    sizeBytes += piece.byteLength;
    buffer = new Uint8Array(piece.buffer);
  }
}
