import type { ArchivePlace } from "../oci/locations/archive.ts";
import { openLayoutImage } from "../archive/archived_image.ts";
import { openFolder } from "../archive/folder_files.ts";
import { type LayoutName, layoutNames } from "../archive/image_names.ts";
import { LayoutFolder } from "../archive/layout_folder.ts";
import { bytesReader } from "../bytes/blob_reader.ts";
import type { BlobContent, HeldPrefix, ImageTarget, LinkResult, TargetLimits } from "../image/places.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import { childrenOf, type Manifest } from "../oci/manifest.ts";
import { type ArchivedSource, openArchivedSource } from "./archived_source.ts";

/**
 * Opens an image of an OCI layout folder; index and manifests come byte for byte. `text`: the reference as the user wrote
 * it. Throws what `openFolder` and `openLayoutImage` throw.
 */
export async function openOciLayoutSource({ path, name }: ArchivePlace, text: string): Promise<ArchivedSource> {
  const files = await openFolder(path);
  return await openArchivedSource(text, files, (opened) => openLayoutImage(opened, name), { isFolder: true });
}

/**
 * Opens an OCI layout folder for writing; it is made with the first write, and what else is in it stays.
 *
 * `names`: image names (`app:v1`) beside the one in the reference. Throws `invalid-reference` for a bad name.
 */
export function openOciLayoutTarget(
  { path, name }: ArchivePlace,
  text: string,
  options: { readonly names?: readonly string[] } = {},
): ImageTarget {
  const names = layoutNames(name, options.names);
  return new OciLayoutTarget(text, new LayoutFolder(path), names);
}

/** Blobs from this size on are written so that a later run can go on with them. */
const MIN_PARTIAL_BYTES = 8 * 1024 * 1024;

class OciLayoutTarget implements ImageTarget {
  readonly name: string;
  readonly limits: TargetLimits = { concurrentBlobs: 4, acceptsIndex: true };
  readonly #folder: LayoutFolder;
  readonly #names: readonly LayoutName[];
  readonly #written: Manifest[] = [];
  #prepared: Promise<void> | undefined;

  constructor(name: string, folder: LayoutFolder, names: readonly LayoutName[]) {
    this.name = name;
    this.#folder = folder;
    this.#names = names;
  }

  async findBlobs(blobs: readonly Descriptor[]): Promise<ReadonlySet<Digest>> {
    const found = new Set<Digest>();
    for (const blob of blobs) if (await this.#folder.has(blob)) found.add(blob.digest);
    return found;
  }

  linkBlob(): Promise<LinkResult> {
    return Promise.resolve(false);
  }

  async writeBlob(content: BlobContent): Promise<void> {
    await this.#prepare();
    const { blob } = content;
    if (blob.size >= MIN_PARTIAL_BYTES) {
      const parts = {
        sizeBytes: blob.size,
        open: () => content.open(),
        openRest: (held: HeldPrefix) => content.open(held.sizeBytes, held),
      };
      if (await this.#folder.continueBlob(blob, parts)) return;
    }
    await using reader = await content.open();
    await this.#folder.writeBlob(content.blob, reader);
  }

  async writeManifest(manifest: Manifest): Promise<void> {
    await this.#prepare();
    await this.#folder.writeBlob(manifest.descriptor, bytesReader(manifest.bytes));
    this.#written.push(manifest);
  }

  async publish(root: Manifest): Promise<void> {
    await this.writeManifest(root);
    await this.#folder.publish(root, this.#names, this.#referrers(root));
  }

  [Symbol.asyncDispose](): Promise<void> {
    // Each write cleans up after itself.
    return Promise.resolve();
  }

  /** What was written and no index names: signatures, which are found through `index.json`. */
  #referrers(root: Manifest): Descriptor[] {
    const named = new Set(
      this.#written.flatMap(({ content }) =>
        content.kind === "index" ? childrenOf(content).map(({ digest }) => digest) : []
      ),
    );
    return this.#written
      .filter(({ content, descriptor }) =>
        content.subject && !named.has(descriptor.digest) && descriptor.digest !== root.descriptor.digest
      )
      .map(({ descriptor }) => descriptor);
  }

  #prepare(): Promise<void> {
    return this.#prepared ??= this.#folder.prepare();
  }
}
