import { type Descriptor, parseDescriptor } from "../oci/descriptor.ts";
import { type Digest, isDigest } from "../oci/digest.ts";
import { isObject, type JsonObject, Members } from "../oci/json.ts";
import { parsePlatformObject, type Platform } from "../oci/platform.ts";

/** One manifest of an image that the daemon knows; of some it holds all blobs, of others none. */
export interface EngineManifest {
  readonly kind: "image" | "attestation" | "unknown";
  /** As the index names it, platform included. */
  readonly descriptor: Descriptor;
  /** Whether every blob of it is there. */
  readonly isComplete: boolean;
  /** Whether its layers are unpacked, so that it can run; undefined where the daemon does not say. */
  readonly isUnpacked?: boolean | undefined;
  /** For an attestation: the manifest that it is about. */
  readonly subject: Digest | undefined;
}

/** An image as the daemon describes it. */
export interface EngineImage {
  /**
   * Its ID: the digest of the config with classic stores and podman, of the manifest or index with the containerd store.
   */
  readonly id: Digest;
  /** Names with tags. */
  readonly names: readonly string[];
  readonly platform: Platform;
  /** Digests of the uncompressed layers, lowest first. */
  readonly diffIds: readonly Digest[];
  /** The manifest or index that the name stands for; containerd store only. */
  readonly root: Descriptor | undefined;
  /** The manifests of {@linkcode root}; empty when the daemon does not say (all but containerd, API ≥ 1.48). */
  readonly manifests: readonly EngineManifest[];
}

/** Reads the answer of `GET /images/{name}/json`. Throws `invalid-input`. */
export function parseEngineImage(answer: JsonObject): EngineImage {
  const members = new Members(answer, "image information of the daemon");
  const id = members.string("Id");
  if (id === undefined) throw members.missing("Id");
  const fullId = id.includes(":") ? id : `sha256:${id}`;
  if (!isDigest(fullId)) throw members.invalid("Id", "a digest");
  const rootFs = new Members(members.raw("RootFS") ?? {}, "RootFS of the daemon's image information");
  return {
    id: fullId,
    names: members.strings("RepoTags") ?? [],
    platform: {
      os: members.string("Os") ?? "",
      architecture: members.string("Architecture") ?? "",
      ...(members.string("Variant") ? { variant: members.string("Variant") as string } : {}),
    },
    diffIds: (rootFs.strings("Layers") ?? []).filter((text) => isDigest(text)),
    root: optionalDescriptor(members.raw("Descriptor")),
    manifests: parseEngineManifests(members.array("Manifests") ?? []),
  };
}

/** An image in the daemon's list. */
export interface EngineImageSummary {
  readonly id: Digest;
  readonly names: readonly string[];
  /** Digests of the manifests or indexes that it is known by (`RepoDigests`). */
  readonly digests: readonly Digest[];
  readonly manifests: readonly EngineManifest[];
}

/** Reads one entry of `GET /images/json`; undefined for one without a usable ID. */
export function parseEngineImageSummary(entry: unknown): EngineImageSummary | undefined {
  const members = new Members(entry, "image list of the daemon");
  const id = members.string("Id") ?? "";
  const fullId = id.includes(":") ? id : `sha256:${id}`;
  if (!isDigest(fullId)) return undefined;
  return {
    id: fullId,
    names: members.strings("RepoTags") ?? [],
    digests: (members.strings("RepoDigests") ?? []).map((text) => text.slice(text.indexOf("@") + 1)).filter(isDigest),
    manifests: parseEngineManifests(members.array("Manifests") ?? []),
  };
}

function parseEngineManifests(entries: readonly unknown[]): EngineManifest[] {
  return entries.map((entry) => {
    const members = new Members(entry, "manifest in the daemon's image information");
    const kind = members.string("Kind");
    const attestation = members.raw("AttestationData");
    const subject = isObject(attestation) ? attestation["For"] : undefined;
    const descriptor = parseDescriptor(members.raw("Descriptor"), "manifest in the daemon's image information");
    const image = members.raw("ImageData");
    // The index may name no platform; the daemon has read it from the config.
    const platform = descriptor.platform ??
      (isObject(image) && isObject(image["Platform"])
        ? parsePlatformObject(image["Platform"], "platform in the daemon's image information")
        : undefined);
    return {
      kind: kind === "image" || kind === "attestation" ? kind : "unknown",
      descriptor: platform ? { ...descriptor, platform } : descriptor,
      isComplete: members.raw("Available") === true,
      isUnpacked: isUnpacked(image),
      subject: typeof subject === "string" && isDigest(subject) ? subject : undefined,
    };
  });
}

/** Layers that are unpacked take space; how much is told beside what is told of the image itself. */
function isUnpacked(imageData: unknown): boolean | undefined {
  const sizes = isObject(imageData) ? imageData["Size"] : undefined;
  const unpacked = isObject(sizes) ? sizes["Unpacked"] : undefined;
  return typeof unpacked === "number" ? unpacked > 0 : undefined;
}

function optionalDescriptor(value: unknown): Descriptor | undefined {
  return value === undefined ? undefined : parseDescriptor(value, "descriptor of the daemon's image");
}
