/** Random but well-formed images of every shape, made from a seed; nothing here does I/O. */
import { gzipSync, zstdCompressSync } from "node:zlib";
import { type Digest, digestOf } from "../../src/oci/digest.ts";
import { type Manifest, readManifest } from "../../src/oci/manifest.ts";
import { MEDIA_TYPES } from "../../src/oci/media_types.ts";
import { formatPlatform, parsePlatform, type Platform } from "../../src/oci/platform.ts";

/** Deterministic random numbers (mulberry32): the same seed gives the same image, byte for byte. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A number from 0 to below `limit`. */
  next(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % limit;
  }

  /** Bytes that compress a little, as real files do. */
  bytes(length: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(length);
    for (let index = 0; index < length; index++) bytes[index] = this.next(64) + 32;
    return bytes;
  }
}

/** A whole image in memory: its root and everything below, by digest. */
export interface TestImage {
  readonly root: Manifest;
  /** Child manifests (not the root), configs and layers. */
  readonly blobs: ReadonlyMap<Digest, Uint8Array<ArrayBuffer>>;
  /** The image manifest of each platform, by `formatPlatform`. */
  readonly platforms: ReadonlyMap<string, Manifest>;
}

/** What an image should be like. */
export interface TestImageOptions {
  readonly seed?: number;
  /** Platforms of the index. Default linux/amd64, linux/arm64, linux/arm/v7. */
  readonly platforms?: readonly string[];
  readonly layersPerPlatform?: number;
  /** Bytes of one layer's only file, before compression. */
  readonly layerBytes?: number;
  /** Whether all platforms have their first layer in common. */
  readonly sharedLayer?: boolean;
  /** Whether each platform has an attestation entry, as BuildKit writes it. */
  readonly attestations?: boolean;
  readonly compression?: "none" | "gzip" | "zstd";
  /** Docker's media types instead of OCI's. */
  readonly docker?: boolean;
}

/** JSON with two-space indent: real manifests come in all layouts, and bytes must be kept as they are. */
function jsonBytes(value: unknown): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(value, null, 2)) as Uint8Array<ArrayBuffer>;
}

/** A tar of one regular file with fixed metadata (ustar). */
export function tarOf(name: string, content: Uint8Array): Uint8Array<ArrayBuffer> {
  const header = new Uint8Array(512);
  const put = (text: string, at: number) => header.set(new TextEncoder().encode(text), at);
  put(name, 0);
  put("0000644\0", 100);
  put("0000000\0", 108);
  put("0000000\0", 116);
  put(content.byteLength.toString(8).padStart(11, "0") + "\0", 124);
  put("00000000000\0", 136);
  put("        ", 148);
  put("0", 156);
  put("ustar\0" + "00", 257);
  put(header.reduce((sum, byte) => sum + byte, 0).toString(8).padStart(6, "0") + "\0 ", 148);
  const padded = Math.ceil(content.byteLength / 512) * 512;
  const tar = new Uint8Array(512 + padded + 1024);
  tar.set(header);
  tar.set(content, 512);
  return tar;
}

/** A single-platform image and its blobs. */
export function singleImage(platform: Platform, options: TestImageOptions = {}): TestImage {
  const builder = new Builder(options);
  const manifest = builder.image(platform);
  return {
    root: manifest,
    blobs: builder.withoutManifest(manifest),
    platforms: new Map([[formatPlatform(platform), manifest]]),
  };
}

/** A multi-platform image and its blobs. */
export function multiImage(options: TestImageOptions = {}): TestImage {
  const builder = new Builder(options);
  const platforms = (options.platforms ?? ["linux/amd64", "linux/arm64", "linux/arm/v7"]).map((text) =>
    parsePlatform(text)
  );
  const manifests = platforms.map((platform) => builder.image(platform));
  const entries = manifests.map((manifest, index) => ({
    ...builder.entry(manifest),
    platform: platformJson(platforms[index]!),
  }));
  const attestations = options.attestations ? manifests.map((manifest) => builder.attestation(manifest)) : [];
  const root = builder.index([...entries, ...attestations]);
  return {
    root,
    blobs: builder.withoutManifest(root),
    platforms: new Map(manifests.map((manifest, index) => [formatPlatform(platforms[index]!), manifest])),
  };
}

/** An index around the roots of other images (nested where those are indexes). */
export function indexOf(images: readonly TestImage[]): TestImage {
  const builder = new Builder({});
  for (const image of images) {
    for (const [digest, bytes] of image.blobs) builder.blobs.set(digest, bytes);
    builder.blobs.set(image.root.descriptor.digest, image.root.bytes);
  }
  const root = builder.index(images.map((image) => builder.entry(image.root)));
  return {
    root,
    blobs: builder.withoutManifest(root),
    platforms: new Map(images.flatMap((image) => [...image.platforms])),
  };
}

/** A manifest that refers to a subject (a signature, an SBOM), with its blobs; `root` is the referrer. */
export function referrerOf(subject: Manifest, artifactType: string, content: Uint8Array<ArrayBuffer>): TestImage {
  const builder = new Builder({});
  const config = builder.blob(MEDIA_TYPES.ociEmpty, new TextEncoder().encode("{}") as Uint8Array<ArrayBuffer>);
  const layer = builder.blob("application/vnd.example.payload", content);
  const { mediaType, digest, size } = subject.descriptor;
  const root = builder.manifest({
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociManifest,
    artifactType,
    config,
    layers: [layer],
    subject: { mediaType, digest, size },
    annotations: { "org.example.made-for": digest },
  });
  return { root, blobs: builder.withoutManifest(root), platforms: new Map() };
}

function platformJson(platform: Platform): Record<string, unknown> {
  return {
    architecture: platform.architecture,
    os: platform.os,
    ...(platform.variant ? { variant: platform.variant } : {}),
    ...(platform.osVersion ? { "os.version": platform.osVersion } : {}),
    ...(platform.osFeatures ? { "os.features": platform.osFeatures } : {}),
  };
}

class Builder {
  readonly blobs = new Map<Digest, Uint8Array<ArrayBuffer>>();
  readonly #random: Random;
  readonly #options: TestImageOptions;
  readonly #shared: Uint8Array<ArrayBuffer>;

  constructor(options: TestImageOptions) {
    this.#options = options;
    this.#random = new Random(options.seed ?? 1);
    this.#shared = this.#tar("shared");
  }

  blob(mediaType: string, bytes: Uint8Array<ArrayBuffer>) {
    const digest = digestOf(bytes);
    this.blobs.set(digest, bytes);
    return { mediaType, digest, size: bytes.byteLength };
  }

  manifest(document: Record<string, unknown>): Manifest {
    const manifest = readManifest(jsonBytes(document), "test manifest");
    this.blobs.set(manifest.descriptor.digest, manifest.bytes);
    return manifest;
  }

  index(manifests: readonly unknown[]): Manifest {
    const mediaType = this.#options.docker ? MEDIA_TYPES.dockerIndex : MEDIA_TYPES.ociIndex;
    return this.manifest({ schemaVersion: 2, mediaType, manifests });
  }

  entry(manifest: Manifest) {
    const { mediaType, digest, size } = manifest.descriptor;
    return { mediaType, digest, size };
  }

  image(platform: Platform): Manifest {
    const { layersPerPlatform = 2, sharedLayer = true, docker = false } = this.#options;
    const tars = Array.from(
      { length: layersPerPlatform },
      (_, index) => index === 0 && sharedLayer ? this.#shared : this.#tar(`${platform.architecture}-${index}`),
    );
    const layers = tars.map((tar) => this.#layer(tar));
    const config = this.blob(
      docker ? MEDIA_TYPES.dockerConfig : MEDIA_TYPES.ociConfig,
      jsonBytes({
        created: "2026-01-02T03:04:05Z",
        ...platformJson(platform),
        config: {
          Entrypoint: ["/app"],
          Env: ["PATH=/bin"],
          Labels: { "org.example.platform": formatPlatform(platform) },
        },
        rootfs: { type: "layers", diff_ids: tars.map((tar) => digestOf(tar)) },
        history: tars.map((_, index) => ({ created: "2026-01-02T03:04:05Z", created_by: `step ${index}` })),
      }),
    );
    return this.manifest({
      schemaVersion: 2,
      mediaType: docker ? MEDIA_TYPES.dockerManifest : MEDIA_TYPES.ociManifest,
      config,
      layers,
    });
  }

  attestation(manifest: Manifest) {
    const statement = this.blob("application/vnd.in-toto+json", jsonBytes({ subject: manifest.descriptor.digest }));
    const config = this.blob(
      MEDIA_TYPES.ociConfig,
      jsonBytes({
        architecture: "unknown",
        os: "unknown",
        config: {},
        rootfs: { type: "layers", diff_ids: [statement.digest] },
      }),
    );
    const attestation = this.manifest({
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.ociManifest,
      config,
      layers: [{ ...statement, annotations: { "in-toto.io/predicate-type": "https://slsa.dev/provenance/v0.2" } }],
    });
    return {
      ...this.entry(attestation),
      annotations: {
        "vnd.docker.reference.digest": manifest.descriptor.digest,
        "vnd.docker.reference.type": "attestation-manifest",
      },
      platform: { architecture: "unknown", os: "unknown" },
    };
  }

  withoutManifest(root: Manifest): ReadonlyMap<Digest, Uint8Array<ArrayBuffer>> {
    const blobs = new Map(this.blobs);
    blobs.delete(root.descriptor.digest);
    return blobs;
  }

  #tar(name: string): Uint8Array<ArrayBuffer> {
    return tarOf(`${name}.txt`, this.#random.bytes(this.#options.layerBytes ?? 2000));
  }

  #layer(tar: Uint8Array<ArrayBuffer>) {
    const { compression = "gzip", docker = false } = this.#options;
    if (compression === "none") return this.blob(docker ? MEDIA_TYPES.dockerLayer : MEDIA_TYPES.ociLayer, tar);
    if (compression === "zstd") return this.blob(MEDIA_TYPES.ociLayerZstd, new Uint8Array(zstdCompressSync(tar)));
    return this.blob(docker ? MEDIA_TYPES.dockerLayerGzip : MEDIA_TYPES.ociLayerGzip, new Uint8Array(gzipSync(tar)));
  }
}
