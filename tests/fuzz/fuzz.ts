/** What fuzz tests have in common: seeds, time boxes, mutations, and the rule that only an ImageError may be thrown. */
import assert from "node:assert/strict";
import { ImageError } from "../../src/errors.ts";
import { Random } from "../support/images.ts";
import { cpuTime } from "../support/cpu_time.ts";

const SEED_VARIABLE = "S3LO_FUZZ_SEED";
const SECONDS_VARIABLE = "S3LO_FUZZ_SECONDS";

/** Inputs up to this length must be done within {@linkcode MAX_MS}. */
const SMALL_LENGTH = 4096;
const MAX_MS = 50;

/** Rounds that are run however long they take. */
const MIN_ROUNDS = 20;

/** What a parser made of an input. */
export type Outcome<T> = { readonly value: T } | { readonly error: ImageError };

/**
 * A test that runs `round` again and again with fresh random numbers: for two seconds, or `S3LO_FUZZ_SECONDS`. Every round has
 * its own seed, which a failure names; `S3LO_FUZZ_SEED` starts from it.
 */
export function fuzzTest(name: string, round: (random: Random) => void): void {
  Deno.test({
    name,
    permissions: { env: [SEED_VARIABLE, SECONDS_VARIABLE] },
    fn() {
      const first = Number(Deno.env.get(SEED_VARIABLE) ?? Date.now() % 2 ** 31);
      const until = performance.now() + 1000 * Number(Deno.env.get(SECONDS_VARIABLE) ?? 2);
      let rounds = 0;
      for (let seed = first; rounds <= MIN_ROUNDS || performance.now() < until; seed++, rounds++) {
        try {
          round(new Random(seed));
        } catch (error) {
          throw new Error(`Failed after ${rounds} rounds; again with ${SEED_VARIABLE}=${seed}`, { cause: error });
        }
      }
    },
  });
}

/**
 * Runs a parser on an input. Anything thrown but an `ImageError` with a clean one-line message fails, and so does taking longer
 * than 50 ms for a small input, three times in a row.
 */
export function outcomeOf<T>(input: string | Uint8Array, parse: () => T): Outcome<T> {
  const [outcome, elapsedMs] = timed(input, parse);
  if (input.length <= SMALL_LENGTH && elapsedMs > MAX_MS) {
    const fastest = Math.min(timed(input, parse)[1], timed(input, parse)[1]);
    assert.ok(fastest <= MAX_MS, `took ${fastest} ms for ${shown(input)}`);
  }
  return outcome;
}

function timed<T>(input: string | Uint8Array, parse: () => T): [Outcome<T>, number] {
  const spentMs = cpuTime();
  try {
    const value = parse();
    return [{ value }, spentMs()];
  } catch (error) {
    const elapsedMs = spentMs();
    assert.ok(error instanceof ImageError, `${shown(input)} threw ${error instanceof Error ? error.stack : error}`);
    assert.doesNotMatch(error.message, /\p{Cc}/u, shown(input));
    assert.ok(error.message.length > 0 && error.message.length < 1000, `message of ${error.message.length} characters`);
    return [{ error }, elapsedMs];
  }
}

function shown(input: string | Uint8Array): string {
  return JSON.stringify(typeof input === "string" ? input : new TextDecoder().decode(input)).slice(0, 2000);
}

/** One of a list. */
export function pick<T>(random: Random, list: readonly T[]): T {
  return list[random.next(list.length)]!;
}

/** A text made from one of the samples by a few random changes, with pieces that hurt; seldom longer than 4 KiB. */
export function mutated(random: Random, samples: readonly string[], pieces: readonly string[]): string {
  let text = pick(random, samples);
  for (let changes = random.next(6); changes > 0; changes--) text = changed(random, text, samples, pieces);
  return text.slice(0, random.next(50) === 0 ? 100_000 : SMALL_LENGTH);
}

function changed(random: Random, text: string, samples: readonly string[], pieces: readonly string[]): string {
  const at = random.next(text.length + 1);
  const to = Math.min(text.length, at + random.next(8));
  switch (random.next(7)) {
    case 0:
      return text.slice(0, at) + pick(random, pieces) + text.slice(at);
    case 1:
      return text.slice(0, at) + text.slice(to);
    case 2:
      return text.slice(0, at) + pick(random, pieces) + text.slice(to);
    case 3:
      return text.slice(0, at) + text.slice(at, to).repeat(1 + random.next(400)) + text.slice(to);
    case 4:
      return text.slice(0, at) + pick(random, pieces).repeat(1 + random.next(2000)) + text.slice(at);
    case 5:
      return text.slice(0, at) + pick(random, samples).slice(random.next(10));
    default:
      return text.slice(0, at) + String.fromCodePoint(codePoint(random)) + text.slice(to);
  }
}

function codePoint(random: Random): number {
  return random.next(pick(random, [0x21, 0x80, 0x800, 0x10000, 0x110000]));
}
