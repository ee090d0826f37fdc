import { clipped, ImageError } from "../errors.ts";
import { type Descriptor, parseDescriptor } from "./descriptor.ts";
import { algorithmOf, type Digest, digestOf, parseDigest } from "./digest.ts";
import { type JsonObject, Members, parseStrictJsonObject } from "./json.ts";
import { bareMediaType, isForeignLayer, type ManifestKind, manifestKind, MEDIA_TYPES } from "./media_types.ts";
import type { Platform } from "./platform.ts";

/** Largest manifest or index accepted, in bytes: the distribution-spec asks registries for at least 4 MiB. */
export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;

/** What all kinds of manifests have in common. */
interface ManifestCommon {
  readonly mediaType: string;
  /** The manifest that this one refers to (signature, SBOM). */
  readonly subject?: Descriptor;
  readonly artifactType?: string;
  readonly annotations: Readonly<Record<string, string>>;
}

/** One image: a config and layers. Spec: OCI image-spec v1.1.1, manifest.md; Docker image manifest v2.2. */
export interface ImageManifest extends ManifestCommon {
  readonly kind: "image";
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

/** A list of manifests, of images or of further lists. Spec: OCI image-spec v1.1.1, image-index.md. */
export interface IndexManifest extends ManifestCommon {
  readonly kind: "index";
  readonly manifests: readonly Descriptor[];
}

/** Blobs that belong to a subject. Spec: OCI image-spec v1.1.0-rc2, artifact.md (withdrawn, still met in registries). */
export interface ArtifactManifest extends ManifestCommon {
  readonly kind: "artifact";
  readonly blobs: readonly Descriptor[];
}

/** A parsed manifest of any kind. */
export type ManifestContent = ImageManifest | IndexManifest | ArtifactManifest;

/** A manifest: its bytes as they were read, what they say, and the descriptor that names them. Bytes are never rebuilt. */
export interface Manifest {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly content: ManifestContent;
}

/** What is known of a manifest before it is read. */
export interface ReadManifestOptions {
  /** The media type that the place gave it (`Content-Type`, or that of a descriptor). */
  readonly mediaType?: string | undefined;
  /** What the bytes must be: digest and size are checked. */
  readonly expected?: Descriptor | undefined;
  /** The digest that the bytes must have, where no descriptor is known. */
  readonly digest?: Digest | undefined;
}

/**
 * Checks a manifest's bytes and reads them.
 *
 * `what` names it in errors. Throws `digest-mismatch` when the bytes are not the expected ones, `invalid-input` when they
 * are no manifest or an ambiguous one, `unsupported` for Docker's schema 1.
 */
export function readManifest(
  bytes: Uint8Array<ArrayBuffer>,
  what: string,
  options: ReadManifestOptions = {},
): Manifest {
  const { expected } = options;
  const wantedDigest = expected?.digest ?? options.digest;
  const digest = digestOf(bytes, wantedDigest ? algorithmOf(wantedDigest) : "sha256");
  if (wantedDigest && digest !== wantedDigest) {
    throw new ImageError(
      "digest-mismatch",
      `Cannot use ${what}: its bytes have digest "${digest}", not "${wantedDigest}"`,
    );
  }
  if (expected && expected.size !== bytes.byteLength) {
    throw new ImageError(
      "digest-mismatch",
      `Cannot use ${what}: it has ${bytes.byteLength} bytes, not ${expected.size}`,
    );
  }
  if (bytes.byteLength > MAX_MANIFEST_BYTES) {
    throw new ImageError(
      "invalid-input",
      `Cannot read ${what}: ${bytes.byteLength} bytes are more than a manifest may have`,
    );
  }
  const content = parseManifest(parseStrictJsonObject(bytes, what), what, expected?.mediaType || options.mediaType);
  const descriptor = expected ? { ...expected, mediaType: expected.mediaType || content.mediaType } : {
    mediaType: content.mediaType,
    digest,
    size: bytes.byteLength,
    ...(content.artifactType === undefined ? {} : { artifactType: content.artifactType }),
  };
  return { descriptor, bytes, content };
}

/** Every descriptor that a manifest points down to: an index's manifests, or an image's config and layers. */
export function childrenOf(content: ManifestContent): readonly Descriptor[] {
  if (content.kind === "index") return content.manifests;
  return content.kind === "image" ? [content.config, ...content.layers] : content.blobs;
}

/** The blobs of a manifest that a copy moves; layers that must not be distributed are told apart. */
export function blobsOf(
  content: ManifestContent,
): { readonly blobs: readonly Descriptor[]; readonly foreign: readonly Descriptor[] } {
  if (content.kind === "index") return { blobs: [], foreign: [] };
  const all = childrenOf(content);
  const isForeign = (blob: Descriptor) => isForeignLayer(blob.mediaType) && (blob.urls?.length ?? 0) > 0;
  return { blobs: all.filter((blob) => !isForeign(blob)), foreign: all.filter(isForeign) };
}

/**
 * The digest of the manifest that an index entry attests to; undefined when it is an ordinary entry.
 *
 * BuildKit marks provenance and SBOM entries with annotations and the platform `unknown/unknown`.
 */
export function attestedDigest(entry: Descriptor): Digest | undefined {
  if (entry.annotations?.["vnd.docker.reference.type"] === undefined) return undefined;
  const subject = entry.annotations["vnd.docker.reference.digest"];
  try {
    return subject === undefined ? undefined : parseDigest(subject);
  } catch {
    return undefined;
  }
}

/** Whether an index entry is no image to run: an attestation, or an entry of unknown platform. */
export function isAttestation(entry: Descriptor): boolean {
  return entry.annotations?.["vnd.docker.reference.type"] !== undefined || isUnknown(entry.platform);
}

/** Whether an index entry is an image that a machine could run: no attestation, no empty platform. */
export function isRunnable(entry: Descriptor): boolean {
  return !isAttestation(entry) && entry.platform !== undefined && entry.platform.os !== "";
}

function isUnknown(platform: Platform | undefined): boolean {
  return platform?.os === "unknown" && (platform.architecture === "unknown" || platform.architecture === "");
}

const MEMBERS: ReadonlySet<string> = new Set([
  "schemaVersion",
  "mediaType",
  "artifactType",
  "config",
  "layers",
  "manifests",
  "blobs",
  "subject",
  "annotations",
  "fsLayers",
]);

/**
 * Reads a parsed document as a manifest. The kind comes from its own `mediaType`, else from the one it was served with,
 * else from its shape. A document that has the members of two kinds is refused: two readers could see two images
 * (CVE-2021-41190).
 */
function parseManifest(document: JsonObject, what: string, servedAs: string | undefined): ManifestContent {
  const members = new Members(document, what);
  members.refuseLookalikes(MEMBERS);
  const own = members.string("mediaType");
  const kind = kindOf(document, what, own, servedAs);
  const subject = members.raw("subject");
  const artifactType = members.string("artifactType");
  const common = {
    mediaType: own || servedMediaType(kind, servedAs),
    annotations: members.stringMap("annotations") ?? {},
    ...(subject === undefined ? {} : { subject: parseDescriptor(subject, `subject of ${what}`) }),
    ...(artifactType === undefined ? {} : { artifactType }),
  };
  const descriptors = (key: string, name: string) =>
    (members.array(key) ?? []).map((item, index) => parseDescriptor(item, `${name} ${index} of ${what}`));
  if (kind === "index") return { ...common, kind, manifests: descriptors("manifests", "entry") };
  if (kind === "artifact") return { ...common, kind, blobs: descriptors("blobs", "blob") };
  if (!members.has("config")) throw members.missing("config");
  return {
    ...common,
    kind,
    config: parseDescriptor(members.raw("config"), `config of ${what}`),
    layers: descriptors("layers", "layer"),
  };
}

function kindOf(
  document: JsonObject,
  what: string,
  own: string | undefined,
  servedAs: string | undefined,
): ManifestKind {
  const has = (key: string) => Object.hasOwn(document, key) && document[key] !== null;
  refuseSchema1(document["schemaVersion"] === 1 || has("fsLayers"), own || servedAs || "", what);
  if (document["schemaVersion"] !== undefined && document["schemaVersion"] !== 2) {
    throw new ImageError("invalid-input", `Invalid ${what}: schemaVersion must be 2`);
  }
  const shapes: ManifestKind[] = [];
  if (has("manifests")) shapes.push("index");
  if (has("config") || has("layers")) shapes.push("image");
  if (has("blobs")) shapes.push("artifact");
  if (shapes.length > 1) {
    throw new ImageError("invalid-input", `Invalid ${what}: it has the members of ${shapes.join(" and ")} at once`);
  }
  const byType = own ? manifestKind(own) : undefined;
  if (own && !byType) {
    throw new ImageError("unsupported", `Cannot use ${what}: unknown manifest media type "${clipped(own)}"`);
  }
  const served = servedAs ? manifestKind(servedAs) : undefined;
  const [shape] = shapes;
  const kind = byType ?? served ?? shape;
  if (kind && served && kind !== served) {
    throw new ImageError(
      "invalid-input",
      `Invalid ${what}: it calls itself "${own}" and was given as "${clipped(servedAs ?? "")}"`,
    );
  }
  if (!kind || (shape && shape !== kind) || (!shape && !byType)) {
    throw new ImageError(
      "invalid-input",
      `Invalid ${what}: it is not ${kind ? `the ${kind} it was given as` : "a manifest"}`,
    );
  }
  return kind;
}

function refuseSchema1(isShaped: boolean, mediaType: string, what: string): void {
  const bare = bareMediaType(mediaType);
  if (!isShaped && bare !== MEDIA_TYPES.dockerSchema1 && bare !== MEDIA_TYPES.dockerSchema1Signed) return;
  throw new ImageError(
    "unsupported",
    `Cannot use ${what}: it is a Docker schema 1 manifest, which no current tool writes`,
    { hint: "Push the image again with a current Docker to get a schema 2 manifest" },
  );
}

function servedMediaType(kind: ManifestKind, servedAs: string | undefined): string {
  if (servedAs && manifestKind(servedAs) === kind) return bareMediaType(servedAs);
  return { index: MEDIA_TYPES.ociIndex, image: MEDIA_TYPES.ociManifest, artifact: MEDIA_TYPES.ociArtifact }[kind];
}
