import { ImageError } from "../errors.ts";
import type { Bundle, BundleEntry } from "../archive/bundle_reader.ts";
import type { BlobReader, ByteRange } from "../bytes/blob_reader.ts";
import type { ImageSource } from "../image/places.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import type { Manifest } from "../oci/manifest.ts";

/** Other places that hold blobs, by digest. */
export type BlobHolders = ReadonlyMap<Digest, ImageSource>;

/** One image of a bundle, as a source. Closing it leaves the bundle open. */
export class BundleSource implements ImageSource {
  readonly name: string;
  /** A local file gains nothing from several readers. */
  readonly parallelRanges = 1;
  readonly #bundle: Bundle;
  readonly #entry: BundleEntry;
  readonly #holders: BlobHolders;

  /** `holders`: where blobs can be read that the bundle leaves out. */
  constructor(bundle: Bundle, entry: BundleEntry, holders: BlobHolders = new Map()) {
    this.name = `${bundle.name}:${entry.name}`;
    this.#bundle = bundle;
    this.#entry = entry;
    this.#holders = holders;
  }

  root(): Promise<Manifest> {
    // The annotations of the entry are the bundle's, not the image's.
    const { mediaType, digest, size } = this.#entry.descriptor;
    return this.#bundle.manifest({ mediaType, digest, size });
  }

  manifest(child: Descriptor): Promise<Manifest> {
    return this.#bundle.manifest(child);
  }

  async openBlob(blob: Descriptor, range?: ByteRange): Promise<BlobReader> {
    if (await this.#bundle.has(blob)) return await this.#bundle.openBlob(blob, range);
    const holder = this.#holders.get(blob.digest);
    if (holder) return await holder.openBlob(blob, range);
    throw new ImageError("not-found", `Cannot read blob "${blob.digest}": "${this.#bundle.name}" does not hold it`);
  }

  referrers(subject: Digest): Promise<readonly Descriptor[]> {
    return Promise.resolve(this.#bundle.referrers(subject));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}
