import { ImageError } from "../errors.ts";
import { type BlobReader, type ByteRange, bytesReader } from "../bytes/blob_reader.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { blobPath, type Digest } from "../oci/digest.ts";
import type { Manifest } from "../oci/manifest.ts";
import { type ArchiveFiles, rangeWithin } from "./archive_files.ts";
import type { StoredLayer } from "./layer_intake.ts";
import { chooseEntry, indexAsRoot, readLayoutIndex, readLayoutManifest } from "./layout_reader.ts";

/** One image out of an archive or layout, opened for reading. Closing it removes what was spooled, not the archive. */
export interface ArchivedImage extends AsyncDisposable {
  readonly root: Manifest;
  /** Whether `root` is as the archive has it, and not built here from Docker's list of layers. */
  readonly isOriginal: boolean;
  /** A manifest that the index names. Throws `not-found`. */
  manifest(child: Descriptor): Promise<Manifest>;
  /** Opens a blob's bytes or a range of them. Throws `not-found`. */
  openBlob(blob: Descriptor, range?: ByteRange): Promise<BlobReader>;
}

/**
 * Opens the image of an OCI layout (folder or archive), every byte of it as it is.
 *
 * `wanted`: see {@linkcode chooseEntry}. Throws `not-found`, `usage`, `invalid-input`, `digest-mismatch`.
 */
export async function openLayoutImage(files: ArchiveFiles, wanted: string | undefined): Promise<ArchivedImage> {
  const index = await readLayoutIndex(files);
  if (!index) {
    const isDocker = await files.sizeOf("manifest.json") !== undefined;
    throw new ImageError(
      "invalid-input",
      `Cannot read "${files.name}": it is no OCI image layout, "index.json" is missing`,
      isDocker ? { hint: "Use docker-archive: for what docker save has written" } : {},
    );
  }
  const entry = chooseEntry(index.entries, wanted, files.name);
  return new LayoutImage(files, entry ? await readLayoutManifest(files, entry) : indexAsRoot(index, files.name));
}

/** An image whose parts lie in a layout under their digests. */
export class LayoutImage implements ArchivedImage {
  readonly root: Manifest;
  readonly isOriginal = true;
  readonly #files: ArchiveFiles;

  /** Reads from `files`, which it does not close. */
  constructor(files: ArchiveFiles, root: Manifest) {
    this.#files = files;
    this.root = root;
  }

  manifest(child: Descriptor): Promise<Manifest> {
    return readLayoutManifest(this.#files, child);
  }

  openBlob(blob: Descriptor, range?: ByteRange): Promise<BlobReader> {
    return this.#files.open(blobPath(blob.digest), range);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

/** An image whose manifest was built here, around a config and layers. */
export class BuiltImage implements ArchivedImage {
  readonly root: Manifest;
  readonly isOriginal = false;
  readonly #name: string;
  readonly #blobs: ReadonlyMap<Digest, StoredLayer>;
  readonly #config: { readonly digest: Digest; readonly bytes: Uint8Array<ArrayBuffer> };

  /** `name` of the archive, for errors. Takes the layers over. */
  constructor(
    name: string,
    root: Manifest,
    parts: {
      readonly config: Uint8Array<ArrayBuffer>;
      readonly digest: Digest;
      readonly layers: ReadonlyMap<Digest, StoredLayer>;
    },
  ) {
    this.#name = name;
    this.root = root;
    this.#config = { digest: parts.digest, bytes: parts.config };
    this.#blobs = new Map([...parts.layers.values()].map((layer) => [layer.descriptor.digest, layer]));
  }

  manifest(child: Descriptor): Promise<Manifest> {
    if (child.digest === this.root.descriptor.digest) return Promise.resolve(this.root);
    return Promise.reject(this.#missing(child));
  }

  // deno-lint-ignore require-await
  async openBlob(blob: Descriptor, range?: ByteRange): Promise<BlobReader> {
    if (blob.digest === this.#config.digest) {
      const { start, length } = rangeWithin(range, this.#config.bytes.byteLength);
      return bytesReader(this.#config.bytes.subarray(start, start + length));
    }
    const layer = this.#blobs.get(blob.digest);
    if (!layer) throw this.#missing(blob);
    return layer.open(range);
  }

  #missing({ digest }: Descriptor): ImageError {
    return new ImageError("not-found", `Cannot read "${digest}" of "${this.#name}": it is not there`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const layer of this.#blobs.values()) await layer[Symbol.asyncDispose]();
  }
}
