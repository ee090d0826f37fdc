import { ImageError } from "../errors.ts";
import { readLayoutManifest } from "../archive/layout_reader.ts";
import type { BlobReader, ByteRange } from "../bytes/blob_reader.ts";
import type { EngineClient } from "../engine/engine_client.ts";
import { entriesOf, indexManifest } from "../image/join_index.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { blobPath, type Digest } from "../oci/digest.ts";
import type { Manifest } from "../oci/manifest.ts";
import type { DaemonChoice } from "./docker_daemon_choice.ts";
import type { DaemonContent, DescribedImage } from "./docker_daemon_content.ts";
import { type OpenedExport, openExport } from "./docker_daemon_export.ts";

/** An image in the containerd store: its manifests and blobs byte for byte as the daemon keeps them. */
export class KeptImage implements DaemonContent {
  readonly #client: EngineClient;
  readonly #described: DescribedImage;
  readonly #choice: DaemonChoice;
  #root: Promise<Manifest> | undefined;
  #needed: Promise<OpenedExport> | undefined;
  #everything: Promise<OpenedExport> | undefined;

  /** `choice` says which part of the image to read. */
  constructor(client: EngineClient, described: DescribedImage, choice: DaemonChoice) {
    this.#client = client;
    this.#described = described;
    this.#choice = choice;
  }

  /** A smaller index is made of one that is not there whole. */
  get isOriginal(): boolean {
    return this.#choice.kept === undefined;
  }

  root(): Promise<Manifest> {
    return this.#root ??= this.#readRoot();
  }

  async manifest(child: Descriptor): Promise<Manifest> {
    const known = await this.#described.options.known?.findManifest?.(child.digest);
    if (known) return known;
    return await readLayoutManifest((await this.#export()).files, child);
  }

  async openBlob(blob: Descriptor, range?: ByteRange): Promise<BlobReader> {
    let opened = await this.#export();
    // The target said that it has this blob, and now wants it after all.
    if (opened.leftOut.has(blob.digest)) opened = await (this.#everything ??= this.#open());
    return await opened.files.open(blobPath(blob.digest), range);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const opening of [this.#needed, this.#everything]) {
      const opened = await opening?.catch(() => undefined);
      await opened?.[Symbol.asyncDispose]();
    }
  }

  async #readRoot(): Promise<Manifest> {
    // The daemon's own annotations (its name for the image) are not the image's.
    const { mediaType, digest, size } = this.#choice.root;
    const root = await this.manifest({ mediaType, digest, size });
    const { kept } = this.#choice;
    if (!kept) return root;
    const entries = entriesOf(root).filter((entry) => kept.has(entry.descriptor.digest));
    if (entries.length === 0) {
      // The daemon lists what lies below nested indexes, of which it gives nothing but single platforms.
      throw new ImageError(
        "unsupported",
        `Cannot read image "${this.#described.name}": not all of it is in the daemon`,
        {
          hint: "Choose what is there with --platform",
        },
      );
    }
    return indexManifest(entries, root, `the part of index "${digest}" that is in the daemon`);
  }

  #export(): Promise<OpenedExport> {
    return this.#needed ??= this.#open(this.#described.options.known?.hasBlob);
  }

  #open(isUnneeded?: (digest: Digest) => Promise<boolean>): Promise<OpenedExport> {
    const { image, name, options } = this.#described;
    const { temporaryFolder, signal, onPhase } = options;
    const { platform } = this.#choice;
    return openExport(this.#client, { id: image.id, name, platform, isUnneeded, temporaryFolder, signal, onPhase });
  }
}
