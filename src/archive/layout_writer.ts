import type { Descriptor } from "../oci/descriptor.ts";
import { MEDIA_TYPES } from "../oci/media_types.ts";
import { CONTAINERD_NAME, parseImageName, REF_NAME } from "./image_names.ts";

/** The content of the file that marks an image layout. Spec: OCI image-spec v1.1.1, image-layout.md, "oci-layout file". */
export const LAYOUT_BYTES: Uint8Array<ArrayBuffer> = jsonBytes({ imageLayoutVersion: "1.0.0" });

/** The `index.json` of a layout that holds one root under some names. */
export function layoutIndex(
  root: Pick<Descriptor, "mediaType" | "digest" | "size">,
  names: readonly string[],
  annotations: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  const { mediaType, digest, size } = root;
  const named = names.map((text) => parseImageName(text)).map((name) => ({
    [CONTAINERD_NAME]: name.full,
    [REF_NAME]: name.tag,
  }));
  const manifests = (named.length === 0 ? [{}] : named).map((own) => {
    const all = { ...own, ...annotations };
    return { mediaType, digest, size, ...(Object.keys(all).length > 0 ? { annotations: all } : {}) };
  });
  return jsonBytes({ schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests });
}

/** A value as compact JSON. */
export function jsonBytes(value: unknown): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(value));
}
