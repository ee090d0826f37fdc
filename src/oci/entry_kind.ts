import type { Descriptor } from "./descriptor.ts";
import type { ManifestContent } from "./manifest.ts";
import { bareMediaType, layerCompression, manifestKind, MEDIA_TYPES } from "./media_types.ts";

/** What an entry of an index is that names no platform, in the words that stand in a platform's place. */
export type EntryKind =
  | "(index)"
  | "(artifact)"
  | "(build cache)"
  | "(layer)"
  | "(blob)"
  | "(no platform)";

/** What BuildKit's cache begins its media types with. */
const BUILD_CACHE = "application/vnd.buildkit.cacheconfig.";

/** Tells what an entry without a platform is; `content` is its manifest, where it was read. */
export function entryKind(entry: Descriptor, content?: ManifestContent): EntryKind {
  if (isBuildCache(entry.mediaType)) return "(build cache)";
  const kind = content?.kind ?? manifestKind(entry.mediaType);
  if (kind === "index") return "(index)";
  if (kind === undefined && entry.mediaType !== "") {
    return layerCompression(entry.mediaType) === undefined ? "(blob)" : "(layer)";
  }
  if (content?.kind === "image" && isBuildCache(content.config.mediaType)) return "(build cache)";
  return kind === "artifact" || artifactTypeOf(content) !== undefined || entry.artifactType !== undefined
    ? "(artifact)"
    : "(no platform)";
}

/** What an artifact is: what its manifest says, else the type of a config that is no image's. Undefined for images. */
export function artifactTypeOf(content: ManifestContent | undefined): string | undefined {
  if (content?.artifactType !== undefined || content?.kind !== "image") return content?.artifactType;
  const type = bareMediaType(content.config.mediaType);
  const isImage = type === MEDIA_TYPES.ociConfig || type === MEDIA_TYPES.dockerConfig || type === "" ||
    /(?:container\.image|image\.config)\.v1\+json$/.test(type);
  return isImage ? undefined : content.config.mediaType;
}

function isBuildCache(mediaType: string): boolean {
  return bareMediaType(mediaType).startsWith(BUILD_CACHE);
}
