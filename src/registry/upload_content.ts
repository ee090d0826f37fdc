import type { BlobReader } from "../bytes/blob_reader.ts";
import type { Digest } from "../oci/digest.ts";

/** The bytes of a blob to be written. */
export interface UploadContent {
  readonly digest: Digest;
  readonly sizeBytes: number;
  /**
   * Opens the bytes from `offset` (default 0). The reader fails before it hands out the last of them when they are not
   * what they should be.
   */
  open(offset?: number): Promise<BlobReader>;
}

/** Remembers when reading the content failed: such a failure is not the registry's, and no other try mends it. */
export class WatchedContent implements UploadContent {
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly #content: UploadContent;
  #failure: { readonly error: unknown } | undefined;

  /** Wraps the content. */
  constructor(content: UploadContent) {
    this.digest = content.digest;
    this.sizeBytes = content.sizeBytes;
    this.#content = content;
  }

  /** What reading failed with; undefined while it did not. */
  get failure(): { readonly error: unknown } | undefined {
    return this.#failure;
  }

  /** As the content's. */
  async open(offset = 0): Promise<BlobReader> {
    const reader = await this.#watch(() => this.#content.open(offset));
    return {
      read: (into) => this.#watch(() => reader.read(into)),
      [Symbol.asyncDispose]: () => reader[Symbol.asyncDispose](),
    };
  }

  async #watch<T>(step: () => Promise<T>): Promise<T> {
    try {
      return await step();
    } catch (error) {
      this.#failure ??= { error };
      throw error;
    }
  }
}
