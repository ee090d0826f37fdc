import { type BlobReader, type ByteRange, fill } from "../bytes/blob_reader.ts";
import { retrying, type RetryOptions } from "../bytes/retry.ts";
import { unzstd } from "../bytes/zstd.ts";
import { ImageError, isImageError } from "../errors.ts";
import type { ObjectStore } from "../objects/object_store.ts";
import { digestOf } from "../oci/digest.ts";
import { chunkKey } from "./chunk_keys.ts";
import { MAX_CHUNK_BYTES, MAX_STORED_CHUNK_BYTES, type RecipeChunk } from "./recipe.ts";

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
    await using reader = await openChunk(store, chunk, options, isWhole ? undefined : range);
    const bytes = await readUpTo(reader, wanted, signal);
    if (bytes.byteLength < wanted) {
      throw wrongLength(store, chunk, options, `${(range?.start ?? 0) + bytes.byteLength}`);
    }
    if (isWhole && (await reader.read(new Uint8Array(1))).byteLength > 0) {
      throw wrongLength(store, chunk, options, "more");
    }
    return bytes;
  }, { ...options.retry, signal });
}

/**
 * Reads a chunk's object of whatever length, to be unpacked and checked.
 *
 * The Go tool reuses a chunk by its name and takes for granted that the object is what its own encoder makes; where another
 * encoder was first, the recipe has the wrong length and the layer cannot be had as stored, but its raw bytes are all there.
 * Throws `not-found`, and `digest-mismatch` when the object is larger than any chunk can be.
 */
export function readAnyStoredChunk(
  store: ObjectStore,
  chunk: RecipeChunk,
  options: ReadChunkOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  return retrying(async () => {
    await using reader = await openChunk(store, chunk, options, undefined);
    const bytes = await readUpTo(reader, chunk.storedSizeBytes, options.signal);
    if (bytes.byteLength < chunk.storedSizeBytes) return bytes;
    const leftBytes = MAX_STORED_CHUNK_BYTES - bytes.byteLength;
    // As a rule there is nothing more, and a buffer for what there could be would be larger than the chunk.
    const first = await readUpTo(reader, Math.min(1, leftBytes), options.signal);
    if (first.byteLength === 0) return bytes;
    const rest = await readUpTo(reader, leftBytes, options.signal);
    if (rest.byteLength === leftBytes) throw wrongLength(store, chunk, options, `more than ${MAX_STORED_CHUNK_BYTES}`);
    const all = new Uint8Array(bytes.byteLength + 1 + rest.byteLength);
    all.set(bytes);
    all.set(first, bytes.byteLength);
    all.set(rest, bytes.byteLength + 1);
    return all;
  }, { ...options.retry, signal: options.signal });
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

/** Reads so many bytes, fewer where the reader ends before. */
async function readUpTo(
  reader: BlobReader,
  sizeBytes: number,
  signal: AbortSignal | undefined,
): Promise<Uint8Array<ArrayBuffer>> {
  signal?.throwIfAborted();
  const { bytes } = await fill(reader, new Uint8Array(sizeBytes));
  signal?.throwIfAborted();
  return bytes;
}

async function openChunk(
  store: ObjectStore,
  chunk: RecipeChunk,
  options: ReadChunkOptions,
  range: ByteRange | undefined,
): Promise<BlobReader> {
  options.signal?.throwIfAborted();
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
