/** Sources that go wrong in the ways that a source can. */
import { ImageError } from "../../src/errors.ts";
import type { BlobReader, ByteRange } from "../../src/bytes/blob_reader.ts";
import type { Descriptor } from "../../src/oci/descriptor.ts";
import type { Digest } from "../../src/oci/digest.ts";
import type { TestImage } from "../support/images.ts";
import { MemorySource } from "../support/memory_place.ts";

/** What can be wrong with the bytes of a blob; a tar that holds it can only keep its length. */
export const WRONG_BYTES = {
  "a flipped bit": (bytes: Uint8Array<ArrayBuffer>) => {
    const changed = bytes.slice();
    changed[changed.byteLength - 1]! ^= 1;
    return changed;
  },
  "a byte less": (bytes: Uint8Array<ArrayBuffer>) => bytes.slice(0, -1),
  "a byte more": (bytes: Uint8Array<ArrayBuffer>) => new Uint8Array([...bytes, 0]),
} as const;

/** A source of an image one of whose blobs is wrong. */
export function wrongSource(
  image: TestImage,
  digest: Digest,
  change: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>,
): MemorySource {
  const alter = (each: Digest, bytes: Uint8Array<ArrayBuffer>) => each === digest ? change(bytes) : bytes;
  return new MemorySource(image, { misbehaviour: { alter } });
}

/** A source one of whose blobs gives `sizeBytes` of its bytes, and then fails as `stop` does. */
export class StoppingSource extends MemorySource {
  readonly #digest: Digest;
  readonly #sizeBytes: number;
  readonly #stop: () => Promise<never>;

  constructor(image: TestImage, digest: Digest, sizeBytes: number, stop: () => Promise<never>) {
    super(image);
    this.#digest = digest;
    this.#sizeBytes = sizeBytes;
    this.#stop = stop;
  }

  override async openBlob(blob: Descriptor, range?: ByteRange): Promise<BlobReader> {
    const inner = await super.openBlob(blob, range);
    if (blob.digest !== this.#digest) return inner;
    let left = this.#sizeBytes;
    return {
      read: async (into) => {
        if (left === 0) return await this.#stop();
        const piece = await inner.read(into.subarray(0, Math.min(left, into.byteLength)));
        left -= piece.byteLength;
        return piece;
      },
      [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
    };
  }
}

/** What a source throws whose server takes its permission away in the middle. */
export function refuse(): Promise<never> {
  return Promise.reject(new ImageError("denied", "This source gives nothing any more"));
}
