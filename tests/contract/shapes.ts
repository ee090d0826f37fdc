/** The images that the contract tests move about: every shape that an image takes in the wild, as small as it can be. */
import { gzipSync } from "node:zlib";
import { type Digest, digestOf } from "../../src/oci/digest.ts";
import { type Manifest, readManifest } from "../../src/oci/manifest.ts";
import { MEDIA_TYPES } from "../../src/oci/media_types.ts";
import { indexOf, multiImage, Random, referrerOf, singleImage, tarOf, type TestImage } from "../support/images.ts";

const AMD64 = { os: "linux", architecture: "amd64" };
const SIGNATURE = "application/vnd.example.signature";

/** An image and what refers to it. */
export interface Shape {
  readonly image: TestImage;
  readonly referrers: readonly TestImage[];
}

/** The shapes; each makes an image of its own for each seed, none of whose layers is in another seed's. */
export const SHAPES = {
  single: (seed: number): Shape => alone(singleImage(AMD64, { seed, layersPerPlatform: 3 })),
  zstd: (seed: number): Shape => alone(singleImage(AMD64, { seed, compression: "zstd" })),
  /** Two platforms that share a layer, each with its attestation. */
  index: (seed: number): Shape =>
    alone(multiImage({ seed, platforms: ["linux/amd64", "linux/arm64"], attestations: true })),
  nested: (seed: number): Shape =>
    alone(indexOf([
      multiImage({ seed, platforms: ["linux/amd64", "linux/arm64"] }),
      indexOf([singleImage({ os: "linux", architecture: "s390x" }, { seed: seed + 500_000 })]),
    ])),
  /** A signature of the root, one of a platform's image, and one of the first signature. */
  referrers(seed: number): Shape {
    const image = multiImage({ seed, platforms: ["linux/amd64", "linux/arm64"] });
    const text = (what: string) => new TextEncoder().encode(`${what} ${seed}`) as Uint8Array<ArrayBuffer>;
    const ofRoot = referrerOf(image.root, SIGNATURE, text("root"));
    const ofChild = referrerOf([...image.platforms.values()][0]!, SIGNATURE, text("child"));
    return { image, referrers: [ofRoot, ofChild, referrerOf(ofRoot.root, SIGNATURE, text("signature"))] };
  },
  /** One layer twice, and an empty one, which every such image has. */
  repeated: (seed: number): Shape => alone(repeatedLayers(seed)),
} as const satisfies Record<string, (seed: number) => Shape>;

export type ShapeName = keyof typeof SHAPES;
export const SHAPE_NAMES = Object.keys(SHAPES) as ShapeName[];

function alone(image: TestImage): Shape {
  return { image, referrers: [] };
}

/** The end of a tar and nothing before it: the layer that older builders wrote for steps that change no file. */
const EMPTY_TAR = new Uint8Array(1024);

function repeatedLayers(seed: number): TestImage {
  const tars = ["a", "b"].map((name, index) => tarOf(name, new Random(seed * 7 + index).bytes(1500)));
  const [first, second] = tars as [Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>];
  return imageOf([first, EMPTY_TAR, second, first, EMPTY_TAR]);
}

/** An image of one platform of these layers. */
export function imageOf(tars: readonly Uint8Array<ArrayBuffer>[], { isPacked = true } = {}): TestImage {
  const blobs = new Map<Digest, Uint8Array<ArrayBuffer>>();
  const add = (mediaType: string, bytes: Uint8Array<ArrayBuffer>) => {
    const digest = digestOf(bytes);
    blobs.set(digest, bytes);
    return { mediaType, digest, size: bytes.byteLength };
  };
  const layers = tars.map((tar) =>
    isPacked ? add(MEDIA_TYPES.ociLayerGzip, new Uint8Array(gzipSync(tar))) : add(MEDIA_TYPES.ociLayer, tar)
  );
  const config = add(
    MEDIA_TYPES.ociConfig,
    json({ ...AMD64, config: {}, rootfs: { type: "layers", diff_ids: tars.map((tar) => digestOf(tar)) } }),
  );
  const root = manifestOf({ config, layers });
  return { root, blobs, platforms: new Map([["linux/amd64", root]]) };
}

/** An artifact one of whose files has no bytes at all. */
export function artifactWithEmptyFile(seed: number): TestImage {
  const text = new TextEncoder().encode(`file ${seed}`) as Uint8Array<ArrayBuffer>;
  const files = [text, new Uint8Array()].map((bytes) => ({ bytes, digest: digestOf(bytes) }));
  const empty = new TextEncoder().encode("{}") as Uint8Array<ArrayBuffer>;
  const root = manifestOf({
    artifactType: "application/vnd.example.files",
    config: { mediaType: MEDIA_TYPES.ociEmpty, digest: digestOf(empty), size: 2 },
    layers: files.map(({ bytes, digest }) => ({
      mediaType: "application/vnd.example.file",
      digest,
      size: bytes.byteLength,
    })),
  });
  const blobs = new Map([[digestOf(empty), empty], ...files.map(({ bytes, digest }) => [digest, bytes] as const)]);
  return { root, blobs, platforms: new Map() };
}

function manifestOf(members: Record<string, unknown>): Manifest {
  return readManifest(json({ schemaVersion: 2, mediaType: MEDIA_TYPES.ociManifest, ...members }), "test manifest");
}

function json(value: unknown): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(value)) as Uint8Array<ArrayBuffer>;
}

/** The layers of an image of one platform. */
export function layersOf({ root }: TestImage) {
  if (root.content.kind !== "image") throw new TypeError("not an image of one platform");
  return root.content.layers;
}
