import { ImageError } from "../errors.ts";
import type { BlobReader } from "../bytes/blob_reader.ts";
import type { ArchiveOutput } from "../archive/archive_output.ts";
import { BlobQueue } from "../archive/blob_queue.ts";
import type { BlobContent, ImageTarget, LinkResult, RawLayer, TargetLimits } from "../image/places.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import type { Manifest } from "../oci/manifest.ts";
import { ImagePlan } from "./image_plan.ts";

/** What is known of an image when its archive is begun. */
export interface ArchivePlan {
  /** The root first, depth first. */
  readonly manifests: readonly Manifest[];
  /** The blobs in the order of the archive. */
  readonly blobs: readonly Descriptor[];
  openBlob(blob: Descriptor): Promise<BlobReader>;
  /** Opens the tar of a layer that `isUnpacked` tells of; undefined where the source has no better way than unpacking. */
  openRaw(layer: Descriptor, diffId: Digest): Promise<RawLayer | undefined>;
  /** Tells that a blob is not going to be opened, so that whoever offers it can go on. */
  skipBlob(blob: Descriptor): void;
  /** The manifests once all blobs are written: those of the plan, and what refers to them. */
  allManifests(): Promise<readonly Manifest[]>;
}

/** What an archive target is made of. */
export interface ArchiveTargetParts {
  /** The reference as the user wrote it. */
  readonly name: string;
  readonly acceptsIndex: boolean;
  readonly holdsReferrers: boolean;
  readonly output: ArchiveOutput;
  /** Checks a plan before anything is written. */
  readonly check?: (manifests: readonly Manifest[]) => void;
  /** Whether a blob goes into the archive unpacked. Default: none does. */
  readonly isUnpacked?: (blob: Descriptor) => boolean;
  /** The bytes of the archive. */
  readonly make: (plan: ArchivePlan) => Promise<BlobReader>;
}

/**
 * How many blobs are taken at once: one flows into the archive, the others are read ahead while they wait. Each holds
 * 8 MiB at most.
 */
const CONCURRENT_BLOBS = 4;

/**
 * An archive file or stream as a target. The order of the bytes comes from the plan and never from the order in which
 * blobs arrive, so the same image gives the same file. The file appears when `publish` has written its end.
 */
export class ArchiveTarget implements ImageTarget {
  readonly name: string;
  readonly limits: TargetLimits;
  readonly #parts: ArchiveTargetParts;
  readonly #queue: BlobQueue;
  readonly #complete = Promise.withResolvers<void>();
  #plan: ImagePlan | undefined;
  #writing: Promise<void> | undefined;

  /** Takes the output over. */
  constructor(parts: ArchiveTargetParts) {
    this.#parts = parts;
    this.#queue = new BlobQueue(parts.isUnpacked);
    this.name = parts.name;
    const { acceptsIndex, holdsReferrers } = parts;
    this.limits = { concurrentBlobs: CONCURRENT_BLOBS, takesInOrder: true, acceptsIndex, holdsReferrers };
    this.#complete.promise.catch(() => {});
  }

  // deno-lint-ignore require-await
  async plan(manifests: readonly Manifest[], blobs: readonly Descriptor[]): Promise<void> {
    this.#parts.check?.(manifests);
    this.#plan = new ImagePlan(manifests, blobs);
  }

  findBlobs(): Promise<ReadonlySet<Digest>> {
    return Promise.resolve(new Set());
  }

  linkBlob(): Promise<LinkResult> {
    return Promise.resolve(false);
  }

  async writeBlob(content: BlobContent): Promise<void> {
    this.#start();
    await this.#queue.offer(content);
  }

  writeManifest(manifest: Manifest): Promise<void> {
    this.#plan?.add(manifest);
    return Promise.resolve();
  }

  async publish(root: Manifest): Promise<void> {
    const writing = this.#start();
    this.#plan?.checkRoot(root);
    this.#complete.resolve();
    await writing;
    await this.#parts.output.commit();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const error = new ImageError("aborted", `Stopped writing "${this.name}"`);
    this.#complete.reject(error);
    this.#queue.fail(error);
    await this.#writing?.catch(() => {});
    await this.#queue[Symbol.asyncDispose]();
    await this.#parts.output[Symbol.asyncDispose]();
  }

  #start(): Promise<void> {
    if (!this.#writing) {
      this.#writing = this.#write();
      this.#writing.catch((error) => this.#queue.fail(error));
    }
    return this.#writing;
  }

  async #write(): Promise<void> {
    const plan = this.#plan;
    if (!plan) throw new TypeError("plan() must be called before anything is written");
    await using reader = await this.#parts.make({
      manifests: plan.manifests,
      blobs: plan.blobs,
      openBlob: (blob) => this.#queue.open(blob),
      openRaw: (layer, diffId) => this.#queue.openRaw(layer, diffId),
      skipBlob: (blob) => this.#queue.skip(blob),
      allManifests: async () => {
        await this.#complete.promise;
        return plan.all();
      },
    });
    try {
      await this.#parts.output.writeAll(reader);
      this.#queue.complete();
    } catch (error) {
      // Before the reader is closed, which the queue would take for the reason.
      this.#queue.fail(error);
      throw error;
    }
  }
}
