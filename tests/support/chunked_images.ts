/** Images as the Go tool v3 pushes them, with one layer in chunks, written into a folder; and recipes to go wrong. */
import { gzipSync, zstdCompressSync } from "node:zlib";
import { chunkKey, recipeKey } from "../../src/bucket/chunk_keys.ts";
import { blobPath, type Digest, digestOf, hexOf, parseDigest } from "../../src/oci/digest.ts";
import { MEDIA_TYPES } from "../../src/oci/media_types.ts";
import { type ChunkedLayer, chunkedLayer, jsonBytes, type RecipeJson } from "./chunked_layers.ts";
import { Random, tarOf } from "./images.ts";

/** An image of one chunked layer. */
export interface ChunkedImage {
  readonly layer: ChunkedLayer;
  readonly config: Uint8Array<ArrayBuffer>;
  readonly manifest: Uint8Array<ArrayBuffer>;
}

/** Raw length of each chunk. */
const CHUNK_BYTES = 8192;

/** An image of one layer in three chunks; the second is of the same length, raw and stored, for each seed. Each seed has chunks of its own. */
export function chunkedImage(seed: number): ChunkedImage {
  const tar = tarOf("data", new Uint8Array(3 * CHUNK_BYTES - 1536));
  // Nothing that zstd could make shorter, so that one chunk's object is as long as another's.
  const random = new Random(seed);
  for (let at = 512; at < tar.byteLength - 1024; at++) tar[at] = random.next(256);
  return imageOf(chunkedLayer(tar, [CHUNK_BYTES, CHUNK_BYTES]));
}

/** An image as the Go tool pushes it from a daemon that exports layers as gzip: the compressed bytes are cut into chunks. */
export function wrappedImage(tar: Uint8Array<ArrayBuffer>): ChunkedImage {
  const packed = new Uint8Array(gzipSync(tar));
  return imageOf(chunkedLayer(packed, [packed.byteLength >> 1]), digestOf(tar));
}

/** An image of one layer, whose diff id may be another than the one that its recipe names. */
export function imageOf(layer: ChunkedLayer, diffId: Digest = layer.diffId): ChunkedImage {
  const config = jsonBytes({
    architecture: "amd64",
    os: "linux",
    config: {},
    rootfs: { type: "layers", diff_ids: [diffId] },
  });
  const { mediaType, digest, size } = layer.descriptor;
  const manifest = jsonBytes({
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociManifest,
    config: { mediaType: MEDIA_TYPES.ociConfig, digest: digestOf(config), size: config.byteLength },
    layers: [{ mediaType, digest, size }],
  });
  return { layer, config, manifest };
}

/** Writes an image into a folder as a store; `layer` gives other objects than the image's own. */
export async function writeChunkedImage(
  folder: string,
  name: { readonly image: string; readonly tag: string },
  image: ChunkedImage,
): Promise<void> {
  const files = new Map<string, Uint8Array>([
    ...image.layer.objects,
    [blobPath(digestOf(image.config)), image.config],
    [`manifests/${name.image}/${name.tag}/manifest.json`, image.manifest],
  ]);
  for (const [key, bytes] of files) {
    await Deno.mkdir(`${folder}/${key.slice(0, key.lastIndexOf("/"))}`, { recursive: true });
    await Deno.writeFile(`${folder}/${key}`, bytes);
  }
}

/** One way in which a stored layer is not what the manifest says. */
export interface Forgery {
  /** Usable as a tag. */
  readonly name: string;
  /** What the error has to name beside the tag and the layer. */
  readonly says: RegExp;
  /** Changes the recipe, or gives other text in its place. */
  readonly recipe?: (recipe: RecipeJson, other: ChunkedLayer) => void;
  readonly text?: (json: string, other: ChunkedLayer) => string;
  /** Changes the object of the second chunk; undefined takes it away. */
  readonly chunk?: (stored: Uint8Array<ArrayBuffer>, other: ChunkedLayer) => Uint8Array<ArrayBuffer> | undefined;
}

const hex = (text: string) => hexOf(digestOf(new TextEncoder().encode(text)));

/** Forged recipes and objects. */
export const FORGERIES: readonly Forgery[] = [
  { name: "layer-other", says: /"layer" must be/, recipe: (it) => it.layer = hex("other") },
  { name: "layer-short", says: /"layer" must be/, recipe: (it) => it.layer = it.layer.slice(0, 11) },
  { name: "layer-path", says: /"layer" must be/, recipe: (it) => it.layer = "../../../../../../tmp/evil" },
  { name: "layer-prefixed", says: /"layer" must be/, recipe: (it) => it.layer = `sha256:${it.layer}` },
  { name: "layer-missing", says: /"layer"/, text: (json) => json.replace(/"layer":"[^"]*",/, "") },
  { name: "size-more", says: /"size" must be/, recipe: (it) => it.size++ },
  { name: "size-text", says: /"size" must be/, text: (json) => json.replace(/"size":(\d+)/, `"size":"$1"`) },
  { name: "size-negative", says: /"size" must be/, recipe: (it) => it.size = -1 },
  { name: "digest-other", says: /"compressedDigest" must be/, recipe: (it) => it.compressedDigest = hex("other") },
  { name: "digest-empty", says: /"compressedDigest"/, recipe: (it) => it.compressedDigest = "" },
  { name: "stored-size-less", says: /"compressedSize" must be/, recipe: (it) => it.compressedSize-- },
  { name: "stored-size-zero", says: /"compressedSize" must be/, recipe: (it) => it.compressedSize = 0 },
  { name: "chunks-none", says: /"size" must be/, recipe: (it) => it.chunks = [] },
  { name: "chunks-fewer", says: /"size" must be/, recipe: (it) => it.chunks.pop() },
  { name: "chunks-swapped", says: /digest "sha256:/, recipe: (it) => it.chunks.reverse() },
  { name: "chunks-no-list", says: /"chunks" must be/, text: (json) => json.replace(/"chunks":\[.*\]/, `"chunks":{}`) },
  {
    name: "chunk-path",
    says: /chunk 0 .*"digest" must be/,
    recipe: (it) => it.chunks[0]!.digest = "../../../s3lo.yaml",
  },
  { name: "chunk-short", says: /chunk 0 .*"digest" must be/, recipe: (it) => it.chunks[0]!.digest = "0123456789a" },
  {
    name: "chunk-upper",
    says: /chunk 0 .*"digest" must be/,
    recipe: (it) => it.chunks[0]!.digest = it.chunks[0]!.digest.toUpperCase(),
  },
  {
    name: "chunk-other",
    says: /digest "sha256:/,
    recipe: (it, other) => it.chunks[1] = structuredClone(other.recipe.chunks[1]!),
  },
  {
    name: "chunk-size",
    says: /"size" must be/,
    recipe: (it) => it.chunks[0]!.size++,
  },
  { name: "chunk-huge", says: /chunk 0 .*"size" must be/, recipe: (it) => it.chunks[0]!.size = 2 ** 40 },
  {
    name: "chunk-nothing",
    says: /chunk 0 .*"compressedSize" must be/,
    recipe: (it) => it.chunks[0]!.compressedSize = 0,
  },
  { name: "recipe-cut", says: /recipe of layer/, text: (json) => json.slice(0, -20) },
  { name: "recipe-other", says: /"compressedDigest" must be/, text: (_, other) => JSON.stringify(other.recipe) },
  { name: "object-missing", says: /chunk "sha256:/, chunk: () => undefined },
  { name: "object-cut", says: /chunk "sha256:|ended after/, chunk: (stored) => stored.slice(0, -7) },
  {
    name: "object-swapped",
    says: /digest "sha256:|chunk "sha256:/,
    chunk: (_, other) => other.objects.get(secondChunk(other)),
  },
  { name: "object-flipped", says: /digest "sha256:|chunk "sha256:/, chunk: flipped },
  {
    name: "object-bomb",
    says: /chunk "sha256:/,
    chunk: () => new Uint8Array(zstdCompressSync(new Uint8Array(256 << 20))),
  },
];

function secondChunk({ recipe }: ChunkedLayer): string {
  return chunkKey(parseDigest(`sha256:${recipe.chunks[1]!.digest}`));
}

function flipped(stored: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const bytes = stored.slice();
  bytes[bytes.byteLength >> 1]! ^= 1;
  return bytes;
}

/** An image whose layer was tampered with; `seed` gives it chunks of its own, as no forgery must hide in another's. */
export function forgedImage(forgery: Forgery, seed: number): ChunkedImage {
  const [image, other] = [chunkedImage(seed), chunkedImage(seed + 10_000)];
  const objects = new Map([...other.layer.objects, ...image.layer.objects]);
  const recipe = structuredClone(image.layer.recipe);
  forgery.recipe?.(recipe, other.layer);
  const json = JSON.stringify(recipe);
  objects.set(
    recipeKey(image.layer.descriptor.digest),
    new TextEncoder().encode(forgery.text?.(json, other.layer) ?? json),
  );
  const second = secondChunk(image.layer);
  if (forgery.chunk) {
    const bytes = forgery.chunk(objects.get(second)!, other.layer);
    if (bytes) objects.set(second, bytes);
    else objects.delete(second);
  }
  return { ...image, layer: { ...image.layer, objects } };
}
