/** Documents and assertions that the tests of manifests have in common. */
import assert from "node:assert/strict";
import { type ErrorCode, isImageError } from "../../src/errors.ts";
import { type Manifest, readManifest, type ReadManifestOptions } from "../../src/oci/manifest.ts";
import { MEDIA_TYPES } from "../../src/oci/media_types.ts";

/** A digest of nothing in particular. */
export const DIGEST = `sha256:${"0123456789abcdef".repeat(4)}`;
/** A descriptor of seven bytes. */
export const blob = (mediaType: string, extra: object = {}) => ({ mediaType, digest: DIGEST, size: 7, ...extra });
/** A config's descriptor. */
export const config = blob(MEDIA_TYPES.ociConfig);
/** The smallest usual image manifest. */
export const image = {
  schemaVersion: 2,
  mediaType: MEDIA_TYPES.ociManifest,
  config,
  layers: [blob(MEDIA_TYPES.ociLayerGzip)],
};
/** The smallest usual index. */
export const index = { schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests: [blob(MEDIA_TYPES.ociManifest)] };

/** A document, or text as it is, in bytes. */
export function bytesOf(document: unknown): Uint8Array<ArrayBuffer> {
  const text = typeof document === "string" ? document : JSON.stringify(document);
  return new Uint8Array(new TextEncoder().encode(text));
}

/** Reads a document as a manifest named in errors as `manifest "app:v1"`. */
export function read(document: unknown, options?: ReadManifestOptions): Manifest {
  return readManifest(bytesOf(document), `manifest "app:v1"`, options);
}

/** Asserts that a document is refused with this code and a message that names it. */
export function refuses(document: unknown, code: ErrorCode, message: RegExp, options?: ReadManifestOptions): void {
  assert.throws(() => read(document, options), (error) => {
    assert.ok(isImageError(error, code), `${error}`);
    assert.match(error.message, message);
    assert.match(error.message, /manifest "app:v1"/, "the message names the document");
    assert.doesNotMatch(error.message, /\p{Cc}/u);
    return true;
  });
}
