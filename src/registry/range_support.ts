import type { Digest } from "../oci/digest.ts";

/** How often one blob is read from its start again, to go on where its connection broke. */
const MAX_RESTARTS = 5;

/**
 * Whether a registry gives ranges of blobs, which only its answers tell. Until then one range is asked for and others wait:
 * a registry that sends the whole each time would send it once for every range.
 */
export class RangeSupport {
  #isGiven: boolean | undefined;
  #asking: Promise<unknown> | undefined;
  readonly #restarts = new Map<Digest, number>();

  /** Whether an answer showed that the registry gives the whole where a range was asked for. */
  get isMissing(): boolean {
    return this.#isGiven === false;
  }

  /** Takes in whether an answer to a range was one. A single whole answer holds for the rest of the run. */
  learn(isGiven: boolean): void {
    if (this.#isGiven !== false) this.#isGiven = isGiven;
  }

  /** Runs `ask` when it is its turn: others wait while nothing is known and one is being asked. */
  async inTurn<T>(ask: () => Promise<T>): Promise<T> {
    while (this.#isGiven === undefined && this.#asking) await this.#asking.catch(() => {});
    if (this.#isGiven !== undefined) return await ask();
    const asking = ask();
    this.#asking = asking;
    try {
      return await asking;
    } finally {
      this.#asking = undefined;
    }
  }

  /** Counts a blob that has to be read from its start to go on further behind; false when that was too often. */
  mayRestart(blob: Digest): boolean {
    const restarts = (this.#restarts.get(blob) ?? 0) + 1;
    this.#restarts.set(blob, restarts);
    return restarts <= MAX_RESTARTS;
  }
}
