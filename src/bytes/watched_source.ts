import type { BlobReader } from "./blob_reader.ts";

/**
 * Remembers when reading what is to be written failed: such a failure is not that of the place it is written to, and
 * writing again there does not mend it.
 */
export class WatchedSource {
  #failure: { readonly error: unknown } | undefined;

  /** What opening or reading failed with first; undefined while nothing did. */
  get failure(): { readonly error: unknown } | undefined {
    return this.#failure;
  }

  /** Opens a source and watches it. Throws as it does. */
  async open(open: () => Promise<BlobReader>): Promise<BlobReader> {
    const reader = await this.#watch(open);
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
