import { ImageError } from "../errors.ts";
import type { BlobReader, ByteRange } from "../bytes/blob_reader.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { blobPath, type Digest, isDigest } from "../oci/digest.ts";
import type { Manifest } from "../oci/manifest.ts";
import type { ArchiveFiles } from "./archive_files.ts";
import { entryName, type LandingPath, landingPath } from "./bundle_names.ts";
import { type HeldBlobs, readNeeds } from "./bundle_needs.ts";
import { isSameName } from "./image_names.ts";
import { namesOf, readLayoutIndex, readLayoutManifest } from "./layout_reader.ts";
import { referrersBySubject } from "./layout_referrers.ts";

/** An image of a bundle. */
export interface BundleEntry {
  readonly descriptor: Descriptor;
  /** Its name, or its digest where it has none. */
  readonly name: string;
  /** Where it lands; undefined where its name does not say. */
  readonly landing: LandingPath | undefined;
}

/** A bundle that was opened: the images of an image layout, and what it relies on. Closing it closes the files. */
export class Bundle implements AsyncDisposable {
  /** What people call it. */
  readonly name: string;
  readonly entries: readonly BundleEntry[];
  /** What must be at the target already; empty for a bundle that is whole. */
  readonly needs: HeldBlobs;
  readonly #files: ArchiveFiles;
  readonly #referrers: ReadonlyMap<Digest, readonly Descriptor[]>;

  private constructor(
    files: ArchiveFiles,
    parts: {
      readonly entries: readonly BundleEntry[];
      readonly needs: HeldBlobs;
      readonly referrers: ReadonlyMap<Digest, readonly Descriptor[]>;
    },
  ) {
    this.name = files.name;
    this.entries = parts.entries;
    this.needs = parts.needs;
    this.#files = files;
    this.#referrers = parts.referrers;
  }

  /** Reads what a bundle holds; takes the files over, also when it fails. Throws `invalid-input`, `digest-mismatch`. */
  static async open(files: ArchiveFiles): Promise<Bundle> {
    try {
      const index = await readLayoutIndex(files);
      if (!index) {
        throw new ImageError("invalid-input", `Cannot read "${files.name}": it is no bundle, "index.json" is missing`);
      }
      const referrers = await referrersBySubject(files, index.entries);
      const referring = new Set([...referrers.values()].flat().map(({ digest }) => digest));
      const images = index.entries.filter((each) => namesOf(each).length > 0 || !referring.has(each.digest));
      const entries = images.map((descriptor) => ({
        descriptor,
        name: entryName(descriptor.annotations) ?? descriptor.digest,
        landing: landingPath(descriptor.annotations),
      }));
      return new Bundle(files, { entries, needs: await readNeeds(files), referrers });
    } catch (error) {
      await files[Symbol.asyncDispose]();
      throw error;
    }
  }

  /**
   * The images of these names (as `list` shows them, shorter as `docker pull` takes them, or digests), in the bundle's order;
   * all where none is given. Throws `not-found` for a name that is not there.
   */
  choose(names: readonly string[]): readonly BundleEntry[] {
    if (names.length === 0) return this.entries;
    const chosen = new Set(names.flatMap((name) => {
      const found = this.#matching(name);
      if (found.length > 0) return found;
      const there = this.entries.slice(0, 20).map((entry) => `"${entry.name}"`).join(", ");
      throw new ImageError("not-found", `Cannot find image "${name}" in "${this.name}"`, {
        hint: `Use one of: ${there}${this.entries.length > 20 ? ", …" : ""}`,
      });
    }));
    return this.entries.filter((entry) => chosen.has(entry));
  }

  /** A manifest of the bundle. Throws `not-found`, `digest-mismatch`. */
  manifest(child: Descriptor): Promise<Manifest> {
    return readLayoutManifest(this.#files, child);
  }

  /** Whether a blob is in the bundle, with its length. */
  async has(blob: Descriptor): Promise<boolean> {
    return await this.#files.sizeOf(blobPath(blob.digest)) === blob.size;
  }

  /** Opens a blob's bytes, unchecked. Throws `not-found`. */
  openBlob(blob: Descriptor, range?: ByteRange): Promise<BlobReader> {
    return this.#files.open(blobPath(blob.digest), range);
  }

  /** What refers to a manifest. */
  referrers(subject: Digest): readonly Descriptor[] {
    return this.#referrers.get(subject) ?? [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#files[Symbol.asyncDispose]();
  }

  #matching(name: string): readonly BundleEntry[] {
    if (isDigest(name)) return this.entries.filter(({ descriptor }) => descriptor.digest === name);
    const exact = this.entries.filter((entry) => entry.name === name);
    if (exact.length > 0) return exact;
    const isSame = (each: string) => /[/:]/.test(each) && isSameName(each, name);
    const same = this.entries.filter(({ descriptor }) => namesOf(descriptor).some(isSame));
    if (same.length > 0) return same;
    return this.entries.filter(({ landing }) => landing && `${landing.image}:${landing.tag}` === name);
  }
}
