import type { Digest } from "./digest.ts";

/**
 * The first characters of a digest, enough for a person: `sha256:` and 12 hex digits. Apart from the rest about digests,
 * because what every start of the program loads must not load the runtime's hashing.
 */
export function shortDigest(digest: Digest): string {
  return digest.slice(0, digest.indexOf(":") + 13);
}
