/** How long back a speed looks, in milliseconds. */
const WINDOW_MS = 5000;

/** Nothing is said of a speed before so much time has passed. */
const MIN_SPAN_MS = 1000;

/** How fast something grew over the last seconds. */
export class Speed {
  #samples: { readonly atMs: number; readonly total: number }[] = [];

  /** Notes how much there is at a moment. */
  note(total: number, atMs: number): void {
    this.#samples.push({ atMs, total });
    // The newest one that is old enough is where the window begins.
    const first = this.#samples.findLastIndex((sample) => sample.atMs <= atMs - WINDOW_MS);
    if (first > 0) this.#samples = this.#samples.slice(first);
  }

  /** How much is added in a second; 0 when nothing was, undefined before there is anything to say. */
  get perSecond(): number | undefined {
    const [first] = this.#samples;
    const last = this.#samples.at(-1);
    if (!first || !last || last.atMs - first.atMs < MIN_SPAN_MS) return undefined;
    return Math.max((last.total - first.total) / (last.atMs - first.atMs) * 1000, 0);
  }
}
