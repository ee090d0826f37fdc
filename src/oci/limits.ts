import { ImageError } from "../errors.ts";

// One document has a limit of its own wherever it is read. These hold for many of them together: pages, entries and
// manifests that never end must not take all memory, or all day.

/** How deep indexes may be nested: more is a bomb, not an image. */
export const MAX_INDEX_DEPTH = 8;

/** How many manifests an image may have, its referrers among them, and how many entries its indexes may list. */
export const MAX_MANIFESTS = 10_000;

/** What the manifests of one image may have together, in bytes: sixteen of the largest, 6 KiB for each of the most. */
export const MAX_MANIFESTS_BYTES = 64 * 1024 * 1024;

/** How many configs, layers and other blobs the manifests of one image may name together: ten for each of the most. */
export const MAX_NAMED_BLOBS = 100_000;

/** The longest tar that one layer may be of where its parts multiply: as much as the Go tool's reader takes. */
export const MAX_MULTIPLIED_BYTES = 64 * 1024 * 1024 * 1024;

/** From this length on, a tar that is so many times longer than what is stored of it is checked before it is written. */
const MIN_DISPROPORTIONATE_BYTES = 64 * 1024 * 1024;
const MAX_PROPORTION = 256;

/** How many pages of one listing are asked for. */
export const MAX_LISTING_PAGES = 100_000;

/** How many entries of a listing are held at once, where all must be known before the first is used. */
export const MAX_LISTED_ENTRIES = 1_000_000;

/** What the names in such a listing, or in an archive, may have together, in characters. */
export const MAX_LISTED_NAME_CHARS = 128 * 1024 * 1024;

/** Whether bytes unpack to far more than layers of files do: nothing but a bomb, or a file of zeros. */
export function isOutOfProportion(unpackedBytes: number, storedBytes: number): boolean {
  return unpackedBytes > MIN_DISPROPORTIONATE_BYTES && unpackedBytes > MAX_PROPORTION * storedBytes;
}

/** Adds up what comes from outside in many pieces, and stops it at a limit. */
export class Total {
  readonly #action: string;
  readonly #max: number;
  readonly #unit: string;
  readonly #hint: string | undefined;
  #sum = 0;

  /**
   * `action` begins the error (`Cannot list the tags of "…"`), `unit` says what is counted (`pages`, `bytes of manifests`).
   */
  constructor(action: string, max: number, unit: string, hint?: string) {
    this.#action = action;
    this.#max = max;
    this.#unit = unit;
    this.#hint = hint;
  }

  /** Adds to the sum. Throws `invalid-input` when that makes it more than the limit. */
  add(count = 1): void {
    this.#sum += count;
    if (this.#sum <= this.#max) return;
    throw new ImageError("invalid-input", `${this.#action}: it has more than ${this.#max} ${this.#unit}`, {
      hint: this.#hint,
    });
  }
}

/** Counts the names of a listing that is held whole: how many there are, and what they have together. */
export class ListedNames {
  readonly #entries: Total;
  readonly #chars: Total;

  /** `action` begins the error; `hint` says how to list less. */
  constructor(action: string, hint?: string) {
    this.#entries = new Total(action, MAX_LISTED_ENTRIES, "entries to list", hint);
    this.#chars = new Total(action, MAX_LISTED_NAME_CHARS, "characters of names to list", hint);
  }

  /** Counts one entry and what it is called. Throws `invalid-input` when that is one too many. */
  add(...names: readonly string[]): void {
    this.#entries.add();
    for (const name of names) this.#chars.add(name.length);
  }
}
