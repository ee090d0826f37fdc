/** Seeds of images that no service has seen: daemons and buckets find what is there, whoever brought it. */
const STEP = 20;

let next = (Date.now() % 100_000_000) * 40;

/** A seed, and some behind it, that nobody else gets. */
export function freshSeeds(): number {
  next += STEP;
  return next;
}
