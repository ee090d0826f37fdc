import { ImageError } from "../errors.ts";
import type { BlobReader, ByteRange } from "../bytes/blob_reader.ts";
import { mapPool } from "../bytes/pool.ts";
import type { BlobContent, ImageSource, ImageTarget, LinkResult, TargetLimits } from "../image/places.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import type { Manifest } from "../oci/manifest.ts";
import { manifestKind } from "../oci/media_types.ts";
import { tagOf } from "../oci/locations/names.ts";
import { formatRegistryImage, type RegistryImage } from "../oci/locations/registry.ts";
import { hasBlob, openBlob, openRange } from "../registry/blobs.ts";
import { listRepositories, listTags } from "../registry/listing.ts";
import { findManifest, getManifest, putManifest } from "../registry/manifests.ts";
import { addToFallback, listReferrers } from "../registry/referrers.ts";
import type { Repository } from "../registry/repository.ts";
import type { RegistryAccess, RegistrySession } from "../registry/session.ts";
import { uploadBlob } from "../registry/upload.ts";
import { cancelUpload, mountBlob, type UploadSession } from "../registry/upload_session.ts";

/** Blobs looked for at once. */
const CONCURRENT_CHECKS = 8;

/** Opens an image in a registry for reading. No request is sent before something is asked for. */
export function openRegistrySource(
  reference: RegistryImage,
  session: RegistrySession,
  access: RegistryAccess = {},
): RegistrySource {
  return new RegistrySource(reference, session.repository(reference.registry, reference.repository, access));
}

/** Opens an image in a registry for writing. No request is sent before something is asked for. */
export function openRegistryTarget(
  reference: RegistryImage,
  session: RegistrySession,
  access: RegistryAccess = {},
): RegistryTarget {
  return new RegistryTarget(reference, session.repository(reference.registry, reference.repository, access));
}

/** The tags of a repository, page by page; see `listTags`. Tag and digest of the reference don't matter. */
export function listRegistryTags(
  reference: RegistryImage,
  session: RegistrySession,
  access: RegistryAccess = {},
): AsyncIterable<readonly string[]> {
  return listTags(session.repository(reference.registry, reference.repository, access));
}

/** The repositories of a registry (a host, as references name it), page by page; see `listRepositories`. */
export function listRegistryRepositories(
  registry: string,
  session: RegistrySession,
  access: RegistryAccess = {},
): AsyncIterable<readonly string[]> {
  return listRepositories(session.connection(registry, access));
}

/** An image in a registry, as a source. */
export class RegistrySource implements ImageSource {
  readonly name: string;
  /** Where it lies; a target on the same registry can take blobs over from there. */
  readonly repository: Repository;
  readonly #reference: RegistryImage;

  /** Sends nothing. */
  constructor(reference: RegistryImage, repository: Repository) {
    this.name = formatRegistryImage(reference);
    this.repository = repository;
    this.#reference = reference;
  }

  /** As {@linkcode ImageSource.parallelRanges}; 1 once the registry has shown that it gives none. */
  get parallelRanges(): number {
    return this.repository.connection.ranges.isMissing ? 1 : 8;
  }

  /** As {@linkcode ImageSource.root}; a digest in the reference wins over a tag, and is checked. */
  async root(): Promise<Manifest> {
    return await getManifest(this.repository, this.#reference.digest ?? tagOf(this.#reference) ?? "");
  }

  /** As {@linkcode ImageSource.manifest}; digest and size are checked. */
  async manifest(child: Descriptor): Promise<Manifest> {
    return await getManifest(this.repository, child.digest, child);
  }

  /** As {@linkcode ImageSource.openBlob}. */
  async openBlob(blob: Descriptor, range?: ByteRange): Promise<BlobReader> {
    return await openBlob(this.repository, blob, range);
  }

  /** As {@linkcode ImageSource.openRange}. */
  async openRange(blob: Descriptor, range: ByteRange): Promise<BlobReader | undefined> {
    return await openRange(this.repository, blob, range);
  }

  /** As {@linkcode ImageSource.referrers}. */
  async referrers(subject: Digest): Promise<readonly Descriptor[]> {
    return await listReferrers(this.repository, subject);
  }

  /** As {@linkcode ImageSource.tagged}. */
  async tagged(tag: string): Promise<Manifest | undefined> {
    return await findManifest(this.repository, tag);
  }

  /** Nothing to close: connections belong to the session. */
  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

/** An image in a registry, as a target. */
export class RegistryTarget implements ImageTarget {
  readonly name: string;
  readonly limits: TargetLimits = { concurrentBlobs: 8, acceptsIndex: true };
  readonly #reference: RegistryImage;
  readonly #repository: Repository;
  /** Uploads that the registry began where a mount was asked for. */
  readonly #begun = new Map<Digest, UploadSession>();
  #fallbackWrites: Promise<void> = Promise.resolve();

  /** Sends nothing. */
  constructor(reference: RegistryImage, repository: Repository) {
    this.name = formatRegistryImage(reference);
    this.#reference = reference;
    this.#repository = repository;
  }

  /** As {@linkcode ImageTarget.findBlobs}. */
  async findBlobs(blobs: readonly Descriptor[]): Promise<ReadonlySet<Digest>> {
    // A registry keeps manifests apart from blobs, and writing one takes no more than asking for it.
    const unique = [...new Map(blobs.map((blob) => [blob.digest, blob])).values()]
      .filter((blob) => manifestKind(blob.mediaType) === undefined);
    const { connection, push } = this.#repository;
    const has = (blob: Descriptor) => hasBlob(this.#repository, blob, push);
    const found = await mapPool(unique, CONCURRENT_CHECKS, has, connection.retry.signal);
    return new Set(unique.filter((_, index) => found[index]).map(({ digest }) => digest));
  }

  /** As {@linkcode ImageTarget.linkBlob}: a mount, where the source is another repository of the same registry. */
  async linkBlob({ blob }: BlobContent, source: ImageSource): Promise<LinkResult> {
    if (!(source instanceof RegistrySource)) return false;
    const { connection, name } = source.repository;
    if (connection.registry !== this.#repository.connection.registry || name === this.#repository.name) return false;
    const outcome = await mountBlob(this.#repository, blob.digest, name);
    if (!outcome.mounted && outcome.session) this.#begun.set(blob.digest, outcome.session);
    return outcome.mounted && "linked";
  }

  /** As {@linkcode ImageTarget.writeBlob}. */
  async writeBlob(content: BlobContent): Promise<void> {
    const { digest, size: sizeBytes } = content.blob;
    const begun = this.#begun.get(digest);
    this.#begun.delete(digest);
    const onSent = content.countSent?.();
    await uploadBlob(this.#repository, { digest, sizeBytes, open: (offset) => content.open(offset), onSent }, begun);
  }

  /** As {@linkcode ImageTarget.writeManifest}. */
  async writeManifest(manifest: Manifest): Promise<void> {
    await this.#put(manifest.descriptor.digest, manifest);
  }

  /** As {@linkcode ImageTarget.writeTagged}. */
  async writeTagged(tag: string, manifest: Manifest): Promise<void> {
    await this.#put(tag, manifest);
  }

  /** As {@linkcode ImageTarget.publish}. Throws `conflict` when the reference names another digest than the root's. */
  async publish(root: Manifest): Promise<void> {
    const { digest, tag } = this.#reference;
    if (digest !== undefined && digest !== root.descriptor.digest) {
      throw new ImageError(
        "conflict",
        `Cannot write to "${this.name}": the image has digest "${root.descriptor.digest}"`,
        { hint: "Leave the digest out of the target, or name the image's own" },
      );
    }
    await this.#put(tag ?? digest ?? tagOf(this.#reference) ?? "", root);
  }

  /** Tells the registry to forget uploads that were begun and not used. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#begun.values()].map((session) => cancelUpload(this.#repository, session)));
    this.#begun.clear();
  }

  async #put(reference: string, manifest: Manifest): Promise<void> {
    const { handlesSubject } = await putManifest(this.#repository, reference, manifest);
    if (manifest.content.subject === undefined || handlesSubject) return;
    // One at a time: each reads the list, adds to it and writes it back.
    const write = this.#fallbackWrites.then(() => addToFallback(this.#repository, manifest));
    this.#fallbackWrites = write.catch(() => {});
    await write;
  }
}
