import { ImageError } from "../errors.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { jsonBytes, parseJsonObject } from "../oci/json.ts";
import { attestedDigest, isRunnable, type Manifest, readManifest } from "../oci/manifest.ts";
import { MEDIA_TYPES } from "../oci/media_types.ts";
import { formatPlatform, normalizePlatform, type Platform } from "../oci/platform.ts";

/** One entry of an index: what it says, and its JSON as it was written (members that nobody knows stay). */
export interface IndexEntry {
  readonly descriptor: Descriptor;
  readonly member: unknown;
}

/** The entries of an index, in its order; none for anything else. */
export function entriesOf(index: Manifest): readonly IndexEntry[] {
  if (index.content.kind !== "index") return [];
  const members = parseJsonObject(index.bytes, "index")["manifests"] as readonly unknown[] | undefined ?? [];
  return index.content.manifests.map((descriptor, position) => ({ descriptor, member: members[position] }));
}

/** The entry that names a single image of a platform. Spec: OCI image-spec v1.1.1, image-index.md. */
export function entryFor(image: Manifest, platform: Platform): IndexEntry {
  const { mediaType, digest, size } = image.descriptor;
  const member = {
    mediaType,
    digest,
    size,
    platform: {
      architecture: platform.architecture,
      os: platform.os,
      ...(platform.osVersion ? { "os.version": platform.osVersion } : {}),
      ...(platform.osFeatures ? { "os.features": platform.osFeatures } : {}),
      ...(platform.variant ? { variant: platform.variant } : {}),
    },
  };
  return { descriptor: { mediaType, digest, size, platform }, member };
}

/**
 * The entries of two lists as one, each digest once.
 *
 * Two images of one platform are refused (`conflict`) unless `replace` lets the added one win; what attests to an image that
 * goes, goes too.
 */
export function joinEntries(
  entries: readonly IndexEntry[],
  added: readonly IndexEntry[],
  options: { readonly replace?: boolean } = {},
): readonly IndexEntry[] {
  let joined = [...entries];
  for (const entry of added) {
    if (joined.some((each) => each.descriptor.digest === entry.descriptor.digest)) continue;
    const rival = isRunnable(entry.descriptor) &&
      joined.find((each) => isRunnable(each.descriptor) && keyOf(each.descriptor) === keyOf(entry.descriptor));
    if (rival && !options.replace) {
      throw new ImageError(
        "conflict",
        `Cannot join two images of ${
          keyOf(entry.descriptor)
        }: "${rival.descriptor.digest}" and "${entry.descriptor.digest}"`,
        { hint: "Leave one of them out, or replace the older one with: s3lo index add --replace" },
      );
    }
    if (rival) joined = withoutEntries(joined, (each) => each === rival);
    joined.push(entry);
  }
  return joined;
}

/** The entries without those that are chosen, and without what attests to them. */
export function withoutEntries(entries: readonly IndexEntry[], isChosen: (entry: IndexEntry) => boolean): IndexEntry[] {
  const gone = new Set(entries.filter(isChosen).map((each) => each.descriptor.digest));
  return entries.filter(({ descriptor }) => {
    const subject = attestedDigest(descriptor);
    return !gone.has(descriptor.digest) && !(subject !== undefined && gone.has(subject));
  });
}

/**
 * An index of the given entries; everything else (annotations, unknown members) is that of `base`, where there is one.
 * `what` names it in errors.
 */
export function indexManifest(entries: readonly IndexEntry[], base?: Manifest, what = "joined index"): Manifest {
  const index = base?.content.kind === "index" ? base : undefined;
  const common = index ? parseJsonObject(index.bytes, "index") : { schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex };
  const bytes = jsonBytes({ ...common, manifests: entries.map((each) => each.member) });
  return readManifest(bytes, what, { mediaType: index?.descriptor.mediaType });
}

function keyOf(descriptor: Descriptor): string {
  return descriptor.platform ? formatPlatform(normalizePlatform(descriptor.platform)) : "";
}
