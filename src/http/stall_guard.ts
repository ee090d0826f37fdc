import { ImageError } from "../errors.ts";
import type { BlobReader } from "../bytes/blob_reader.ts";

/**
 * Ends a request on which nothing happens any more: a server that neither answers nor hangs up would hold its caller for
 * ever. Send the request with `signal`, and take every wait through `watch()` or a reader from `reader()`.
 */
export class StallGuard {
  readonly #stalled = new AbortController();
  readonly #outer: AbortSignal | undefined;
  readonly #what: string;

  /** `what` names the server in errors; `signal` is the caller's own. */
  constructor(what: string, signal?: AbortSignal) {
    this.#what = what;
    this.#outer = signal;
  }

  /** Fires when the caller's signal does, and on a stall. */
  get signal(): AbortSignal {
    return this.#outer ? AbortSignal.any([this.#outer, this.#stalled.signal]) : this.#stalled.signal;
  }

  /** Runs one wait. Throws `unavailable` when it takes longer than `limitMs`. */
  async watch<T>(limitMs: number, step: () => Promise<T>): Promise<T> {
    const timer = setTimeout(() => this.#stalled.abort(), limitMs);
    try {
      return await step();
    } catch (error) {
      if (!this.#stalled.signal.aborted || this.#outer?.aborted) throw error;
      throw new ImageError(
        "unavailable",
        `Cannot reach "${this.#what}": nothing came for ${Math.round(limitMs / 1000)} seconds`,
        { cause: error },
      );
    } finally {
      clearTimeout(timer);
    }
  }

  /** The reader with every read watched. */
  reader(inner: BlobReader, limitMs: number): BlobReader {
    return {
      read: (into) => this.watch(limitMs, () => inner.read(into)),
      [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
    };
  }
}
