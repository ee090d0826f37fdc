import { ImageError, isImageError } from "../errors.ts";
import type { WriteCondition } from "../objects/object_store.ts";
import type { Digest } from "../oci/digest.ts";
import type { Manifest } from "../oci/manifest.ts";
import type { ImageStore, StoredTag } from "./image_store.ts";
import type { ImageTag } from "./keys.ts";
import { readSettings, settingsOf } from "./settings.ts";

/** How a tag is written. */
export interface TagWriterOptions {
  /** The reference as the user wrote it, for errors. */
  readonly name: string;
  /** Whether a protected tag may be replaced all the same. */
  readonly force?: boolean;
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

  /** A writer for one tag; nothing is read yet. */
  constructor(store: ImageStore, place: ImageTag, options: TagWriterOptions) {
    this.#store = store;
    this.#place = place;
    this.#options = options;
  }

  /** Reads what the tag means now; undefined when there is no such tag, or nothing that can be read. */
  async read(): Promise<Manifest | undefined> {
    try {
      this.#current = await this.#store.readTag(this.#place.image, this.#place.tag);
      this.#isDamaged = false;
    } catch (error) {
      if (!isImageError(error, "invalid-input")) throw error;
      this.#current = undefined;
      this.#isDamaged = true;
    }
    return this.#current?.manifest;
  }

  /** Finds out whether the tag may become this root; after {@linkcode read}. Throws `conflict` when it is protected. */
  async check(root: Digest | undefined): Promise<void> {
    this.#condition = undefined;
    if (this.#options.force) return;
    const settings = await readSettings(this.#store.objects);
    if (!settingsOf(settings, this.#place.image).immutable) return;
    const exists = this.#current !== undefined || this.#isDamaged;
    if (!exists) this.#condition = { absent: true };
    else if (this.#current?.manifest.descriptor.digest !== root) throw this.#protected();
  }

  /**
   * Makes the tag mean this root; nothing is written when it does already.
   *
   * A protected tag is written only if nobody made it meanwhile (or made it mean the same). Throws `conflict`.
   */
  async write(root: Manifest): Promise<void> {
    const { image, tag } = this.#place;
    if (this.#current?.manifest.descriptor.digest === root.descriptor.digest) return;
    try {
      await this.#store.writeTag(image, tag, root, this.#condition);
    } catch (error) {
      if (!this.#condition || !isImageError(error, "conflict")) throw error;
      const winner = await this.#store.readTag(image, tag);
      if (winner?.manifest.descriptor.digest !== root.descriptor.digest) throw this.#protected();
    }
  }

  /**
   * Replaces what was read by this root, if it is still there (or still nothing is).
   *
   * Throws `conflict` when somebody else was faster: read, build and try again.
   */
  async replace(root: Manifest): Promise<void> {
    const condition = this.#current ? { etag: this.#current.etag } : { absent: true as const };
    await this.#store.writeTag(this.#place.image, this.#place.tag, root, condition);
  }

  #protected(): ImageError {
    const { image, tag } = this.#place;
    const message = `Cannot write "${this.#options.name}": tag "${tag}" of "${image}" exists and is immutable`;
    return new ImageError("conflict", message, { hint: "Use another tag, or --force to replace it" });
  }
}
