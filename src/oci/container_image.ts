import type { ImageManifest, ManifestContent } from "./manifest.ts";
import { layerCompression, MEDIA_TYPES } from "./media_types.ts";

const CONFIG_TYPES: readonly string[] = [MEDIA_TYPES.ociConfig, MEDIA_TYPES.dockerConfig];

/** Whether a manifest is of an image that containers can be made of, and of no artifact (a chart, a signature, an SBOM). */
export function isContainerImage(content: ManifestContent): content is ImageManifest {
  return content.kind === "image" && CONFIG_TYPES.includes(content.config.mediaType) &&
    content.layers.every((layer) => layerCompression(layer.mediaType) !== undefined);
}

/** Whether a manifest is of an artifact (a chart, a signature, an SBOM), which no platform runs; its config tells. */
export function isArtifact(content: ManifestContent): boolean {
  if (content.kind !== "image") return content.kind === "artifact";
  return content.config.mediaType !== "" && !CONFIG_TYPES.includes(content.config.mediaType);
}

/** What kind of artifact a manifest is of, as it calls itself. */
export function artifactType(content: ManifestContent): string {
  return content.artifactType || (content.kind === "image" ? content.config.mediaType : content.mediaType);
}
