import type { Descriptor } from "./descriptor.ts";
import { algorithmOf, type Digest, hexOf } from "./digest.ts";
import type { Manifest, ManifestContent } from "./manifest.ts";

/** The ends of the tags under which cosign keeps signatures, attestations and SBOMs of a digest. */
const COSIGN_ENDS = [".sig", ".att", ".sbom"] as const;

/**
 * The tag under which the referrers of a manifest are listed where there is no API for it: an index of all of them. Its
 * second part is cut at 64 characters, as the specification wants it.
 *
 * A bucket holds them so too, so that whatever follows tags (garbage collection, older readers) keeps them alive. Spec: OCI
 * distribution-spec v1.1.1, "Referrers Tag Schema".
 */
export function referrersTag(subject: Digest): string {
  return `${algorithmOf(subject)}-${hexOf(subject).slice(0, 64)}`;
}

/** The tags under which cosign keeps what belongs to a manifest; none for digests that it does not name so. */
export function cosignTags(subject: Digest): readonly string[] {
  if (algorithmOf(subject) !== "sha256") return [];
  return COSIGN_ENDS.map((end) => `sha256-${hexOf(subject)}${end}`);
}

/** Whether a tag is no release but holds what refers to a digest: a referrers index, or cosign's `sha256-….sig`. */
export function isDigestTag(tag: string): boolean {
  return /^sha(?:256-[0-9a-f]{64}|512-[0-9a-f]{64,128})(?:\.[a-z]+)?$/.test(tag);
}

/** A manifest as the list of its subject's referrers describes it. Spec: OCI distribution-spec v1.1.1, "Listing Referrers". */
export function referrerEntry({ descriptor, content }: Manifest): Descriptor {
  const artifactType = content.artifactType ?? (content.kind === "image" ? content.config.mediaType : undefined);
  return {
    mediaType: content.mediaType,
    digest: descriptor.digest,
    size: descriptor.size,
    ...(artifactType ? { artifactType } : {}),
    ...(Object.keys(content.annotations).length > 0 ? { annotations: content.annotations } : {}),
  };
}

/**
 * Whether what lies at a referrers tag is a list of referrers. An image was put there by a person, and so was an index that
 * gives each of its entries a platform and none an artifact type.
 */
export function isReferrersList(content: ManifestContent): boolean {
  if (content.kind !== "index") return false;
  const isImage = (entry: Descriptor) => entry.platform !== undefined && entry.artifactType === undefined;
  return content.manifests.length === 0 || !content.manifests.every(isImage);
}
