/** Images that are well-formed as far as digests go, and odd in what they say or hold; nothing here does I/O. */
import { gzipSync } from "node:zlib";
import type { Descriptor } from "../../src/oci/descriptor.ts";
import { type Digest, digestOf } from "../../src/oci/digest.ts";
import { jsonBytes } from "../../src/oci/json.ts";
import { type Manifest, readManifest } from "../../src/oci/manifest.ts";
import { MEDIA_TYPES } from "../../src/oci/media_types.ts";
import { Random, tarOf, type TestImage } from "./images.ts";

/** What is odd about an image. */
export interface OddImageOptions {
  readonly seed?: number;
  /** What the config says beside its layers; default: linux/amd64. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Number of layers. Default 2. */
  readonly layers?: number;
  /** The last layer's bytes are no tar; its diff id is theirs. */
  readonly isNoTar?: boolean;
  /** The config names the first layer's diff id for every layer. */
  readonly hasWrongDiffId?: boolean;
}

/** A single image. */
export function oddImage(options: OddImageOptions = {}): TestImage {
  const { seed = 1, layers: count = 2, config = { os: "linux", architecture: "amd64" } } = options;
  const random = new Random(seed);
  const blobs = new Map<Digest, Uint8Array<ArrayBuffer>>();
  const contents = Array.from({ length: count }, (_, at) => {
    const bytes = random.bytes(3000);
    return options.isNoTar && at === count - 1 ? bytes : tarOf(`file-${seed}-${at}`, bytes);
  });
  const diffIds = contents.map((content) => digestOf(content));
  const layers = contents.map((content) => blobOf(blobs, MEDIA_TYPES.ociLayerGzip, new Uint8Array(gzipSync(content))));
  const named = options.hasWrongDiffId ? diffIds.map(() => diffIds[0]) : diffIds;
  const document = jsonBytes({ ...config, rootfs: { type: "layers", diff_ids: named } });
  return imageOf(blobs, {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociManifest,
    config: blobOf(blobs, MEDIA_TYPES.ociConfig, document),
    layers,
  });
}

/** An artifact: no image that containers could be made of. */
export function artifact(text = "hello"): TestImage {
  const blobs = new Map<Digest, Uint8Array<ArrayBuffer>>();
  return imageOf(blobs, {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociManifest,
    artifactType: "application/vnd.example.notes",
    config: blobOf(blobs, MEDIA_TYPES.ociEmpty, jsonBytes({})),
    layers: [blobOf(blobs, "text/plain", new TextEncoder().encode(text) as Uint8Array<ArrayBuffer>)],
  });
}

/** An entry of {@linkcode oddIndex}: an image, and what the index says of it beside its descriptor. */
export interface OddEntry {
  readonly image: TestImage;
  readonly members?: Readonly<Record<string, unknown>>;
}

/** An index of any images (or indexes, or artifacts), whose entries say what they are told to and no more. */
export function oddIndex(entries: readonly OddEntry[], members: Readonly<Record<string, unknown>> = {}): TestImage {
  const blobs = new Map(entries.flatMap(({ image }) => [...image.blobs]));
  for (const { image } of entries) blobs.set(image.root.descriptor.digest, image.root.bytes);
  return imageOf(blobs, {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociIndex,
    manifests: entries.map(({ image: { root: { descriptor } }, members }) => ({
      mediaType: descriptor.mediaType,
      digest: descriptor.digest,
      size: descriptor.size,
      ...members,
    })),
    ...members,
  });
}

/** What an index says of an image of this platform: `linux/amd64/v3`. */
export function platformMember(text: string): Readonly<Record<string, unknown>> {
  const [os, architecture, variant] = text.split("/");
  return { platform: { os, architecture, ...(variant === undefined ? {} : { variant }) } };
}

/** What an index says of an attestation to an image, as BuildKit writes it. */
export function attestationMembers(subject: Manifest): Readonly<Record<string, unknown>> {
  return {
    platform: { os: "unknown", architecture: "unknown" },
    annotations: {
      "vnd.docker.reference.type": "attestation-manifest",
      "vnd.docker.reference.digest": subject.descriptor.digest,
    },
  };
}

function blobOf(
  blobs: Map<Digest, Uint8Array<ArrayBuffer>>,
  mediaType: string,
  bytes: Uint8Array<ArrayBuffer>,
): Pick<Descriptor, "mediaType" | "digest" | "size"> {
  const digest = digestOf(bytes);
  blobs.set(digest, bytes);
  return { mediaType, digest, size: bytes.byteLength };
}

function imageOf(blobs: ReadonlyMap<Digest, Uint8Array<ArrayBuffer>>, document: Record<string, unknown>): TestImage {
  return { root: readManifest(jsonBytes(document), "odd image"), blobs, platforms: new Map() };
}
