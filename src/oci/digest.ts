import { createHash, type Hash } from "node:crypto";
import { clipped, ImageError } from "../errors.ts";

declare const digestBrand: unique symbol;

/**
 * A checked digest, `algorithm:hex` in lower case; made by {@linkcode parseDigest} or {@linkcode digestOf} only, so it is
 * safe as part of a path or key.
 *
 * Spec: OCI image-spec v1.1.1, descriptor.md, "Digests".
 */
export type Digest = string & { readonly [digestBrand]: true };

/** The registered algorithms that s3lo computes. */
export type DigestAlgorithm = "sha256" | "sha512";

const HEX_LENGTHS: Readonly<Record<DigestAlgorithm, number>> = { sha256: 64, sha512: 128 };

/**
 * Checks a digest's text and returns it branded.
 *
 * Throws `invalid-reference` when the text is no digest, `unsupported` when its algorithm is not sha256 or sha512.
 */
export function parseDigest(text: string): Digest {
  const match = /^([a-z0-9]+(?:[+._-][a-z0-9]+)*):([a-zA-Z0-9=_-]+)$/.exec(text);
  if (!match) throw new ImageError("invalid-reference", `Invalid digest "${clipped(text)}": expected algorithm:hex`);
  const [, algorithm = "", encoded = ""] = match;
  if (!isAlgorithm(algorithm)) {
    throw new ImageError(
      "unsupported",
      `Unsupported digest algorithm "${clipped(algorithm)}": sha256 and sha512 are known`,
    );
  }
  const length = HEX_LENGTHS[algorithm];
  if (encoded.length !== length || !/^[0-9a-f]+$/.test(encoded)) {
    throw new ImageError(
      "invalid-reference",
      `Invalid digest "${clipped(text)}": ${algorithm} takes ${length} lower-case hex digits`,
    );
  }
  return text as Digest;
}

/** Whether the text is a digest that {@linkcode parseDigest} accepts. */
export function isDigest(text: string): text is Digest {
  try {
    parseDigest(text);
    return true;
  } catch {
    return false;
  }
}

/** The algorithm part of a digest. */
export function algorithmOf(digest: Digest): DigestAlgorithm {
  return digest.slice(0, digest.indexOf(":")) as DigestAlgorithm;
}

/** The hex part of a digest: lower case, no prefix. */
export function hexOf(digest: Digest): string {
  return digest.slice(digest.indexOf(":") + 1);
}

/** The digest of bytes held in memory. */
export function digestOf(bytes: Uint8Array, algorithm: DigestAlgorithm = "sha256"): Digest {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest("hex")}` as Digest;
}

/** A digest that grows with the bytes fed to it. The only user of the runtime's hash functions. */
export class Hasher {
  readonly #algorithm: DigestAlgorithm;
  readonly #hash: Hash;

  /** Starts empty, or as a copy of `state`. */
  constructor(algorithm: DigestAlgorithm, state?: Hash) {
    this.#algorithm = algorithm;
    this.#hash = state ?? createHash(algorithm);
  }

  /** Feeds bytes, in order. */
  update(bytes: Uint8Array): void {
    this.#hash.update(bytes);
  }

  /** The digest of all bytes so far; feeding may go on afterwards. */
  digest(): Digest {
    return `${this.#algorithm}:${this.#hash.copy().digest("hex")}` as Digest;
  }

  /** An independent hasher in the same state. */
  copy(): Hasher {
    return new Hasher(this.#algorithm, this.#hash.copy());
  }
}

/**
 * The path of a blob, relative to a store or image layout: `blobs/<algorithm>/<hex>`.
 *
 * Spec: OCI image-spec v1.1.1, image-layout.md, "Blobs"; the same in every s3lo bucket.
 */
export function blobPath(digest: Digest): string {
  return `${blobFolder(algorithmOf(digest))}${hexOf(digest)}`;
}

/** The folder of all blobs whose digests use an algorithm, with a slash at its end: what their paths begin with. */
export function blobFolder(algorithm: DigestAlgorithm): string {
  return `blobs/${algorithm}/`;
}

function isAlgorithm(text: string): text is DigestAlgorithm {
  return text === "sha256" || text === "sha512";
}
