import type { BlobReader, ByteRange } from "../bytes/blob_reader.ts";
import { OrderedAhead } from "../bytes/ordered_ahead.ts";
import { release } from "../bytes/release.ts";
import type { RetryOptions } from "../bytes/retry.ts";
import { ImageError } from "../errors.ts";
import type { ObjectStore } from "../objects/object_store.ts";
import { type Digest, Hasher } from "../oci/digest.ts";
import { decodeChunk, readAnyStoredChunk, readStoredChunk } from "./chunk_object.ts";
import { checkRecipeDiffId, type Recipe, type RecipeChunk } from "./recipe.ts";

/** Chunks read at once per layer: as many as the Go tool, enough to hide a far bucket's latency. */
const CHUNKS_AHEAD = 4;

/** What they may hold together: four ordinary chunks raw and stored, two of the largest. */
const AHEAD_BYTES = 64 * 1024 * 1024;

/** How a chunked layer is opened. */
export interface OpenLayerOptions {
  /** Names the layer in errors. Default `layer "sha256:…"`; give one that names the image too. */
  readonly what?: string | undefined;
  /** Stops the reading; also what is read ahead. */
  readonly signal?: AbortSignal | undefined;
  /** How patiently a broken read is tried again, chunk by chunk. */
  readonly retry?: RetryOptions | undefined;
}

/** Unpacks one stored chunk and checks it, here or on another core; throws as {@linkcode decodeChunk} does. */
export type ChunkDecoder = (
  stored: Uint8Array<ArrayBuffer>,
  chunk: RecipeChunk,
  what: string,
) => Promise<Uint8Array<ArrayBuffer>>;

/**
 * Opens a chunked layer as stored, or a range of it: its chunks' objects one after another, which is the blob that the
 * manifest names (a zstd stream of several frames).
 *
 * Several objects are read ahead, in bounded memory. Each must have the length that the recipe gives it; the digest of the
 * whole is left to the copier, as for every blob. Reading throws `not-found` and `digest-mismatch`.
 */
export function openChunkedLayer(
  store: ObjectStore,
  recipe: Recipe,
  options: OpenLayerOptions & { readonly range?: ByteRange | undefined } = {},
): BlobReader {
  const what = options.what ?? `layer "${recipe.digest}"`;
  const read = (part: ChunkPart, _index: number, signal: AbortSignal) =>
    readStoredChunk(store, part.chunk, {
      what,
      range: part.range,
      signal: joined(signal, options.signal),
      retry: options.retry,
    });
  const parts = partsOf(recipe, options.range);
  const sizeOf = (part: ChunkPart) => part.range.length;
  return new PieceReader(new OrderedAhead(parts, read, { maxItems: CHUNKS_AHEAD, maxBytes: AHEAD_BYTES, sizeOf }));
}

/**
 * Opens the raw tar of a chunked layer.
 *
 * Every chunk is unpacked within its size and checked against its digest (so how it is stored does not matter, even where
 * the recipe is wrong about that), and the last one is handed out only when the
 * whole is what `diffId` (of the image's config) names. Throws `invalid-input` at once when the recipe makes another layer;
 * reading throws `not-found`, `digest-mismatch`, `invalid-input`.
 */
export function openRawLayer(
  store: ObjectStore,
  recipe: Recipe,
  options: OpenLayerOptions & { readonly diffId: Digest; readonly decode?: ChunkDecoder | undefined },
): BlobReader {
  const what = options.what ?? `layer "${recipe.digest}"`;
  const decode = options.decode ?? ((...args) => Promise.resolve(decodeChunk(...args)));
  checkRecipeDiffId(recipe, { what, diffId: options.diffId });
  const read = async (chunk: RecipeChunk, _index: number, signal: AbortSignal) => {
    const stored = await readAnyStoredChunk(store, chunk, {
      what,
      signal: joined(signal, options.signal),
      retry: options.retry,
    });
    const raw = await decode(stored, chunk, what);
    release(stored);
    return raw;
  };
  const sizeOf = (chunk: RecipeChunk) => chunk.rawSizeBytes + chunk.storedSizeBytes;
  const ahead = new OrderedAhead(recipe.chunks, read, { maxItems: CHUNKS_AHEAD, maxBytes: AHEAD_BYTES, sizeOf });
  const hasher = new Hasher("sha256");
  let left = recipe.chunks.length;
  return new PieceReader(ahead, (piece) => {
    hasher.update(piece);
    if (--left > 0 || hasher.digest() === options.diffId) return;
    throw new ImageError(
      "digest-mismatch",
      `Cannot use ${what}: its chunks make a tar of digest "${hasher.digest()}", not the diff id "${options.diffId}"`,
    );
  });
}

/** A stretch of one chunk's object. */
interface ChunkPart {
  readonly chunk: RecipeChunk;
  readonly range: Required<ByteRange>;
}

/** The chunks that a range of the stored layer touches, and which bytes of each. */
function partsOf(recipe: Recipe, range: ByteRange = { start: 0 }): readonly ChunkPart[] {
  const end = range.length === undefined ? recipe.storedSizeBytes : range.start + range.length;
  const parts: ChunkPart[] = [];
  let offset = 0;
  for (const chunk of recipe.chunks) {
    const start = Math.max(range.start - offset, 0);
    const length = Math.min(end - offset, chunk.storedSizeBytes) - start;
    if (length > 0) parts.push({ chunk, range: { start, length } });
    offset += chunk.storedSizeBytes;
  }
  return parts;
}

/** Hands out pieces of memory, in order, as one stream. */
class PieceReader<T> implements BlobReader {
  readonly #ahead: OrderedAhead<T, Uint8Array<ArrayBuffer>>;
  readonly #check: (piece: Uint8Array<ArrayBuffer>) => void;
  #piece: Uint8Array<ArrayBuffer> | undefined;
  #position = 0;
  #ended = false;
  #failed = false;
  #failure: unknown;

  /** `check` sees every piece before a byte of it is handed out. */
  constructor(
    ahead: OrderedAhead<T, Uint8Array<ArrayBuffer>>,
    check: (piece: Uint8Array<ArrayBuffer>) => void = () => {},
  ) {
    this.#ahead = ahead;
    this.#check = check;
  }

  async read(into: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
    while (!this.#ended && this.#position >= (this.#piece?.byteLength ?? 0)) await this.#advance();
    const bytes = this.#piece?.subarray(this.#position, this.#position + into.byteLength) ?? new Uint8Array(0);
    into.set(bytes);
    this.#position += bytes.byteLength;
    return into.subarray(0, bytes.byteLength);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Reading on must not look like the end of the bytes.
    this.#ended = false;
    this.#failed = true;
    this.#failure = new ImageError("aborted", "Stopped reading: the reader was closed");
    if (this.#piece) release(this.#piece);
    this.#piece = undefined;
    await this.#ahead[Symbol.asyncDispose]();
  }

  /** A failure stays: reading on after one must not skip the piece that failed. */
  async #advance(): Promise<void> {
    if (this.#failed) throw this.#failure;
    if (this.#piece) release(this.#piece);
    this.#piece = undefined;
    this.#position = 0;
    try {
      const piece = await this.#ahead.next();
      if (piece) this.#check(piece);
      else this.#ended = true;
      this.#piece = piece;
    } catch (error) {
      this.#failed = true;
      this.#failure = error;
      throw error;
    }
  }
}

function joined(signal: AbortSignal, other: AbortSignal | undefined): AbortSignal {
  return other ? AbortSignal.any([signal, other]) : signal;
}
