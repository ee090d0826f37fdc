import { mapPool } from "../bytes/pool.ts";
import { release } from "../bytes/release.ts";
import type { RetryOptions } from "../bytes/retry.ts";
import { ImageError, isImageError } from "../errors.ts";
import { verifiedReader } from "../bytes/verified_reader.ts";
import type { ObjectStore } from "../objects/object_store.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { blobPath, type Digest, Hasher } from "../oci/digest.ts";
import { MEDIA_TYPES } from "../oci/media_types.ts";
import { CHUNK_FORMAT, chunkKey, fileIndexKey, recipeKey } from "./chunk_keys.ts";
import { decodeChunk, missingChunk, readStoredChunk, wrongLength } from "./chunk_object.ts";
import { ChunkPresence } from "./chunk_presence.ts";
import { openChunkedLayer } from "./chunked_layer.ts";
import { readRecipeObject, type RecipeObject } from "./find_layer.ts";
import { MAX_RECIPE_BYTES, type Recipe, type RecipeChunk } from "./recipe.ts";
import type { ReliedObject } from "./relied_objects.ts";
import { wrappedCompression } from "./wrapped_layer.ts";

/** Chunks on their way at once: each may hold its stored and its raw bytes. */
const PARALLEL_CHUNKS = 4;

/** Largest file index copied; one of a million files stays below. */
const MAX_FILE_INDEX_BYTES = 64 * 1024 * 1024;

/** How much of two objects is compared to tell two encoders apart: the frame's header and some of the first block. */
const COMPARED_BYTES = 4096;

/** How a chunked layer is copied. */
export interface CopyChunkedLayerOptions {
  /** Names the layer in errors. Default `layer "sha256:…"`. */
  readonly what?: string | undefined;
  /** `chunk_format` of the source's settings; undefined where it is absent, which means 1. */
  readonly sourceFormat?: number | undefined;
  /** `chunk_format` of the target's settings; undefined where it is absent: then the caller has to set it. */
  readonly targetFormat?: number | undefined;
  /** The diff id that the image's config gives the layer; the recipe has to agree. */
  readonly diffId?: Digest | undefined;
  /** What is known of the target's chunks; share one between the layers of a copy to save look-ups. */
  readonly presence?: ChunkPresence | undefined;
  /** Whether what two far stores copy between them is read and checked too, before anything points at it. */
  readonly verifies?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly retry?: RetryOptions | undefined;
}

/** What a copy of a chunked layer did. */
export interface ChunkedLayerCopy {
  /** `whole` when the target holds another encoder's chunks under the same names, so the layer could not share them. */
  readonly kind: "chunked" | "whole";
  readonly chunksCopied: number;
  /** Those that the target held already. */
  readonly chunksPresent: readonly Digest[];
  /** Every object of the target that the layer consists of now, with the time it has: see `ReliedObjects`. */
  readonly objects: readonly ReliedObject[];
  /** Stored bytes that were copied, server side or through here. */
  readonly copiedBytes: number;
  /** Those of them that passed through here. */
  readonly streamedBytes: number;
}

/**
 * Copies a chunked layer between two buckets, chunk by chunk: only what is missing, server side where the two stores can,
 * the recipe last. Undefined when the source has no recipe of it.
 *
 * A chunk that passes through here is unpacked and checked, and where one of the stores is local so is the whole. One that the target holds is never written again, since other
 * layers' digests depend on its bytes. If those differ from the source's (a chunk is named by its raw bytes, so another
 * encoder's look the same), the layer cannot be shared, and is written as one whole blob: the digest in the manifest
 * stays right, every reader finds it, and nothing else is harmed. Only sizes and beginnings are compared.
 *
 * Throws `conflict` when the target's chunks are cut in another format, `not-found` and `digest-mismatch` for chunks that
 * are missing or wrong, `invalid-input` for the recipe. Nothing points at what was copied before the recipe is there.
 */
export async function copyChunkedLayer(
  source: ObjectStore,
  target: ObjectStore,
  options: CopyChunkedLayerOptions & { readonly layer: Descriptor },
): Promise<ChunkedLayerCopy | undefined> {
  const { layer } = options;
  const object = await readRecipeObject(source, layer, { what: options.what });
  if (!object) return undefined;
  const { what, signal, retry, diffId } = options;
  await wrappedCompression(source, object.recipe, { what, signal, retry, diffId });
  const copy = new LayerCopy(source, target, object, { ...options, what: options.what ?? `layer "${layer.digest}"` });
  return await copy.run();
}

class LayerCopy {
  readonly #source: ObjectStore;
  readonly #target: ObjectStore;
  readonly #recipe: Recipe;
  readonly #recipeBytes: Uint8Array<ArrayBuffer>;
  readonly #options: CopyChunkedLayerOptions & { readonly what: string };
  readonly #presence: ChunkPresence;
  readonly #objects: ReliedObject[] = [];
  #chunksCopied = 0;
  #copiedBytes = 0;
  #streamedBytes = 0;

  constructor(
    source: ObjectStore,
    target: ObjectStore,
    object: RecipeObject,
    options: CopyChunkedLayerOptions & { readonly what: string },
  ) {
    this.#source = source;
    this.#target = target;
    this.#recipe = object.recipe;
    this.#recipeBytes = object.bytes;
    this.#options = options;
    this.#presence = options.presence ?? new ChunkPresence(target);
  }

  async run(): Promise<ChunkedLayerCopy> {
    this.#checkFormats();
    if (this.#source.isLocal) await this.#checkLayer(this.#source);
    const chunks = [...new Map(this.#recipe.chunks.map((chunk) => [chunk.digest, chunk])).values()];
    const found = await this.#presence.find(chunks.map((chunk) => chunk.digest), this.#options.signal);
    const present = chunks.filter((chunk) => found.get(chunk.digest) !== undefined);
    const missing = chunks.filter((chunk) => found.get(chunk.digest) === undefined);
    // Looked at before anything moves, so that a layer that cannot be shared leaves no chunks behind.
    const { signal } = this.#options;
    const isSame = (chunk: RecipeChunk) => this.#isSame(chunk, found.get(chunk.digest));
    const same = await mapPool(present, PARALLEL_CHUNKS, isSame, signal);
    if (same.includes(false)) return await this.#writeWhole();
    const written = await mapPool(missing, PARALLEL_CHUNKS, (chunk) => this.#copyChunk(chunk), signal);
    if (written.includes("other")) return await this.#writeWhole();
    const held = [...present, ...missing.filter((_, index) => written[index] === "present")];
    this.#objects.push(...held.flatMap(({ digest }) => this.#presence.objectOf(digest) ?? []));
    const { verifies = false } = this.#options;
    if (!this.#source.isLocal && (this.#target.isLocal || verifies)) await this.#checkLayer(this.#target);
    await this.#copyFileIndex();
    await this.#writeRecipe();
    return this.#result("chunked", held);
  }

  #checkFormats(): void {
    const { sourceFormat = CHUNK_FORMAT, targetFormat = sourceFormat, what } = this.#options;
    if (sourceFormat === targetFormat) return;
    throw new ImageError(
      "conflict",
      `Cannot copy ${what} in chunks: "${this.#target.name}" has chunk format ${targetFormat}, ` +
        `"${this.#source.name}" has ${sourceFormat}`,
      { hint: "Copy into a bucket of the same chunk format, or into an empty one" },
    );
  }

  /**
   * Checks everything that the recipe says where reading costs nothing: every chunk, that all of them in this order are the
   * blob that the manifest names, and that they unpack to the tar that the config names. Between two far stores whoever
   * reads the layer checks it, unless `verifies` says otherwise.
   */
  async #checkLayer(store: ObjectStore): Promise<void> {
    const { digest, diffId, chunks } = this.#recipe;
    const { what } = this.#options;
    const [whole, tar] = [new Hasher("sha256"), new Hasher("sha256")];
    for (const chunk of chunks) {
      const stored = await readStoredChunk(store, chunk, this.#options);
      whole.update(stored);
      const raw = decodeChunk(stored, chunk, what);
      tar.update(raw);
      release(stored);
      release(raw);
    }
    const checks = [["blob", whole.digest(), digest], ["tar", tar.digest(), diffId]] as const;
    for (const [kind, found, wanted] of checks) {
      if (found === wanted) continue;
      const message = `Cannot use ${what}: its chunks make a ${kind} of digest "${found}", not "${wanted}"`;
      throw new ImageError("digest-mismatch", message);
    }
  }

  /** Whether the target's object of a chunk is, as far as can be told cheaply, the source's. */
  async #isSame(chunk: RecipeChunk, sizeBytes: number | undefined): Promise<boolean> {
    if (sizeBytes !== chunk.storedSizeBytes) return false;
    const [own, other] = await Promise.all([
      this.#beginning(this.#source, chunk),
      this.#beginning(this.#target, chunk),
    ]);
    return isEqual(own, other);
  }

  async #beginning(store: ObjectStore, chunk: RecipeChunk): Promise<Uint8Array<ArrayBuffer>> {
    const length = Math.min(COMPARED_BYTES, chunk.storedSizeBytes);
    return await readStoredChunk(store, chunk, { ...this.#options, range: { start: 0, length } });
  }

  /** Copies one chunk that is missing. Somebody else may write it meanwhile: then theirs stays, if it is the same. */
  async #copyChunk(chunk: RecipeChunk): Promise<"copied" | "present" | "other"> {
    try {
      if (!await this.#copyOnServer(chunk)) await this.#copyThroughHere(chunk);
    } catch (error) {
      if (!isImageError(error, "conflict")) throw error;
      return await this.#isSame(chunk, await this.#presence.refresh(chunk.digest)) ? "present" : "other";
    }
    this.#presence.note(chunk.digest, chunk.storedSizeBytes);
    this.#wrote(chunkKey(chunk.digest), chunk.storedSizeBytes);
    this.#chunksCopied++;
    this.#copiedBytes += chunk.storedSizeBytes;
    return "copied";
  }

  async #copyOnServer(chunk: RecipeChunk): Promise<boolean> {
    const key = chunkKey(chunk.digest);
    const info = await this.#source.head(key);
    if (!info) throw missingChunk(this.#source, chunk, this.#options);
    if (info.sizeBytes !== chunk.storedSizeBytes) {
      throw wrongLength(this.#source, chunk, this.#options, `${info.sizeBytes}`);
    }
    return await this.#target.copyFrom(this.#source, key, key, info.sizeBytes, {
      condition: { absent: true },
      sourceEtag: info.etag,
    });
  }

  async #copyThroughHere(chunk: RecipeChunk): Promise<void> {
    const stored = await readStoredChunk(this.#source, chunk, this.#options);
    if (!this.#source.isLocal) release(decodeChunk(stored, chunk, this.#options.what));
    await this.#target.write(chunkKey(chunk.digest), stored, { condition: { absent: true } });
    this.#streamedBytes += stored.byteLength;
  }

  /** The list of files is a convenience, made from the layer: one that is there already will do. */
  async #copyFileIndex(): Promise<void> {
    const key = fileIndexKey(this.#recipe.digest);
    const index = await this.#source.read(key, MAX_FILE_INDEX_BYTES);
    if (!index) return;
    if (await this.#writeIfAbsent(key, index.bytes)) return this.#wrote(key, index.bytes.byteLength);
    const existing = await this.#target.head(key);
    if (existing) this.#objects.push(existing);
  }

  /**
   * Writes the recipe that was checked, byte for byte. One that is there is written again, as the Go tool does: that makes
   * it young, and right where it was not (of an early build).
   */
  async #writeRecipe(): Promise<void> {
    const key = recipeKey(this.#recipe.digest);
    this.#wrote(key, this.#recipeBytes.byteLength);
    if (await this.#writeIfAbsent(key, this.#recipeBytes)) return;
    const existing = await this.#target.read(key, MAX_RECIPE_BYTES);
    const isSame = existing !== undefined && isEqual(existing.bytes, this.#recipeBytes);
    const condition = existing ? { etag: existing.etag } : { absent: true as const };
    await this.#target.write(key, this.#recipeBytes, isSame ? {} : { condition });
  }

  async #writeIfAbsent(key: string, bytes: Uint8Array<ArrayBuffer>): Promise<boolean> {
    try {
      await this.#target.write(key, bytes, { condition: { absent: true } });
      return true;
    } catch (error) {
      if (isImageError(error, "conflict")) return false;
      throw error;
    }
  }

  async #writeWhole(): Promise<ChunkedLayerCopy> {
    const { digest, storedSizeBytes } = this.#recipe;
    const blob = { mediaType: MEDIA_TYPES.ociLayerZstd, digest, size: storedSizeBytes };
    const open = () => {
      const layer = openChunkedLayer(this.#source, this.#recipe, this.#options);
      return Promise.resolve(verifiedReader(layer, blob, this.#options.what));
    };
    await this.#target.writeStream(blobPath(digest), { sizeBytes: storedSizeBytes, digest, open }, { isBlob: true });
    this.#wrote(blobPath(digest), storedSizeBytes);
    // Readers believe a recipe first, and one that is there names chunks that this layer does not consist of.
    if (await this.#target.head(recipeKey(digest))) await this.#target.remove([recipeKey(digest)]);
    this.#copiedBytes += storedSizeBytes;
    this.#streamedBytes += storedSizeBytes;
    return this.#result("whole", []);
  }

  #wrote(key: string, sizeBytes: number): void {
    this.#objects.push({ key, sizeBytes, modifiedAt: new Date() });
  }

  #result(kind: "chunked" | "whole", present: readonly RecipeChunk[]): ChunkedLayerCopy {
    return {
      kind,
      chunksCopied: this.#chunksCopied,
      chunksPresent: present.map((chunk) => chunk.digest),
      objects: this.#objects,
      copiedBytes: this.#copiedBytes,
      streamedBytes: this.#streamedBytes,
    };
  }
}

function isEqual(one: Uint8Array, other: Uint8Array): boolean {
  return one.byteLength === other.byteLength && one.every((byte, index) => byte === other[index]);
}
