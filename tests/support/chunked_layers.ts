/** Chunked layers as the storage format has them, made in memory; any zstd encoder will do for reading. */
import { constants, zstdCompressSync } from "node:zlib";
import { chunkKey, fileIndexKey, recipeKey } from "../../src/bucket/chunk_keys.ts";
import type { Descriptor } from "../../src/oci/descriptor.ts";
import { type Digest, digestOf, hexOf } from "../../src/oci/digest.ts";
import { MEDIA_TYPES } from "../../src/oci/media_types.ts";
import type { MemoryStore } from "./memory_store.ts";
import { concat } from "./concat.ts";

/** A recipe's JSON, open to forgery. */
export interface RecipeJson {
  layer: string;
  size: number;
  compressedDigest: string;
  compressedSize: number;
  chunks: { digest: string; size: number; compressedSize: number }[];
}

/** A chunked layer and all that belongs to it. */
export interface ChunkedLayer {
  readonly descriptor: Descriptor;
  readonly diffId: Digest;
  readonly raw: Uint8Array<ArrayBuffer>;
  /** The chunks' objects one after another. */
  readonly stored: Uint8Array<ArrayBuffer>;
  readonly recipe: RecipeJson;
  /** Object bytes by key: chunks, index and recipe. */
  readonly objects: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
}

/** One zstd frame with a checksum, as the format has it. */
export function zstdFrame(bytes: Uint8Array, level = 3): Uint8Array<ArrayBuffer> {
  const params = { [constants.ZSTD_c_checksumFlag]: 1, [constants.ZSTD_c_compressionLevel]: level };
  return new Uint8Array(zstdCompressSync(bytes, { params }));
}

/** Cuts bytes at the given lengths (the rest is the last chunk) and makes a chunked layer of them. */
export function chunkedLayer(
  raw: Uint8Array<ArrayBuffer>,
  lengths: readonly number[],
  compress: (chunk: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer> = zstdFrame,
): ChunkedLayer {
  const objects = new Map<string, Uint8Array<ArrayBuffer>>();
  const chunks: RecipeJson["chunks"] = [];
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let at = 0;
  for (const length of [...lengths, raw.byteLength]) {
    const chunk = raw.slice(at, at + length);
    at += chunk.byteLength;
    if (chunk.byteLength === 0) break;
    const object = compress(chunk);
    const digest = digestOf(chunk);
    objects.set(chunkKey(digest), object);
    pieces.push(object);
    chunks.push({ digest: hexOf(digest), size: chunk.byteLength, compressedSize: object.byteLength });
  }
  const stored = concat(pieces);
  const digest = digestOf(stored);
  const diffId = digestOf(raw);
  const recipe = {
    layer: hexOf(diffId),
    size: raw.byteLength,
    compressedDigest: hexOf(digest),
    compressedSize: stored.byteLength,
    chunks,
  };
  objects.set(
    fileIndexKey(digest),
    zstdFrame(jsonBytes({ layer: hexOf(diffId), files: [{ path: "a", offset: 512 }] })),
  );
  objects.set(recipeKey(digest), jsonBytes(recipe));
  const descriptor = { mediaType: MEDIA_TYPES.ociLayerZstd, digest, size: stored.byteLength };
  return { descriptor, diffId, raw, stored, recipe, objects };
}

/** Puts everything of a layer into a store. */
export function putLayer(store: MemoryStore, layer: ChunkedLayer): void {
  for (const [key, bytes] of layer.objects) store.set(key, bytes);
}

/** Compact JSON. */
export function jsonBytes(value: unknown): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(value));
}
