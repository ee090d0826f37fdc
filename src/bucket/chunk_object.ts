import type { BlobReader, ByteRange } from "../bytes/blob_reader.ts";
import { retrying, type RetryOptions } from "../bytes/retry.ts";
import { unzstd } from "../bytes/zstd.ts";
import { ImageError, isImageError } from "../errors.ts";
import type { ObjectStore } from "../objects/object_store.ts";
import { digestOf } from "../oci/digest.ts";
import { chunkKey } from "./chunk_keys.ts";
import { MAX_CHUNK_BYTES, type RecipeChunk } from "./recipe.ts";

/** A raw chunk needs no larger window than its own size; twice that leaves room for odd encoders. */
const MAX_CHUNK_WINDOW_BYTES = 2 * MAX_CHUNK_BYTES;

/** How the objects of a layer's chunks are read. */
export interface ReadChunkOptions {
  /** Names the layer in errors, for example `layer "sha256:…" of "s3://bucket/app:v1"`. */
  readonly what: string;
  readonly signal?: AbortSignal | undefined;
  /** How patiently a broken read is tried again, chunk by chunk. */
  readonly retry?: RetryOptions | undefined;
}

/**
 * Reads a chunk's object, or a range of it, as stored.
 *
 * Throws `not-found` when it is missing, `digest-mismatch` when its length is not the recipe's. The bytes are not hashed:
 * only unpacking them can tell whether they are right ({@linkcode decodeChunk}).
 */
export function readStoredChunk(
  store: ObjectStore,
  chunk: RecipeChunk,
  options: ReadChunkOptions & { readonly range?: Required<ByteRange> | undefined },
): Promise<Uint8Array<ArrayBuffer>> {
  const { range, signal } = options;
  const isWhole = range === undefined || range.length === chunk.storedSizeBytes;
  const wanted = isWhole ? chunk.storedSizeBytes : range.length;
  return retrying(async () => {
    signal?.throwIfAborted();
    await using reader = await openChunk(store, chunk, options, isWhole ? undefined : range);
    let bytes = new Uint8Array(wanted);
    let filled = 0;
    while (filled < wanted) {
      const piece = await reader.read(new Uint8Array(bytes.buffer, filled));
      signal?.throwIfAborted();
      if (piece.byteLength === 0) throw wrongLength(store, chunk, options, `${(range?.start ?? 0) + filled}`);
      bytes = new Uint8Array(piece.buffer);
      filled += piece.byteLength;
    }
    if (isWhole && (await reader.read(new Uint8Array(1))).byteLength > 0) {
      throw wrongLength(store, chunk, options, "more");
    }
    return bytes;
  }, { ...options.retry, signal });
}

/**
 * Unpacks a stored chunk and checks its size and digest.
 *
 * Throws `invalid-input` when it is no zstd, `digest-mismatch` when it is another chunk. A bomb stops at the chunk's size.
 */
export function decodeChunk(
  stored: Uint8Array<ArrayBuffer>,
  chunk: RecipeChunk,
  what: string,
): Uint8Array<ArrayBuffer> {
  const raw = unzstd(stored, {
    what: nameOf(chunk, what),
    sizeBytes: chunk.rawSizeBytes,
    maxWindowBytes: MAX_CHUNK_WINDOW_BYTES,
  });
  const digest = digestOf(raw);
  if (digest !== chunk.digest) {
    throw new ImageError("digest-mismatch", `Cannot use ${nameOf(chunk, what)}: it unpacks to digest "${digest}"`);
  }
  return raw;
}

/** The error for a chunk whose object is not as long as the recipe says. */
export function wrongLength(
  store: ObjectStore,
  chunk: RecipeChunk,
  options: { readonly what: string },
  found: string,
): ImageError {
  return new ImageError(
    "digest-mismatch",
    `Cannot use ${nameOf(chunk, options.what)}: its object in "${store.name}" has ${found} bytes, ` +
      `not the recipe's ${chunk.storedSizeBytes}`,
  );
}

/** The error for a chunk whose object is not there. */
export function missingChunk(
  store: ObjectStore,
  chunk: RecipeChunk,
  options: { readonly what: string },
  cause?: unknown,
): ImageError {
  return new ImageError("not-found", `Cannot read ${nameOf(chunk, options.what)}: "${store.name}" does not hold it`, {
    hint: "Push the image again from where it was built: that writes the missing chunk",
    cause,
  });
}

async function openChunk(
  store: ObjectStore,
  chunk: RecipeChunk,
  options: ReadChunkOptions,
  range: ByteRange | undefined,
): Promise<BlobReader> {
  try {
    return await store.open(chunkKey(chunk.digest), range);
  } catch (error) {
    if (isImageError(error, "not-found")) throw missingChunk(store, chunk, options, error);
    throw error;
  }
}

function nameOf(chunk: RecipeChunk, what: string): string {
  return `chunk "${chunk.digest}" of ${what}`;
}
