import { ImageError, isImageError } from "../errors.ts";
import { sleep } from "../bytes/retry.ts";
import { entriesOf, type IndexEntry, indexManifest } from "../image/join_index.ts";
import type { Digest } from "../oci/digest.ts";
import type { Manifest } from "../oci/manifest.ts";
import { isReferrersList, referrerEntry, referrersTag } from "../oci/referrers.ts";
import type { ImageStore } from "./image_store.ts";
import { TagWriter, type TagWriterOptions } from "./tag_writer.ts";

/** How often a list is built anew because another process changed it meanwhile. */
const MAX_TRIES = 30;

/** Wait before the second try; it doubles, up to the longest, and a random part of it is waited. */
const BASE_DELAY_MS = 25;
const MAX_DELAY_MS = 2000;

/** How lists of referrers are written. */
export interface ReferrerListsOptions extends TagWriterOptions {
  readonly signal?: AbortSignal | undefined;
}

/** An addition that waits for its list to be written. */
interface Addition {
  readonly referrer: Manifest;
  readonly done: PromiseWithResolvers<void>;
}

/**
 * The lists of what refers to the manifests of one image of a bucket.
 *
 * Each list is one object. Of one process only one writer changes it at a time, and takes along all that was added
 * meanwhile: many referrers of one subject do not get into each other's way.
 */
export class ReferrerLists {
  readonly #store: ImageStore;
  readonly #image: string;
  readonly #options: ReferrerListsOptions;
  /** What waits to be added, by subject; there is an entry while somebody writes. */
  readonly #waiting = new Map<Digest, Addition[]>();

  /** Lists of one image; nothing is read yet. */
  constructor(store: ImageStore, image: string, options: ReferrerListsOptions) {
    this.#store = store;
    this.#image = image;
    this.#options = options;
  }

  /**
   * Lists a manifest as a referrer of its subject, beside those that are listed already; one without a subject is not listed.
   *
   * Throws `conflict` where something else lies at the list's tag (unless forced), or others write without a pause.
   */
  async add(referrer: Manifest): Promise<void> {
    const subject = referrer.content.subject?.digest;
    if (subject === undefined) return;
    const addition = { referrer, done: Promise.withResolvers<void>() };
    const waiting = this.#waiting.get(subject);
    if (waiting) waiting.push(addition);
    else {
      this.#waiting.set(subject, [addition]);
      void this.#writeAll(subject);
    }
    await addition.done.promise;
  }

  /** Writes until nothing waits any more; never throws. */
  async #writeAll(subject: Digest): Promise<void> {
    for (let batch = this.#take(subject); batch.length > 0; batch = this.#take(subject)) {
      try {
        await this.#write(subject, batch.map((each) => each.referrer));
        for (const { done } of batch) done.resolve();
      } catch (error) {
        for (const { done } of batch) done.reject(error);
      }
    }
    this.#waiting.delete(subject);
  }

  #take(subject: Digest): readonly Addition[] {
    return this.#waiting.get(subject)?.splice(0) ?? [];
  }

  /** Rewrites a list; another process's change in between is seen and built upon. */
  async #write(subject: Digest, referrers: readonly Manifest[]): Promise<void> {
    const { force = false, signal } = this.#options;
    const tag = referrersTag(subject);
    // Whether the tag may be written is decided here: a list may grow in an image whose tags are protected.
    const writer = new TagWriter(this.#store, { image: this.#image, tag }, { ...this.#options, force: true });
    for (let tries = 1;; tries++) {
      signal?.throwIfAborted();
      const current = await writer.read();
      if (current && !isReferrersList(current.content) && !force) throw this.#occupied(tag, referrers[0]!);
      const listed = current ? entriesOf(current) : [];
      const known = new Set(listed.map((entry) => entry.descriptor.digest));
      const added = referrers.filter(({ descriptor }) => !known.has(descriptor.digest)).map(entryOf);
      if (added.length === 0) return;
      try {
        return await writer.replace(indexManifest([...listed, ...added], current, "referrers index"));
      } catch (error) {
        if (!isImageError(error, "conflict") || tries >= MAX_TRIES) throw error;
      }
      await sleep(Math.random() * Math.min(MAX_DELAY_MS, BASE_DELAY_MS * 2 ** tries), signal);
    }
  }

  #occupied(tag: string, referrer: Manifest): ImageError {
    return new ImageError(
      "conflict",
      `Cannot list "${referrer.descriptor.digest}" as a referrer in "${this.#options.name}": ` +
        `tag "${tag}" of "${this.#image}" is an image, and no list of referrers`,
      { hint: "Give that image another tag, or --force to replace it" },
    );
  }
}

function entryOf(referrer: Manifest): IndexEntry {
  const descriptor = referrerEntry(referrer);
  return { descriptor, member: descriptor };
}
