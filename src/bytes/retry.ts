import { ImageError, isImageError, messageOf } from "../errors.ts";

/** A wait for a server: before another try, or for its first answer. */
export interface Wait {
  /** Why, for a person: what failed. */
  readonly reason: string;
  /** Who is waited for. */
  readonly host: string;
  /** How long at most. */
  readonly waitMs: number;
}

/** How often and how patiently a failed step is tried again. */
export interface RetryOptions {
  /** Tries in all, the first included. Default 5. */
  readonly tries?: number;
  /** Wait before the second try; doubles each time, with jitter. Default 500. */
  readonly baseDelayMs?: number;
  /** Longest wait, also where a server asks for a longer one. Default 30,000. */
  readonly maxDelayMs?: number;
  readonly signal?: AbortSignal | undefined;
  /** Told of every retry: what failed and how long the wait is. */
  readonly onRetry?: ((error: unknown, delayMs: number) => void) | undefined;
  /** Who is asked, for `onWait`. */
  readonly host?: string | undefined;
  /** Told of every wait, for people who wonder why nothing happens. */
  readonly onWait?: ((wait: Wait) => void) | undefined;
}

/** An error can carry how long its server asked to wait, in milliseconds, under this key. */
export const RETRY_AFTER_MS: unique symbol = Symbol("retryAfterMs");

/** Marks an error with the wait that the server asked for. Returns the error. */
export function withRetryAfter<E extends Error>(error: E, delayMs: number | undefined): E {
  return delayMs === undefined ? error : Object.assign(error, { [RETRY_AFTER_MS]: delayMs });
}

/** An error can carry how often a step that fails with it is worth trying, under this key. */
const TRIES: unique symbol = Symbol("tries");

/** Says how often, the first time included, a step is worth trying that fails with this error. Returns the error. */
export function limitTries<E extends Error>(error: E, tries: number): E {
  return Object.assign(error, { [TRIES]: tries });
}

/** How often a step is worth trying that failed with this error, or with one that this led to: the least that any says. */
export function triesWorth(error: unknown): number {
  let tries = Infinity;
  for (let inner = error; inner instanceof Error; inner = inner.cause) {
    tries = Math.min(tries, (inner as { [TRIES]?: number })[TRIES] ?? Infinity);
  }
  return tries;
}

/**
 * Runs a step that is safe to repeat until it succeeds, tries run out, or it fails in a way that trying won't mend.
 *
 * What was tried often enough in here is not tried again by whoever called: tries never multiply.
 */
export async function retrying<T>(step: (attempt: number) => Promise<T>, options: RetryOptions = {}): Promise<T> {
  const { tries = 5, baseDelayMs = 500, maxDelayMs = 30_000, signal } = options;
  for (let attempt = 1;; attempt++) {
    try {
      return await step(attempt);
    } catch (error) {
      if (!isImageError(error, "unavailable") || signal?.aborted) throw error;
      if (attempt >= Math.min(tries, triesWorth(error))) throw attempt > 1 ? limitTries(error, 1) : error;
      const asked = (error as { [RETRY_AFTER_MS]?: number })[RETRY_AFTER_MS];
      const backoff = baseDelayMs * 2 ** (attempt - 1) * (0.5 + Math.random());
      const delayMs = Math.min(asked === undefined ? backoff : asked + Math.random() * 100, maxDelayMs);
      options.onRetry?.(error, delayMs);
      options.onWait?.({ reason: messageOf(error), host: options.host ?? "the server", waitMs: delayMs });
      await sleep(delayMs, signal).catch((cause) => {
        throw new ImageError("aborted", "Stopped", { cause });
      });
    }
  }
}

/** Waits; a signal that aborts ends the wait with its reason. */
export function sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, delayMs);
    signal?.addEventListener("abort", stop, { once: true });
  });
}
