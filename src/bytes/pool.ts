/** Lets at most `limit` tasks run at once; further ones wait in order. */
export class Semaphore {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  /** `limit`: how many may hold it at once, 1 or more. */
  constructor(limit: number) {
    this.#free = Math.max(1, limit);
  }

  /** Waits for a place and runs the task in it. */
  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await task();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free++;
    }
  }
}

/**
 * Runs `task` on every item, `limit` at once, and gives the results in the order of the items.
 *
 * The first failure aborts the signal that all tasks get, no further item is started, and it is thrown once every task
 * that was running has ended, so nothing goes on behind the caller's back.
 */
export async function mapPool<T, R>(
  items: Iterable<T>,
  limit: number,
  task: (item: T, signal: AbortSignal) => Promise<R>,
  signal?: AbortSignal,
): Promise<R[]> {
  const failed = new AbortController();
  const combined = signal ? AbortSignal.any([signal, failed.signal]) : failed.signal;
  const results: R[] = [];
  const errors: unknown[] = [];
  const all = [...items];
  const entries = all.entries();
  const worker = async () => {
    for (const [index, item] of entries) {
      if (combined.aborted) return;
      try {
        results[index] = await task(item, combined);
      } catch (error) {
        errors.push(error);
        failed.abort(error);
        return;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, Math.min(limit, all.length)) }, worker));
  if (errors.length > 0) throw errors[0];
  signal?.throwIfAborted();
  return results;
}
