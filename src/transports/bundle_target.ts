import { ImageError } from "../errors.ts";
import { BlobQueue } from "../archive/blob_queue.ts";
import type { BundleName } from "../archive/bundle_names.ts";
import type { HeldBlobs } from "../archive/bundle_needs.ts";
import type { BundleWriter } from "../archive/bundle_writer.ts";
import type { BlobContent, ImageTarget, LinkResult, TargetLimits } from "../image/places.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import { type Manifest, MAX_MANIFEST_BYTES } from "../oci/manifest.ts";
import { ImagePlan } from "./image_plan.ts";

/** What became of an image in a bundle. */
export interface BundledImage {
  readonly name: BundleName;
  /** The root first, then what is below it and what refers to it. */
  readonly manifests: readonly Manifest[];
  /** Its blobs, those of referrers too. */
  readonly blobs: readonly Descriptor[];
  /** Those of them that were left out, since the other side holds them. */
  readonly leftOut: readonly Descriptor[];
}

/**
 * One image on its way into a bundle. Blobs go in the order of the plan, so the same images give the same file. Leaving the
 * scope before `publish` takes back what was written of it.
 */
export class BundleTarget implements ImageTarget {
  readonly name: string;
  /** One blob flows into the bundle, the others are read ahead while they wait, as far as the queue and the ranges go. */
  readonly limits: TargetLimits = { concurrentBlobs: 4, takesInOrder: true, acceptsIndex: true };
  readonly #writer: BundleWriter;
  readonly #bundleName: BundleName;
  readonly #held: HeldBlobs;
  readonly #queue = new BlobQueue();
  readonly #rollback: (() => Promise<void>) | undefined;
  #plan: ImagePlan | undefined;
  #missing: readonly Descriptor[] = [];
  #leftOut: readonly Descriptor[] = [];
  #writing: Promise<void> | undefined;
  #image: BundledImage | undefined;

  /** `held`: what the other side has. The writer stays the caller's; one target of it at a time. */
  constructor(writer: BundleWriter, name: BundleName, held: HeldBlobs) {
    this.name = name.ref;
    this.#writer = writer;
    this.#bundleName = name;
    this.#held = held;
    this.#rollback = writer.mark();
  }

  /** The image, once it is published. */
  get image(): BundledImage {
    if (!this.#image) throw new TypeError("The image was not published");
    return this.#image;
  }

  plan(manifests: readonly Manifest[], blobs: readonly Descriptor[]): Promise<void> {
    this.#plan = new ImagePlan(manifests, blobs);
    return Promise.resolve();
  }

  /** A config always comes along: what an image is can be told from the bundle alone. */
  findBlobs(blobs: readonly Descriptor[]): Promise<ReadonlySet<Digest>> {
    const { manifests = [], blobs: planned = [] } = this.#plan ?? {};
    const configs = new Set(
      manifests.flatMap(({ content }) => content.kind === "image" ? [content.config.digest] : []),
    );
    const isConfig = (blob: Descriptor) => configs.has(blob.digest) && blob.size <= MAX_MANIFEST_BYTES;
    this.#leftOut = planned.filter((blob) => this.#held.get(blob.digest)?.size === blob.size && !isConfig(blob));
    const leftOut = new Set(this.#leftOut.map(({ digest }) => digest));
    const isPresent = ({ digest }: Descriptor) => leftOut.has(digest) || this.#writer.has(digest);
    this.#missing = planned.filter((blob) => !isPresent(blob));
    return Promise.resolve(new Set(blobs.filter(isPresent).map(({ digest }) => digest)));
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
    await this.#start();
    const plan = this.#plan;
    if (!plan) throw new TypeError("plan() must be called before publish()");
    plan.checkRoot(root);
    const all = plan.all();
    await this.#writer.writeManifests(all.toReversed());
    this.#image = { name: this.#bundleName, manifests: all, blobs: plan.blobs, leftOut: this.#leftOut };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#queue.fail(new ImageError("aborted", `Stopped writing "${this.name}"`));
    await this.#writing?.catch(() => {});
    await this.#queue[Symbol.asyncDispose]();
    if (!this.#image) await this.#rollback?.();
  }

  #start(): Promise<void> {
    if (!this.#writing) {
      this.#writing = this.#write();
      this.#writing.catch((error) => this.#queue.fail(error));
    }
    return this.#writing;
  }

  async #write(): Promise<void> {
    const fail = (error: unknown) => this.#queue.fail(error);
    for (const blob of this.#missing) await this.#writer.writeBlob(blob, () => this.#queue.open(blob), fail);
  }
}
