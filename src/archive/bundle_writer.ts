import type { BlobReader } from "../bytes/blob_reader.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { blobPath, type Digest } from "../oci/digest.ts";
import type { Manifest } from "../oci/manifest.ts";
import type { ArchiveOutput } from "./archive_output.ts";
import { bundleAnnotations, type BundleName } from "./bundle_names.ts";
import { type HeldBlob, NEEDS_FILE, needsBytes } from "./bundle_needs.ts";
import { dockerList, LAYOUT_BYTES, layoutEntries, layoutIndex, looseEntries, onlyImage } from "./layout_writer.ts";
import { bytesMember, type TarMember, tarReader } from "./tar_writer.ts";

/** An image that was written whole. */
export interface WrittenImage {
  readonly name: BundleName;
  /** The root first, then what is below it and what refers to it. */
  readonly manifests: readonly Manifest[];
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
    const named = images.flatMap(({ name, manifests }) =>
      layoutEntries(manifests[0]!.descriptor, [name], bundleAnnotations(name))
    );
    const loose = images.flatMap(({ manifests }) => looseEntries(manifests));
    const entries = [...named, ...new Map(loose.map((entry) => [entry.digest, entry])).values()];
    const members = [bytesMember("index.json", layoutIndex(entries)), bytesMember("oci-layout", LAYOUT_BYTES)];
    if (needs.length > 0) members.push(bytesMember(NEEDS_FILE, needsBytes(needs)));
    const docker = images.map(({ name, manifests }) => ({ image: onlyImage(manifests), names: [name.full] }));
    const whole = docker.flatMap(({ image, names }) => image ? [{ image, names }] : []);
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
