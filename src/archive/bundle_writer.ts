import type { BlobReader } from "../bytes/blob_reader.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { blobPath, type Digest } from "../oci/digest.ts";
import type { Manifest } from "../oci/manifest.ts";
import type { ArchiveOutput } from "./archive_output.ts";
import { bundleAnnotations, type BundleName } from "./bundle_names.ts";
import { type HeldBlob, NEEDS_FILE, needsBytes } from "./bundle_needs.ts";
import {
  dockerList,
  type DockerListImage,
  LAYOUT_BYTES,
  layoutEntries,
  type LayoutEntry,
  layoutIndex,
  looseEntries,
  onlyImage,
} from "./layout_writer.ts";
import { bytesMember, type TarMember, tarReader } from "./tar_writer.ts";

/** What the end of a bundle says of an image that was written whole: its manifests need not be held until then. */
export interface WrittenImage {
  readonly name: BundleName;
  /** The entry of its root. */
  readonly entries: readonly LayoutEntry[];
  /** Those of what nothing below the root names. */
  readonly loose: readonly LayoutEntry[];
  /** The one image for containers that the root comes down to. */
  readonly only: DockerListImage | undefined;
}

/** Keeps of an image what the end of a bundle says of it. `manifests`: the root first, then all others. */
export function writtenImage(name: BundleName, manifests: readonly Manifest[]): WrittenImage {
  const only = onlyImage(manifests);
  const bare = ({ digest }: Descriptor) => ({ digest });
  return {
    name,
    entries: layoutEntries(manifests[0]!.descriptor, [name], bundleAnnotations(name)),
    loose: looseEntries(manifests),
    only: only && { config: bare(only.config), layers: only.layers.map(bare) },
  };
}

/**
 * Writes an image layout of many images into one tar: each blob once, in the order in which it is given, `index.json` and
 * `oci-layout` last, so that one that was cut off shows no image.
 */
export class BundleWriter implements AsyncDisposable {
  readonly #output: ArchiveOutput;
  #written = new Set<Digest>();
  #sizeBytes = 0;

  /** Takes the output over. */
  constructor(output: ArchiveOutput) {
    this.#output = output;
  }

  /** Length of the tar so far. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Whether a blob or manifest was written. */
  has(digest: Digest): boolean {
    return this.#written.has(digest);
  }

  /**
   * Writes a blob; `open` gives its bytes, checked, when it is its turn. One at a time.
   *
   * `onError` is told why it failed before the bytes' reader is closed, which whoever gives them could take for the reason.
   */
  async writeBlob(
    blob: Descriptor,
    open: () => Promise<BlobReader>,
    onError?: (error: unknown) => void,
  ): Promise<void> {
    if (this.has(blob.digest)) return;
    await this.#append([{ name: blobPath(blob.digest), sizeBytes: blob.size, open }], { onError });
    this.#written.add(blob.digest);
  }

  /** Writes manifests, in their order. */
  async writeManifests(manifests: readonly Manifest[]): Promise<void> {
    for (const { descriptor, bytes } of manifests) {
      await this.writeBlob({ ...descriptor, size: bytes.byteLength }, () => bytesMember("", bytes).open());
    }
  }

  /** What takes back everything written since; undefined where the output cannot do that. */
  mark(): (() => Promise<void>) | undefined {
    const rollback = this.#output.mark?.();
    const [written, sizeBytes] = [new Set(this.#written), this.#sizeBytes];
    return rollback && (async () => {
      await rollback();
      this.#written = written;
      this.#sizeBytes = sizeBytes;
    });
  }

  /**
   * Ends the bundle and makes it visible. Docker's `manifest.json` is added where every image comes down to one for
   * containers and nothing was left out, so that `docker load` and `podman load` take the same file.
   */
  async finish(images: readonly WrittenImage[], needs: readonly HeldBlob[]): Promise<void> {
    const named = images.flatMap(({ entries }) => entries);
    const loose = images.flatMap((image) => image.loose);
    const entries = [...named, ...new Map(loose.map((entry) => [entry.digest, entry])).values()];
    const members = [bytesMember("index.json", layoutIndex(entries)), bytesMember("oci-layout", LAYOUT_BYTES)];
    if (needs.length > 0) members.push(bytesMember(NEEDS_FILE, needsBytes(needs)));
    const whole = images.flatMap(({ name, only }) => only ? [{ image: only, names: [name.full] }] : []);
    if (needs.length === 0 && whole.length === images.length) {
      members.push(bytesMember("manifest.json", dockerList(whole)));
    }
    await this.#append(members, { isLast: true });
    await this.#output.commit();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#output[Symbol.asyncDispose]();
  }

  async #append(
    members: readonly TarMember[],
    options: { readonly isLast?: boolean; readonly onError?: ((error: unknown) => void) | undefined } = {},
  ): Promise<void> {
    await using tar = tarReader(members, { isOpen: !options.isLast });
    try {
      await this.#output.writeAll({
        read: async (into) => {
          const piece = await tar.read(into);
          this.#sizeBytes += piece.byteLength;
          return piece;
        },
        [Symbol.asyncDispose]: () => Promise.resolve(),
      });
    } catch (error) {
      options.onError?.(error);
      throw error;
    }
  }
}
