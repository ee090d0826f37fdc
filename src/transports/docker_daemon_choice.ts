import { ImageError } from "../errors.ts";
import type { EngineImage, EngineManifest } from "../engine/engine_image.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import { manifestKind } from "../oci/media_types.ts";
import { formatPlatform, nearestPlatform, type Platform, selectPlatform } from "../oci/platform.ts";

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
  /** Platforms that the index names and that are not there whole. */
  readonly missing: readonly Platform[];
}

/**
 * Chooses what to push of an image whose manifests the daemon has listed: a platform that was asked for, else the only
 * one that is there, else the index of all that are.
 *
 * Throws `not-found`, listing what there is, when the platform (or any platform at all) is not there whole.
 */
export function chooseFromDaemon(
  image: EngineImage & { readonly root: Descriptor },
  name: string,
  { platform, allPlatforms = false }: DaemonSelection,
): DaemonChoice {
  const images = image.manifests.filter((entry) => entry.kind === "image");
  const complete = images.filter((entry) => entry.isComplete);
  const missing = images.filter((entry) => !entry.isComplete).flatMap(platformsOf);
  if (complete.length === 0) {
    throw new ImageError("not-found", `Cannot read image "${name}" from the daemon: it holds no platform of it whole`, {
      hint: "Pull the image again, or build it",
    });
  }
  if (platform) return { ...single(onePlatform(complete, platform, name)), missing: [] };
  const isIndex = manifestKind(image.root.mediaType) === "index";
  if (!isIndex) return { root: image.root, kept: undefined, platform: undefined, missing: [] };
  const [only] = complete;
  if (only && complete.length === 1 && !allPlatforms) return { ...single(only), missing };
  const whole = new Set(complete.map((entry) => entry.descriptor.digest));
  // An attestation goes with its image; one whose image stays behind would speak of something that is not there.
  const kept = image.manifests.filter((entry) =>
    entry.isComplete && (entry.subject === undefined || whole.has(entry.subject))
  );
  const isAll = kept.length === image.manifests.length;
  return {
    root: image.root,
    kept: isAll ? undefined : new Set(kept.map((entry) => entry.descriptor.digest)),
    platform: undefined,
    missing,
  };
}

function single({ descriptor }: EngineManifest): Omit<DaemonChoice, "missing"> {
  return { root: descriptor, kept: undefined, platform: descriptor.platform };
}

function onePlatform(complete: readonly EngineManifest[], wanted: Platform, name: string): EngineManifest {
  const found = selectPlatform(complete.map((entry) => ({ entry, ...withPlatform(entry) })), wanted);
  if (found) return found.entry;
  const available = complete.flatMap(platformsOf);
  const nearest = nearestPlatform(available, wanted);
  throw new ImageError(
    "not-found",
    `Cannot find platform ${formatPlatform(wanted)} of image "${name}" in the daemon: it holds ` +
      available.map(formatPlatform).join(", "),
    nearest ? { hint: `Use --platform ${formatPlatform(nearest)}` } : {},
  );
}

function withPlatform({ descriptor: { platform } }: EngineManifest): { platform?: Platform } {
  return platform ? { platform } : {};
}

function platformsOf({ descriptor: { platform } }: EngineManifest): Platform[] {
  return platform ? [platform] : [];
}
