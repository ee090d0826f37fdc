import { ImageError } from "../errors.ts";
import type { ArchiveOutput } from "../archive/archive_output.ts";
import { BlobQueue } from "../archive/blob_queue.ts";
import { layoutName } from "../archive/image_names.ts";
import { type OciArchiveImage, ociArchiveMembers } from "../archive/layout_writer.ts";
import { tarReader } from "../archive/tar_writer.ts";
import type { BlobContent, ImageTarget, LinkResult, TargetLimits } from "../image/places.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import type { Manifest } from "../oci/manifest.ts";

/** What a bundle is made of. */
export interface BundleOptions {
  /** What people call it. */
  readonly name: string;
  readonly output: ArchiveOutput;
  /** Blobs that the other side has already; they are left out. Manifests are always in. */
  readonly known?: ReadonlySet<Digest>;
}

/**
 * Several images in one OCI archive, shared blobs once. Images are copied one after the other, each into a target of its
 * own; the archive appears with `finish`. The same images in the same order give the same bytes.
 *
 * The first image that fails fails the bundle.
 */
export class BundleWriter implements AsyncDisposable {
  readonly #options: BundleOptions;
  readonly #held: Set<Digest>;
  readonly #queue = new BlobQueue();
  readonly #images: OciArchiveImage[] = [];
  #wake = Promise.withResolvers<void>();
  #isComplete = false;
  #failure: { readonly error: unknown } | undefined;
  #writing: Promise<void> | undefined;

  /** Takes the output over. */
  constructor(options: BundleOptions) {
    this.#options = options;
    this.#held = new Set(options.known);
  }

  /**
   * The target of the next image. `names`: image names (`app:v1`), or other texts by which it is found again. Finish one
   * image before the next. Throws `invalid-reference`.
   */
  image(names: readonly string[]): ImageTarget {
    return new BundleImage(this.#options.name, names, {
      queue: this.#queue,
      held: this.#held,
      add: (image) => this.#add(image),
      fail: (error) => this.#fail(error),
    });
  }

  /** Writes the end and makes the bundle visible. Throws what went wrong with any image. */
  async finish(): Promise<void> {
    this.#isComplete = true;
    this.#wake.resolve();
    await (this.#writing ??= this.#write());
    await this.#options.output.commit();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#fail(new ImageError("aborted", `Stopped writing "${this.#options.name}"`));
    await this.#writing?.catch(() => {});
    await this.#queue[Symbol.asyncDispose]();
    await this.#options.output[Symbol.asyncDispose]();
  }

  #add(image: OciArchiveImage): void {
    this.#images.push(image);
    this.#wake.resolve();
    if (this.#writing) return;
    this.#writing = this.#write();
    this.#writing.catch((error) => this.#fail(error));
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#queue.fail(error);
    this.#wake.resolve();
  }

  async #write(): Promise<void> {
    await using reader = tarReader(ociArchiveMembers(this.#next()));
    try {
      await this.#options.output.writeAll(reader);
    } catch (error) {
      // Before the reader is closed, which the queue would take for the reason.
      this.#fail(error);
      throw error;
    }
  }

  async *#next(): AsyncGenerator<OciArchiveImage> {
    while (true) {
      if (this.#failure) throw this.#failure.error;
      const image = this.#images.shift();
      if (image) {
        yield image;
      } else if (this.#isComplete) {
        return;
      } else {
        await this.#wake.promise;
        this.#wake = Promise.withResolvers();
      }
    }
  }
}

/** What an image of a bundle needs of the whole. */
interface BundleParts {
  readonly queue: BlobQueue;
  /** Blobs that are in the bundle, or need not be. */
  readonly held: Set<Digest>;
  add(image: OciArchiveImage): void;
  fail(error: unknown): void;
}

class BundleImage implements ImageTarget {
  readonly name: string;
  readonly limits: TargetLimits = { concurrentBlobs: 4, acceptsIndex: true };
  readonly #names: OciArchiveImage["names"];
  readonly #parts: BundleParts;
  readonly #complete = Promise.withResolvers<readonly Manifest[]>();
  #planned: readonly Manifest[] = [];
  #blobs: readonly Descriptor[] = [];
  #extra: Manifest[] = [];
  #state: "new" | "writing" | "done" = "new";

  constructor(name: string, names: readonly string[], parts: BundleParts) {
    this.name = name;
    // Not the tag alone: images of a bundle often have the same one.
    this.#names = names.map((text) => layoutName(text));
    this.#parts = parts;
    this.#complete.promise.catch(() => {});
  }

  // deno-lint-ignore require-await
  async plan(manifests: readonly Manifest[], blobs: readonly Descriptor[]): Promise<void> {
    this.#planned = manifests;
    this.#blobs = blobs.filter(({ digest }) => !this.#parts.held.has(digest));
  }

  findBlobs(blobs: readonly Descriptor[]): Promise<ReadonlySet<Digest>> {
    return Promise.resolve(
      new Set(blobs.filter(({ digest }) => this.#parts.held.has(digest)).map(({ digest }) => digest)),
    );
  }

  linkBlob(): Promise<LinkResult> {
    return Promise.resolve(false);
  }

  async writeBlob(content: BlobContent): Promise<void> {
    this.#begin();
    await this.#parts.queue.offer(content);
    this.#parts.held.add(content.blob.digest);
  }

  writeManifest(manifest: Manifest): Promise<void> {
    const isPlanned = this.#planned.some(({ descriptor }) => descriptor.digest === manifest.descriptor.digest);
    if (!isPlanned) this.#extra.push(manifest);
    return Promise.resolve();
  }

  publish(): Promise<void> {
    this.#begin();
    this.#state = "done";
    const extra = this.#extra.toSorted((a, b) => a.descriptor.digest < b.descriptor.digest ? -1 : 1);
    this.#complete.resolve([...this.#planned, ...extra]);
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    if (this.#state === "writing") {
      const error = new ImageError("aborted", `Stopped writing "${this.name}"`);
      this.#complete.reject(error);
      this.#parts.fail(error);
    }
    return Promise.resolve();
  }

  #begin(): void {
    if (this.#state !== "new") return;
    this.#state = "writing";
    this.#parts.add({
      names: this.#names,
      blobs: this.#blobs,
      openBlob: (blob) => this.#parts.queue.open(blob),
      manifests: () => this.#complete.promise,
    });
  }
}
