import { ImageError } from "../errors.ts";
import { type Digest, parseDigest } from "./digest.ts";
import { Members, parseJsonObject } from "./json.ts";
import { parsePlatformObject, type Platform } from "./platform.ts";

/** Largest image config that is read into memory, in bytes. */
export const MAX_CONFIG_BYTES = 8 * 1024 * 1024;

/** What an image config says that an archive needs. */
export interface ImageConfig {
  readonly platform: Platform;
  /** Digests of the layers' tars, lowest layer first. */
  readonly diffIds: readonly Digest[];
}

/**
 * Reads an image config. `what` names it in errors.
 *
 * Throws `invalid-input`. Spec: OCI image-spec v1.1.1, config.md, "Properties".
 */
export function readImageConfig(bytes: Uint8Array, what: string): ImageConfig {
  const document = parseJsonObject(bytes, what);
  const rootfs = new Members(document["rootfs"] ?? {}, `rootfs of ${what}`);
  const diffIds = (rootfs.strings("diff_ids") ?? []).map((text) => {
    try {
      return parseDigest(text);
    } catch (cause) {
      throw new ImageError("invalid-input", `Invalid ${what}: ${(cause as Error).message}`, { cause });
    }
  });
  return { platform: parsePlatformObject(document, what), diffIds };
}
