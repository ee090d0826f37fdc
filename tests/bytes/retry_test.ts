import assert from "node:assert/strict";
import { ImageError, isImageError } from "../../src/errors.ts";
import { RETRY_AFTER_MS, retrying, sleep, withRetryAfter } from "../../src/bytes/retry.ts";

/** Runs a body with timers that fire at once and are written down, and with chosen random numbers. */
async function withFakeTime(random: number, body: (waits: number[]) => Promise<void>): Promise<void> {
  const { setTimeout: realSetTimeout } = globalThis;
  const { random: realRandom } = Math;
  const waits: number[] = [];
  globalThis.setTimeout = ((callback: () => void, delayMs: number) => {
    waits.push(delayMs);
    queueMicrotask(callback);
    return 0;
  }) as unknown as typeof setTimeout;
  Math.random = () => random;
  try {
    await body(waits);
  } finally {
    globalThis.setTimeout = realSetTimeout;
    Math.random = realRandom;
  }
}

const unavailable = (message = "busy") => new ImageError("unavailable", message);

Deno.test("retrying() tries again with doubling waits until it succeeds", { permissions: "none" }, async () => {
  await withFakeTime(0.5, async (waits) => {
    const told: number[] = [];
    const result = await retrying((attempt) => {
      if (attempt < 4) return Promise.reject(unavailable(`try ${attempt}`));
      return Promise.resolve(`done at ${attempt}`);
    }, { onRetry: (error, delayMs) => told.push(delayMs) && assert.match((error as Error).message, /^try \d$/) });
    assert.equal(result, "done at 4");
    assert.deepEqual(waits, [500, 1000, 2000]);
    assert.deepEqual(told, waits);
  });
});

Deno.test("retrying() spreads its waits by half to one and a half", { permissions: "none" }, async () => {
  for (const [random, expected] of [[0, 50], [0.999, 149.9]] as const) {
    await withFakeTime(random, async (waits) => {
      await assert.rejects(retrying(() => Promise.reject(unavailable()), { tries: 2, baseDelayMs: 100 }));
      assert.deepEqual(waits.map((wait) => Math.round(wait * 10) / 10), [expected]);
    });
  }
});

Deno.test("retrying() gives the last error when the tries run out", { permissions: "none" }, async () => {
  await withFakeTime(0.5, async (waits) => {
    let tries = 0;
    await assert.rejects(retrying(() => Promise.reject(unavailable(`try ${++tries}`))), /^ImageError: try 5$/);
    assert.equal(waits.length, 4);
    await assert.rejects(retrying(() => Promise.reject(unavailable()), { tries: 1 }));
    assert.equal(waits.length, 4);
  });
});

Deno.test("retrying() repeats nothing that trying won't mend", { permissions: "none" }, async () => {
  for (const error of [new ImageError("denied", "no"), new ImageError("digest-mismatch", "no"), new TypeError("bug")]) {
    let tries = 0;
    await assert.rejects(
      retrying(() => {
        tries++;
        throw error;
      }),
      (thrown) => thrown === error,
    );
    assert.equal(tries, 1);
  }
});

Deno.test("retrying() waits as long as the server asks, up to the longest wait", { permissions: "none" }, async () => {
  await withFakeTime(0.5, async (waits) => {
    const asked = [7_000, 0, 3_600_000];
    await retrying((attempt) => {
      const delayMs = asked[attempt - 1];
      return delayMs === undefined ? Promise.resolve() : Promise.reject(withRetryAfter(unavailable(), delayMs));
    });
    assert.deepEqual(waits, [7_050, 50, 30_000]);
  });
});

Deno.test("retrying() never waits longer than maxDelayMs", { permissions: "none" }, async () => {
  await withFakeTime(0.5, async (waits) => {
    await assert.rejects(retrying(() => Promise.reject(unavailable()), { tries: 12, maxDelayMs: 4000 }));
    assert.deepEqual(waits, [500, 1000, 2000, ...Array(8).fill(4000)]);
  });
});

Deno.test("withRetryAfter() marks an error only when a wait is known", { permissions: "none" }, () => {
  const error = unavailable();
  assert.equal(withRetryAfter(error, undefined), error);
  assert.equal(RETRY_AFTER_MS in error, false);
  assert.equal((withRetryAfter(error, 5) as { [RETRY_AFTER_MS]?: number })[RETRY_AFTER_MS], 5);
  assert.ok(isImageError(error, "unavailable"));
});

Deno.test(
  "retrying() gives up when the signal aborts, also in the middle of a wait",
  { permissions: "none" },
  async () => {
    const stop = new AbortController();
    const reason = new Error("stopped by the user");
    let tries = 0;
    const work = retrying(() => {
      tries++;
      return Promise.reject(unavailable());
    }, { baseDelayMs: 60_000, signal: stop.signal, onRetry: () => queueMicrotask(() => stop.abort(reason)) });
    await assert.rejects(work, (error: Error) => isImageError(error, "aborted") && error.cause === reason);
    assert.equal(tries, 1);
    const aborted = retrying(() => Promise.reject(unavailable("last words")), { signal: stop.signal });
    await assert.rejects(aborted, /last words/, "no further try after the abort");
  },
);

Deno.test("sleep() wakes in time, and leaves neither timer nor listener", { permissions: "none" }, async () => {
  const stop = new AbortController();
  let listeners = 0;
  const { addEventListener, removeEventListener } = stop.signal;
  stop.signal.addEventListener = (
    ...args: unknown[]
  ) => (listeners++, addEventListener.apply(stop.signal, args as never));
  stop.signal.removeEventListener = (
    ...args: unknown[]
  ) => (listeners--, removeEventListener.apply(stop.signal, args as never));
  const started = performance.now();
  await sleep(20, stop.signal);
  assert.ok(performance.now() - started >= 15);
  assert.equal(listeners, 0);
  stop.abort(new Error("too late to matter"));
  await assert.rejects(sleep(60_000, stop.signal), /too late/);
});
