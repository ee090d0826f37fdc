import { ImageError } from "../errors.ts";

/** How far a {@linkcode OrderedAhead} runs ahead. */
export interface OrderedAheadOptions<T> {
  /** Most items on the way or waiting at once, the one handed out last included. */
  readonly maxItems: number;
  /** Most bytes that they may hold together; one item may always be on its way. */
  readonly maxBytes: number;
  /** What an item holds while it is on its way or waiting, in bytes. */
  readonly sizeOf: (item: T) => number;
}

/**
 * Makes results out of a list several at once, hands them out in the order of the list, and never holds more than a fixed
 * number and a fixed size of them. Whoever makes one closes it (`await using`): the signal that all tasks got is aborted
 * and no task goes on behind the caller's back.
 */
export class OrderedAhead<T, R> implements AsyncDisposable {
  readonly #items: readonly T[];
  readonly #task: (item: T, index: number, signal: AbortSignal) => Promise<R>;
  readonly #options: OrderedAheadOptions<T>;
  readonly #stopped = new AbortController();
  readonly #running: Promise<R>[] = [];
  #started = 0;
  #handedOut = 0;
  #heldBytes = 0;

  /** Starts nothing yet: the first {@linkcode next} does. */
  constructor(
    items: readonly T[],
    task: (item: T, index: number, signal: AbortSignal) => Promise<R>,
    options: OrderedAheadOptions<T>,
  ) {
    this.#items = items;
    this.#task = task;
    this.#options = options;
  }

  /** The next result in order, or undefined after the last. The one before is taken to be used up. */
  async next(): Promise<R | undefined> {
    const before = this.#items[this.#handedOut - 1];
    if (before !== undefined) this.#heldBytes -= this.#options.sizeOf(before);
    this.#startMore();
    const running = this.#running.shift();
    if (!running) return undefined;
    this.#handedOut++;
    return await running;
  }

  /** Stops what is on its way, and waits for its end. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#started = this.#items.length;
    this.#stopped.abort(new ImageError("aborted", "Stopped reading: the reader was closed"));
    await Promise.allSettled(this.#running.splice(0));
  }

  #startMore(): void {
    const { maxItems, maxBytes, sizeOf } = this.#options;
    while (this.#running.length < maxItems) {
      const item = this.#items[this.#started];
      if (item === undefined) return;
      const bytes = sizeOf(item);
      if (this.#running.length > 0 && this.#heldBytes + bytes > maxBytes) return;
      this.#heldBytes += bytes;
      const running = this.#task(item, this.#started++, this.#stopped.signal);
      // A failure is thrown where its turn comes; until then it must not count as unhandled.
      running.catch(() => {});
      this.#running.push(running);
    }
  }
}
