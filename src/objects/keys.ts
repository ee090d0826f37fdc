import { ImageError } from "../errors.ts";

/** Longest key that S3 takes, in UTF-8 bytes. */
const MAX_KEY_BYTES = 1024;

/**
 * Checks that a key is relative, without empty, `.` and `..` parts, backslashes and control characters, so that it is safe
 * as a path below a folder and in a URL. Throws `invalid-input`.
 */
export function checkKey(key: string): void {
  const bad = key.split("/").some((part) => part === "" || part === "." || part === "..") ||
    hasUnsafeCharacter(key) || new TextEncoder().encode(key).byteLength > MAX_KEY_BYTES;
  if (bad) throw new ImageError("invalid-input", `Cannot use "${key.slice(0, 80)}" as the key of an object`);
}

function hasUnsafeCharacter(key: string): boolean {
  for (let index = 0; index < key.length; index++) {
    const unit = key.charCodeAt(index);
    if (unit < 0x20 || unit === 0x7f || unit === 0x5c) return true;
  }
  return !key.isWellFormed();
}

/** S3's content type for a key: JSON documents are called so, everything else is bytes. */
export function contentTypeOf(key: string): string {
  return key.endsWith(".json") || key.endsWith("oci-layout") ? "application/json" : "application/octet-stream";
}
