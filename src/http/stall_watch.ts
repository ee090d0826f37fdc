import { ImageError } from "../errors.ts";

/**
 * Gives up on a server that is silent for too long.
 *
 * Only the time in which the server has the next word counts: while its answer waits to be read, or the body that is
 * sent to it waits for its own source, the watch is paused. A firewall that swallows a connection would otherwise hold
 * it forever.
 */
export class StallWatch {
  readonly #controller = new AbortController();
  readonly #timeoutMs: number;
  readonly #host: string;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #waitingSince: number | undefined;

  /** Starts counting. `host` is named in the failure. */
  constructor(timeoutMs: number, host: string) {
    this.#timeoutMs = timeoutMs;
    this.#host = host;
    this.#waitingSince = performance.now();
    this.#arm(timeoutMs);
  }

  /** Aborts when the server was silent for too long. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Why it was given up: `unavailable`; undefined while it was not. */
  get failure(): ImageError | undefined {
    return this.#controller.signal.aborted ? this.#controller.signal.reason as ImageError : undefined;
  }

  /** Runs a step in which nothing is expected of the server. */
  async paused<T>(step: () => Promise<T>): Promise<T> {
    this.pause();
    try {
      return await step();
    } finally {
      this.resume();
    }
  }

  /** Stops counting. */
  pause(): void {
    this.#waitingSince = undefined;
  }

  /** Counts from zero. */
  resume(): void {
    this.#waitingSince = performance.now();
  }

  /** Ends the watch: all is received, or nobody wants the rest. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** One timer that looks after the clock, in place of one for every piece of the body. */
  #arm(delayMs: number): void {
    const timer = setTimeout(() => {
      const waitedMs = this.#waitingSince === undefined ? 0 : performance.now() - this.#waitingSince;
      if (waitedMs < this.#timeoutMs) return this.#arm(this.#timeoutMs - waitedMs);
      const seconds = Math.round(this.#timeoutMs / 1000);
      this.#controller.abort(
        new ImageError("unavailable", `Cannot reach "${this.#host}": it was silent for ${seconds} seconds`),
      );
    }, delayMs);
    Deno.unrefTimer(timer);
    this.#timer = timer;
  }
}
