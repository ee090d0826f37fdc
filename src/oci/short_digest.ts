import type { Digest } from "./digest.ts";

/**
 * The first characters of a digest, enough for a person: `sha256:` and 12 hex digits. Apart from the rest of digests, so that
 * starting loads no hash functions.
 */
export function shortDigest(digest: Digest): string {
  return digest.slice(0, digest.indexOf(":") + 13);
}
