import { ImageError } from "../errors.ts";

/** Milliseconds of each unit, as Go writes spans of time. */
const UNITS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };

/** Longest time that a timer takes: 2^31 milliseconds, 24 days. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/**
 * Reads a span of time: `90s`, `1h30m`, `1.5m`, or a number of seconds. 0 stands for none: undefined.
 *
 * `origin` says in the error where it stands. Throws `usage`.
 */
export function parseTimeout(text: string, origin: string): number | undefined {
  const isNumber = /^\d{1,9}(?:\.\d{1,3})?$/.test(text);
  const isSpan = /^(?:\d{1,9}(?:\.\d{1,3})?(?:h|ms|m|s))+$/.test(text);
  const parts = [...text.matchAll(/([\d.]+)(h|ms|m|s)/g)];
  const timeoutMs = isNumber
    ? Number(text) * 1000
    : parts.reduce((sum, [, number, unit]) => sum + Number(number) * UNITS[unit!]!, 0);
  if ((!isNumber && !isSpan) || timeoutMs > MAX_TIMEOUT_MS) {
    throw new ImageError("usage", `Invalid ${origin} "${text}": expected a time such as 90s, 10m or 1h30m`);
  }
  return timeoutMs === 0 ? undefined : timeoutMs;
}

/** Stops a run when its time is over. Dispose it at the end. */
export class TimeLimit implements Disposable {
  readonly #controller = new AbortController();
  readonly #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #text: string;

  /** `text` and `origin` as in {@linkcode parseTimeout}; no text is no limit. */
  constructor(text: string | undefined, origin = "--timeout") {
    this.#text = text ?? "";
    const timeoutMs = text === undefined ? undefined : parseTimeout(text, origin);
    if (timeoutMs === undefined) return;
    this.#timer = setTimeout(() => this.#controller.abort(this.#error()), timeoutMs);
    Deno.unrefTimer(this.#timer as unknown as number);
  }

  /** Aborts when the time is over. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** What to say instead of a failure that came of the stop; undefined while there is time. */
  get error(): ImageError | undefined {
    return this.signal.aborted ? this.#error() : undefined;
  }

  /** Lets the time run on unwatched. */
  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }

  #error(): ImageError {
    return new ImageError("aborted", `Gave up after ${this.#text}, the time that --timeout leaves`, {
      hint: "Run the command again, which goes on from what is stored, or give it more time",
    });
  }
}
