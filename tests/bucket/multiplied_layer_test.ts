/**
 * A recipe may use one small chunk many thousand times: a few bytes in a bucket then stand for a tar that fills a disk. What
 * makes so much of so little is checked before a byte of it is handed out, and there is an end to what a recipe may make.
 */
import assert from "node:assert/strict";
import { chunkKey, recipeKey } from "../../src/bucket/chunk_keys.ts";
import { ImageStore } from "../../src/bucket/image_store.ts";
import { parseRecipe } from "../../src/bucket/recipe.ts";
import { dockerArchive } from "../../src/archive/docker_archive_writer.ts";
import { TAR_SIZE } from "../../src/archive/layer_compression.ts";
import { type BlobReader, bytesReader } from "../../src/bytes/blob_reader.ts";
import { verifiedReader } from "../../src/bytes/verified_reader.ts";
import { isImageError } from "../../src/errors.ts";
import type { Descriptor } from "../../src/oci/descriptor.ts";
import { type Digest, digestOf, hexOf } from "../../src/oci/digest.ts";
import { MAX_MULTIPLIED_BYTES } from "../../src/oci/limits.ts";
import { readManifest } from "../../src/oci/manifest.ts";
import { MEDIA_TYPES } from "../../src/oci/media_types.ts";
import { openRawLayer } from "../../src/transports/docker_daemon_raw_layer.ts";
import { jsonBytes, zstdFrame } from "../support/chunked_layers.ts";
import { concat } from "../support/concat.ts";
import { MemoryStore } from "../support/memory_store.ts";

const MIB = 1024 * 1024;
const chunk = new Uint8Array(MIB);
const frame = zstdFrame(chunk);
const WRONG = digestOf(new TextEncoder().encode("another tar"));

/** A layer that is one chunk of zeros, so many times. */
function multiplied(times: number, diffId: Digest) {
  // Small enough to be made for real, so that nothing but the diff id is wrong.
  const stored = concat(Array.from({ length: times }, () => frame));
  const digest = digestOf(stored);
  const entry = { digest: hexOf(digestOf(chunk)), size: MIB, compressedSize: frame.byteLength };
  const recipe = {
    layer: hexOf(diffId),
    size: times * MIB,
    compressedDigest: hexOf(digest),
    compressedSize: stored.byteLength,
    chunks: Array.from({ length: times }, () => entry),
  };
  const descriptor = { mediaType: MEDIA_TYPES.ociLayerZstd, digest, size: stored.byteLength };
  return { stored, recipe, descriptor };
}

function storeOf({ recipe, descriptor }: ReturnType<typeof multiplied>): MemoryStore {
  const store = new MemoryStore();
  store.set(recipeKey(descriptor.digest), jsonBytes(recipe));
  store.set(chunkKey(digestOf(chunk)), frame);
  return store;
}

function zerosDigest(times: number): Digest {
  return digestOf(new Uint8Array(times * MIB));
}

Deno.test("a recipe that multiplies one chunk into another tar than the config's is refused before it is opened", {
  permissions: "none",
}, async () => {
  const layer = multiplied(300, WRONG);
  const store = storeOf(layer);
  await assert.rejects(new ImageStore(store).openRawLayer(layer.descriptor, WRONG), (error: unknown) => {
    assert.ok(isImageError(error, "digest-mismatch"), String(error));
    assert.match(error.message, /its chunks make a tar of digest "sha256:.*", not the diff id/);
    return true;
  });
  assert.equal(store.requests.open, 1, "the chunk is read once, however often it is used");
});

Deno.test("a recipe that multiplies one chunk into the right tar is opened", { permissions: "none" }, async () => {
  const layer = multiplied(100, zerosDigest(100));
  const raw = await new ImageStore(storeOf(layer)).openRawLayer(layer.descriptor, zerosDigest(100));
  assert.equal(raw?.sizeBytes, 100 * MIB);
  await raw.content[Symbol.asyncDispose]();
});

Deno.test("the check of a multiplied layer heeds the signal", { permissions: "none" }, async () => {
  const layer = multiplied(300, WRONG);
  const signal = AbortSignal.abort(new Error("enough"));
  await assert.rejects(new ImageStore(storeOf(layer)).openRawLayer(layer.descriptor, WRONG, { signal }), /enough/);
});

Deno.test("parseRecipe() refuses a recipe that makes more than any layer is", { permissions: "none" }, () => {
  const size = 16 * MIB;
  const count = MAX_MULTIPLIED_BYTES / size + 1;
  const { recipe, descriptor } = multiplied(1, WRONG);
  const entry = { digest: hexOf(digestOf(chunk)), size, compressedSize: 47 };
  const forged = {
    ...recipe,
    size: size * count,
    compressedSize: 47 * count,
    chunks: Array.from({ length: count }, () => entry),
  };
  assert.throws(() => parseRecipe(jsonBytes(forged), descriptor.digest), (error: unknown) => {
    assert.ok(isImageError(error, "invalid-input"), String(error));
    assert.match(error.message, new RegExp(`"size" must be ${MAX_MULTIPLIED_BYTES} at most`));
    return true;
  });
});

Deno.test("a docker archive of a layer that unpacks to a great many wrong bytes holds none of them", {
  permissions: { read: "inherit", write: "inherit", env: "inherit" },
}, async () => {
  const { stored, descriptor } = multiplied(300, WRONG);
  const config = jsonBytes({ os: "linux", architecture: "amd64", rootfs: { type: "layers", diff_ids: [WRONG] } });
  for (const annotations of [undefined, { [TAR_SIZE]: String(300 * MIB) }]) {
    const manifest = readManifest(
      jsonBytes({
        schemaVersion: 2,
        mediaType: MEDIA_TYPES.ociManifest,
        config: { mediaType: MEDIA_TYPES.ociConfig, digest: digestOf(config), size: config.byteLength },
        layers: [{ ...descriptor, ...(annotations ? { annotations } : {}) }],
      }),
      "image",
    );
    const open = (blob: Descriptor): Promise<BlobReader> =>
      Promise.resolve(verifiedReader(bytesReader(blob.digest === descriptor.digest ? stored : config), blob, "blob"));
    await using reader = await dockerArchive({ manifest, names: [] }, open);
    let handedOut = 0;
    await assert.rejects(async () => {
      for (let piece; (piece = await reader.read(new Uint8Array(65_536))).byteLength > 0;) {
        handedOut += piece.byteLength;
      }
    }, (error: unknown) => isImageError(error, "digest-mismatch"));
    assert.ok(handedOut < 10_000, `${handedOut} bytes were handed out`);
  }
});

Deno.test("a daemon gets nothing of such a layer either", { permissions: "none" }, async () => {
  const { stored, descriptor } = multiplied(300, WRONG);
  const blob = { ...descriptor, annotations: { [TAR_SIZE]: String(300 * MIB) } };
  const content = { blob, open: () => Promise.resolve(bytesReader(stored)) };
  await assert.rejects(openRawLayer(content, WRONG), (error: unknown) => isImageError(error, "digest-mismatch"));
});
