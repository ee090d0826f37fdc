import type { BlobReader, ByteRange } from "../bytes/blob_reader.ts";
import type { ArchiveFiles } from "../archive/archive_files.ts";
import type { ArchivedImage } from "../archive/archived_image.ts";
import { layoutReferrers } from "../archive/layout_referrers.ts";
import type { ImageSource } from "../image/places.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { blobPath, type Digest } from "../oci/digest.ts";
import { blobsOf, type Manifest } from "../oci/manifest.ts";

/** What is known of an archive or layout beside its files. */
export interface ArchivedSourceOptions {
  /**
   * Whether something could have gone from it since it was made. A tar is as its writer made it: what it lacks was left out
   * on purpose. A folder may have lost a file, so a manifest that is there stands for all that it names, and what is missing
   * is an error.
   */
  readonly isFolder?: boolean;
}

/** An image out of an archive or layout, as a source. Closing it closes the archive and removes what was spooled. */
export class ArchivedSource implements ImageSource {
  readonly name: string;
  /** A local file gains nothing from several readers. */
  readonly parallelRanges = 1;
  readonly #files: ArchiveFiles;
  readonly #image: ArchivedImage;
  readonly #isFolder: boolean;
  #referrers: Promise<ReadonlyMap<Digest, readonly Descriptor[]>> | undefined;

  /** `name`: the reference as the user wrote it. Takes both over. */
  constructor(name: string, files: ArchiveFiles, image: ArchivedImage, options: ArchivedSourceOptions = {}) {
    this.name = name;
    this.#files = files;
    this.#image = image;
    this.#isFolder = options.isFolder ?? false;
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

  async holds({ digest }: Descriptor): Promise<boolean> {
    const { isOriginal, root } = this.#image;
    // It was built of what is there, under whatever names.
    if (!isOriginal && blobsOf(root.content).blobs.some((blob) => blob.digest === digest)) return true;
    return this.#isFolder || await this.#files.sizeOf(blobPath(digest)) !== undefined;
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
  options: ArchivedSourceOptions = {},
): Promise<ArchivedSource> {
  try {
    return new ArchivedSource(name, files, await open(files), options);
  } catch (error) {
    await files[Symbol.asyncDispose]();
    throw error;
  }
}
