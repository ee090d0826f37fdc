import { ImageError, isImageError } from "../errors.ts";
import { heedsConditions } from "../objects/heeds_conditions.ts";
import type { WriteCondition } from "../objects/object_store.ts";
import type { Digest } from "../oci/digest.ts";
import type { Manifest } from "../oci/manifest.ts";
import type { ImageStore, StoredTag } from "./image_store.ts";
import type { ImageTag } from "./keys.ts";
import { type BucketSettings, readSettings, settingsOf } from "./settings.ts";

/** How a tag is written. */
export interface TagWriterOptions {
  /** The reference as the user wrote it, for errors. */
  readonly name: string;
  /** Whether a protected tag may be replaced all the same. */
  readonly force?: boolean;
  /** Told how several writers of one tag are kept apart, where the store does not do it. */
  readonly log?: ((line: string) => void) | undefined;
}

/** Makes a tag mean another root, if it may; asks before anything moves and writes under a condition in the end. */
export class TagWriter {
  readonly #store: ImageStore;
  readonly #place: ImageTag;
  readonly #options: TagWriterOptions;
  #current: StoredTag | undefined;
  /** Whether something lies at the tag that is no manifest. */
  #isDamaged = false;
  #condition: WriteCondition | undefined;
  #settings: Promise<BucketSettings> | undefined;
  #isProtected = false;

  /** A writer for one tag; nothing is read yet. */
  constructor(store: ImageStore, place: ImageTag, options: TagWriterOptions) {
    this.#store = store;
    this.#place = place;
    this.#options = options;
  }

  /** Reads what the tag means now; undefined when there is no such tag, or nothing that can be read. */
  async read(): Promise<Manifest | undefined> {
    // Asked for along with the tag: one after the other they would take two journeys to a far bucket.
    if (!this.#options.force) this.#settings = readSettings(this.#store.objects);
    this.#settings?.catch(() => {});
    try {
      this.#current = await this.#store.readTag(this.#place.image, this.#place.tag);
      this.#isDamaged = false;
    } catch (error) {
      // Who may not list gets the same answer for a tag that is not there as for one that may not be read.
      const isUnknown = isImageError(error, "denied");
      if (!isUnknown && !isImageError(error, "invalid-input")) throw error;
      this.#current = undefined;
      this.#isDamaged = !isUnknown;
    }
    return this.#current?.manifest;
  }

  /** Finds out whether the tag may become this root; after {@linkcode read}. Throws `conflict` when it is protected. */
  async check(root: Digest | undefined): Promise<void> {
    this.#condition = undefined;
    this.#isProtected = false;
    if (this.#options.force) return;
    const settings = await (this.#settings ?? readSettings(this.#store.objects));
    this.#settings = undefined;
    if (!settingsOf(settings, this.#place.image).immutable) return;
    if (this.#exists && this.#current?.manifest.descriptor.digest !== root) {
      throw this.#protected(this.#current?.manifest.descriptor.digest);
    }
    this.#isProtected = true;
  }

  /**
   * Makes the tag mean this root; nothing is written when it does already.
   *
   * A protected tag is written only if nobody made it meanwhile (or made it mean the same). Throws `conflict`.
   */
  async write(root: Manifest): Promise<void> {
    const { image, tag } = this.#place;
    if (this.#current?.manifest.descriptor.digest === root.descriptor.digest) return;
    // Asked now and not before: where that is not known, the answer takes writing.
    if (this.#isProtected && !this.#exists) this.#condition = await this.#conditionIfHeeded({ absent: true });
    if (this.#isProtected && !this.#condition) await this.#expectNobody();
    try {
      await this.#store.writeTag(image, tag, root, this.#condition);
    } catch (error) {
      if (!this.#condition || !isImageError(error, "conflict")) throw error;
      await this.#expectOwn(root);
    }
    if (this.#isProtected && !this.#condition) await this.#expectOwn(root);
  }

  /**
   * Replaces what was read by this root, if it is still there (or still nothing is).
   *
   * Throws `conflict` when somebody else was faster: read, build and try again.
   */
  async replace(root: Manifest): Promise<void> {
    const { image, tag } = this.#place;
    const wanted = this.#current ? { etag: this.#current.etag } : { absent: true as const };
    const condition = await this.#conditionIfHeeded(wanted);
    if (condition) return await this.#store.writeTag(image, tag, root, condition);
    const found = await this.#store.readTag(image, tag);
    if (found?.etag !== this.#current?.etag) throw this.#overtaken();
    await this.#store.writeTag(image, tag, root);
    const after = await this.#store.readTag(image, tag);
    if (after?.manifest.descriptor.digest !== root.descriptor.digest) throw this.#overtaken();
  }

  /** Whether there is something at the tag, as far as was read. */
  get #exists(): boolean {
    return this.#current !== undefined || this.#isDamaged;
  }

  /** The condition, or nothing where the store would take the write for an ordinary one. */
  async #conditionIfHeeded(condition: WriteCondition): Promise<WriteCondition | undefined> {
    const { objects } = this.#store;
    if (await heedsConditions(objects)) return condition;
    this.#options.log?.(
      `"${objects.name}" does not heed conditional writes: the tag is read before and after it is written, ` +
        "and of several writers at the same moment more than one may believe to have won",
    );
    return undefined;
  }

  /** Throws when there is something at the tag by now. */
  async #expectNobody(): Promise<void> {
    const found = await this.#readAgain();
    if (found) throw this.#protected(found.manifest.descriptor.digest);
  }

  /** Throws when the tag means something else than this root. */
  async #expectOwn(root: Manifest): Promise<void> {
    const found = await this.#readAgain();
    if (found === null) return;
    const winner = found?.manifest.descriptor.digest;
    if (winner !== root.descriptor.digest) throw this.#protected(winner);
  }

  /** What the tag means by now; null where the identity may not see it. */
  async #readAgain(): Promise<StoredTag | undefined | null> {
    try {
      return await this.#store.readTag(this.#place.image, this.#place.tag);
    } catch (error) {
      if (isImageError(error, "denied")) return null;
      throw error;
    }
  }

  #overtaken(): ImageError {
    return new ImageError("conflict", `Cannot write "${this.#options.name}": somebody else wrote it meanwhile`);
  }

  /** `winner`: what the tag means, where that can be read. */
  #protected(winner: Digest | undefined): ImageError {
    const { image, tag } = this.#place;
    const held = winner === undefined ? "" : ` (it is "${winner}")`;
    const message = `Cannot write "${this.#options.name}": tag "${tag}" of "${image}" exists and is immutable${held}`;
    return new ImageError("conflict", message, { hint: "Use another tag, or --force to replace it" });
  }
}
