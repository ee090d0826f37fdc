import { ImageError } from "../errors.ts";
import type { EngineImage, EngineManifest } from "../engine/engine_image.ts";
import type { LeftOutEntry } from "../image/places.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import { manifestKind } from "../oci/media_types.ts";
import { formatPlatform, nearestPlatform, normalizePlatform, type Platform, selectPlatform } from "../oci/platform.ts";

/** Which part of an image is wanted. */
export interface DaemonSelection {
  /** The one platform to take. */
  readonly platform?: Platform | undefined;
  /** Whether the index and its attestations are kept even around a single platform. */
  readonly allPlatforms?: boolean | undefined;
}

/** What an image in the containerd store is pushed as. */
export interface DaemonChoice {
  /** The manifest or index that it starts from. */
  readonly root: Descriptor;
  /** The entries of the index that are there whole, when some are not: a smaller index is made of them. */
  readonly kept: ReadonlySet<Digest> | undefined;
  /** The platform to export; undefined exports all that is there. */
  readonly platform: Platform | undefined;
  /** What the index names and is not there whole. */
  readonly leftOut: readonly LeftOutEntry[];
}

/**
 * Chooses what to push of an image whose manifests the daemon has listed: a platform that was asked for, else the only
 * image that is there, else the index of all that are, or of the artifacts where it holds no image.
 *
 * Throws `not-found`, listing what there is, when the platform (or anything at all) is not there whole.
 */
export function chooseFromDaemon(
  image: EngineImage & { readonly root: Descriptor },
  name: string,
  { platform, allPlatforms = false }: DaemonSelection,
): DaemonChoice {
  const { root, manifests } = image;
  const complete = manifests.filter((entry) => entry.isComplete);
  if (complete.length === 0) {
    throw new ImageError("not-found", `Cannot read image "${name}" from the daemon: it holds no platform of it whole`, {
      hint: "Pull the image again, or build it",
    });
  }
  const images = complete.filter((entry) => entry.kind === "image");
  if (platform) return { ...single(onePlatform(images, platform, name), manifests), leftOut: [] };
  const whole = { root, kept: undefined, platform: undefined, leftOut: [] };
  if (manifestKind(root.mediaType) !== "index") return whole;
  const absent = new Set(manifests.filter((entry) => !entry.isComplete).map((entry) => entry.descriptor.digest));
  // An attestation goes with its image; one whose image stays behind would speak of something that is not there.
  const isOrphan = ({ subject }: EngineManifest) => subject !== undefined && absent.has(subject);
  const leftOut = manifests.filter((entry) => !entry.isComplete && !isOrphan(entry)).map((entry) => ({
    label: labelOf(entry, manifests),
    isAttestation: entry.kind === "attestation",
  }));
  const [only] = images;
  if (only && images.length === 1 && !allPlatforms) {
    return { ...single(only, manifests), leftOut: leftOut.filter((entry) => !entry.isAttestation) };
  }
  const kept = complete.filter((entry) => !isOrphan(entry));
  if (kept.length === manifests.length) return whole;
  return { root, kept: new Set(kept.map((entry) => entry.descriptor.digest)), platform: undefined, leftOut };
}

/** One image. It is exported by its platform where that names no other one too, and names one at all. */
function single(
  { descriptor }: EngineManifest,
  manifests: readonly EngineManifest[],
): Omit<DaemonChoice, "leftOut"> {
  const key = keyOf(descriptor.platform);
  const isClear = key !== undefined &&
    manifests.filter((entry) => keyOf(entry.descriptor.platform) === key).length === 1;
  return { root: descriptor, kept: undefined, platform: isClear ? descriptor.platform : undefined };
}

function keyOf(platform: Platform | undefined): string | undefined {
  if (!platform || platform.os === "" || platform.architecture === "") return undefined;
  return formatPlatform(normalizePlatform(platform));
}

function onePlatform(complete: readonly EngineManifest[], wanted: Platform, name: string): EngineManifest {
  const found = selectPlatform(complete.map((entry) => ({ entry, ...withPlatform(entry) })), wanted);
  if (found) return found.entry;
  const [only] = complete;
  // An image that does not say what it runs on is as good as any.
  if (only && complete.length === 1 && keyOf(only.descriptor.platform) === undefined) return only;
  const available = complete.flatMap(({ descriptor: { platform } }) => platform ? [platform] : []);
  const nearest = nearestPlatform(available, wanted);
  throw new ImageError(
    "not-found",
    `Cannot find platform ${formatPlatform(wanted)} of image "${name}" in the daemon (there: ` +
      `${available.map(formatPlatform).filter((text) => text !== "").join(", ") || "none that says what it runs on"})`,
    nearest ? { hint: `Use --platform ${formatPlatform(nearest)}` } : {},
  );
}

function withPlatform({ descriptor: { platform } }: EngineManifest): { platform?: Platform } {
  return platform ? { platform } : {};
}

function labelOf({ descriptor, subject }: EngineManifest, manifests: readonly EngineManifest[]): string {
  if (subject === undefined) return descriptor.platform ? formatPlatform(descriptor.platform) : descriptor.digest;
  const image = manifests.find((entry) => entry.descriptor.digest === subject)?.descriptor;
  return `attestation of ${image?.platform ? formatPlatform(image.platform) : subject}`;
}
