import type { Descriptor } from "../oci/descriptor.ts";
import { blobPath, type Digest } from "../oci/digest.ts";
import { manifestKind } from "../oci/media_types.ts";
import type { ArchiveFiles } from "./archive_files.ts";
import { readLayoutIndex, readLayoutManifest } from "./layout_reader.ts";

/** Most entries of a layout that are looked into. */
const MAX_ENTRIES = 10_000;

/**
 * The manifests of a layout's `index.json` that refer to a subject, described as a registry does it: with their artifact
 * type and annotations. None where there is no layout.
 *
 * Spec: OCI distribution-spec v1.1.1, "Listing Referrers".
 */
export async function layoutReferrers(files: ArchiveFiles, subject: Digest): Promise<readonly Descriptor[]> {
  const index = await readLayoutIndex(files);
  const found = new Map<Digest, Descriptor>();
  for (const entry of (index?.entries ?? []).slice(0, MAX_ENTRIES)) {
    const { mediaType, digest, size } = entry;
    if (!manifestKind(mediaType) || found.has(digest) || await files.sizeOf(blobPath(digest)) === undefined) continue;
    const { content } = await readLayoutManifest(files, entry);
    if (content.subject?.digest !== subject) continue;
    const artifactType = content.artifactType ?? (content.kind === "image" ? content.config.mediaType : undefined);
    found.set(digest, {
      mediaType,
      digest,
      size,
      ...(artifactType === undefined ? {} : { artifactType }),
      ...(Object.keys(content.annotations).length > 0 ? { annotations: content.annotations } : {}),
    });
  }
  return [...found.values()];
}
