import { ImageError } from "../../src/errors.ts";
import { type BlobReader, type ByteRange, bytesReader, readAll } from "../../src/bytes/blob_reader.ts";
import type { BlobContent, ImageSource, ImageTarget, LinkResult, TargetLimits } from "../../src/image/places.ts";
import type { Descriptor } from "../../src/oci/descriptor.ts";
import type { Digest } from "../../src/oci/digest.ts";
import { type Manifest, readManifest } from "../../src/oci/manifest.ts";
import type { TestImage } from "./images.ts";

/** Ways in which a source may misbehave. */
export interface Misbehaviour {
  /** Changes the bytes of a blob before they are read. */
  readonly alter?: (digest: Digest, bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer> | undefined;
  /** After how many bytes each opened stream breaks with `unavailable`. */
  readonly breakAfter?: number;
  /** How many of the openings break; default all. */
  readonly breaks?: number;
}

/** An image in memory, as a source. */
export class MemorySource implements ImageSource {
  readonly name = "memory://source";
  readonly parallelRanges: number;
  readonly opened: { digest: Digest; range: ByteRange | undefined }[] = [];
  readonly #image: TestImage;
  readonly #referrers: readonly TestImage[];
  readonly #misbehaviour: Misbehaviour;
  #breaks: number;

  constructor(
    image: TestImage,
    options: { misbehaviour?: Misbehaviour; referrers?: readonly TestImage[]; parallelRanges?: number } = {},
  ) {
    this.#image = image;
    this.#referrers = options.referrers ?? [];
    this.#misbehaviour = options.misbehaviour ?? {};
    this.#breaks = this.#misbehaviour.breaks ?? Number.MAX_SAFE_INTEGER;
    this.parallelRanges = options.parallelRanges ?? 1;
  }

  root(): Promise<Manifest> {
    return Promise.resolve(this.#image.root);
  }

  manifest(child: Descriptor): Promise<Manifest> {
    const bytes = this.#bytes(child.digest);
    return Promise.resolve(readManifest(bytes, `manifest "${child.digest}"`));
  }

  openBlob(blob: Descriptor, range?: ByteRange): Promise<BlobReader> {
    this.opened.push({ digest: blob.digest, range });
    const bytes = this.#bytes(blob.digest);
    const start = range?.start ?? 0;
    const part = bytes.subarray(start, range?.length === undefined ? undefined : start + range.length);
    const { breakAfter } = this.#misbehaviour;
    if (breakAfter === undefined || this.#breaks-- <= 0) return Promise.resolve(bytesReader(part));
    const inner = bytesReader(part.subarray(0, breakAfter));
    return Promise.resolve({
      async read(into) {
        const piece = await inner.read(into);
        if (piece.byteLength === 0 && breakAfter < part.byteLength) {
          throw new ImageError("unavailable", "Connection reset");
        }
        return piece;
      },
      [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
    });
  }

  referrers(subject: Digest): Promise<readonly Descriptor[]> {
    return Promise.resolve(
      this.#referrers.filter((each) => each.root.content.subject?.digest === subject).map((each) =>
        each.root.descriptor
      ),
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }

  #bytes(digest: Digest): Uint8Array<ArrayBuffer> {
    const found = [this.#image, ...this.#referrers].flatMap((
      each,
    ) => [each.blobs.get(digest), each.root.descriptor.digest === digest ? each.root.bytes : undefined])
      .find((bytes) => bytes !== undefined);
    const altered = found && this.#misbehaviour.alter ? this.#misbehaviour.alter(digest, found.slice()) : found;
    if (!altered) throw new ImageError("not-found", `There is no "${digest}"`);
    return altered;
  }
}

/** A place in memory to write to; remembers the order of what happened. */
export class MemoryTarget implements ImageTarget {
  readonly name = "memory://target";
  readonly limits: TargetLimits;
  readonly blobs = new Map<Digest, Uint8Array<ArrayBuffer>>();
  readonly events: string[] = [];
  readonly refuse: (what: string) => void;
  published: Manifest | undefined;

  constructor(options: { acceptsIndex?: boolean; refuse?: (what: string) => void } = {}) {
    this.limits = { concurrentBlobs: 4, acceptsIndex: options.acceptsIndex ?? true };
    this.refuse = options.refuse ?? (() => {});
  }

  plan(manifests: readonly Manifest[], blobs: readonly Descriptor[]): Promise<void> {
    this.events.push(`plan ${manifests.length} ${blobs.length}`);
    return Promise.resolve();
  }

  findBlobs(blobs: readonly Descriptor[]): Promise<ReadonlySet<Digest>> {
    return Promise.resolve(
      new Set(blobs.filter((blob) => this.blobs.get(blob.digest)?.byteLength === blob.size).map((blob) => blob.digest)),
    );
  }

  linkBlob(): Promise<LinkResult> {
    return Promise.resolve(false);
  }

  async writeBlob(content: BlobContent): Promise<void> {
    this.refuse(content.blob.digest);
    await using reader = await content.open();
    const bytes = await readAll(reader, content.blob.size, "blob");
    this.blobs.set(content.blob.digest, bytes);
    this.events.push(`blob ${content.blob.digest}`);
  }

  writeManifest(manifest: Manifest): Promise<void> {
    this.refuse(manifest.descriptor.digest);
    this.blobs.set(manifest.descriptor.digest, manifest.bytes);
    this.events.push(`manifest ${manifest.descriptor.digest}`);
    return Promise.resolve();
  }

  publish(root: Manifest): Promise<void> {
    this.refuse("publish");
    this.published = root;
    this.events.push("publish");
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}
