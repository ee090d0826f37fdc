import type { BlobReader, ByteRange } from "../bytes/blob_reader.ts";
import type { ArchiveFiles } from "../archive/archive_files.ts";
import type { ArchivedImage } from "../archive/archived_image.ts";
import { layoutReferrers } from "../archive/layout_referrers.ts";
import type { ImageSource } from "../image/places.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import type { Manifest } from "../oci/manifest.ts";

/** An image out of an archive or layout, as a source. Closing it closes the archive and removes what was spooled. */
export class ArchivedSource implements ImageSource {
  readonly name: string;
  /** A local file gains nothing from several readers. */
  readonly parallelRanges = 1;
  readonly #files: ArchiveFiles;
  readonly #image: ArchivedImage;
  #referrers: Promise<ReadonlyMap<Digest, readonly Descriptor[]>> | undefined;

  /** `name`: the reference as the user wrote it. Takes both over. */
  constructor(name: string, files: ArchiveFiles, image: ArchivedImage) {
    this.name = name;
    this.#files = files;
    this.#image = image;
  }

  /** Whether the manifest is the archive's own, and not one that was built from Docker's list of layers. */
  get isOriginal(): boolean {
    return this.#image.isOriginal;
  }

  root(): Promise<Manifest> {
    return Promise.resolve(this.#image.root);
  }

  manifest(child: Descriptor): Promise<Manifest> {
    return this.#image.manifest(child);
  }

  openBlob(blob: Descriptor, range?: ByteRange): Promise<BlobReader> {
    return this.#image.openBlob(blob, range);
  }

  async referrers(subject: Digest): Promise<readonly Descriptor[]> {
    return (await (this.#referrers ??= layoutReferrers(this.#files))).get(subject) ?? [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#image[Symbol.asyncDispose]();
    await this.#files[Symbol.asyncDispose]();
  }
}

/** Opens an image and makes a source of it; the archive is closed when that fails. */
export async function openArchivedSource(
  name: string,
  files: ArchiveFiles,
  open: (files: ArchiveFiles) => Promise<ArchivedImage>,
): Promise<ArchivedSource> {
  try {
    return new ArchivedSource(name, files, await open(files));
  } catch (error) {
    await files[Symbol.asyncDispose]();
    throw error;
  }
}
