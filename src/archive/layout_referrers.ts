import type { Descriptor } from "../oci/descriptor.ts";
import { blobPath, type Digest } from "../oci/digest.ts";
import { MAX_MANIFESTS_BYTES, Total } from "../oci/limits.ts";
import { manifestKind } from "../oci/media_types.ts";
import type { ArchiveFiles } from "./archive_files.ts";
import { readLayoutIndex, readLayoutManifest } from "./layout_reader.ts";

/** Most entries of a layout that are looked into. */
const MAX_ENTRIES = 10_000;

/**
 * The manifests of a layout's `index.json` that refer to a subject, by the subject, described as a registry does it: with
 * their artifact type and annotations. None where there is no layout.
 *
 * Spec: OCI distribution-spec v1.1.1, "Listing Referrers".
 */
export async function layoutReferrers(files: ArchiveFiles): Promise<ReadonlyMap<Digest, readonly Descriptor[]>> {
  const index = await readLayoutIndex(files);
  return await referrersBySubject(files, index?.entries ?? []);
}

/** Those of a layout's entries that refer to something, by what they refer to; see {@linkcode layoutReferrers}. */
export async function referrersBySubject(
  files: ArchiveFiles,
  entries: readonly Descriptor[],
): Promise<ReadonlyMap<Digest, readonly Descriptor[]>> {
  const seen = new Set<Digest>();
  const chars = new Total(`Cannot read "${files.name}"`, MAX_MANIFESTS_BYTES, "characters of referrers' annotations");
  const found = new Map<Digest, Descriptor[]>();
  for (const entry of entries.slice(0, MAX_ENTRIES)) {
    const { mediaType, digest, size } = entry;
    if (!manifestKind(mediaType) || seen.has(digest) || await files.sizeOf(blobPath(digest)) === undefined) continue;
    seen.add(digest);
    const { content } = await readLayoutManifest(files, entry);
    const subject = content.subject?.digest;
    if (subject === undefined) continue;
    const artifactType = content.artifactType ?? (content.kind === "image" ? content.config.mediaType : undefined);
    const referrer = {
      mediaType,
      digest,
      size,
      ...(artifactType === undefined ? {} : { artifactType }),
      ...(Object.keys(content.annotations).length > 0 ? { annotations: content.annotations } : {}),
    };
    for (const text of Object.entries(content.annotations).flat()) chars.add(text.length);
    found.set(subject, [...found.get(subject) ?? [], referrer]);
  }
  return found;
}
