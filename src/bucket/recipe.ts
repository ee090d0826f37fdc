import { ImageError } from "../errors.ts";
import { type Digest, digestOf, hexOf, isDigest } from "../oci/digest.ts";
import { Members, parseJsonObject } from "../oci/json.ts";
import { MAX_MULTIPLIED_BYTES } from "../oci/limits.ts";

/** Largest raw chunk: the format cuts no longer one. */
export const MAX_CHUNK_BYTES = 16 * 1024 * 1024;

/** Largest stored chunk: incompressible bytes grow by a few in every 128 KiB. */
export const MAX_STORED_CHUNK_BYTES = MAX_CHUNK_BYTES + 128 * 1024;

/** Most chunks of one layer: 64 GiB of the smallest ones, far beyond what the Go tool pushes (10 GiB). */
const MAX_CHUNKS = 65_536;

/** Largest recipe read; one of {@linkcode MAX_CHUNKS} chunks fits twice. */
export const MAX_RECIPE_BYTES = 16 * 1024 * 1024;

const EMPTY_DIGEST = digestOf(new Uint8Array(0));

/** One chunk of a layer. */
export interface RecipeChunk {
  /** The digest of its raw bytes, which names its object. */
  readonly digest: Digest;
  readonly rawSizeBytes: number;
  /** Length of the object: one or more zstd frames. */
  readonly storedSizeBytes: number;
}

/** How a chunked layer is put together, checked field by field. */
export interface Recipe {
  /** The digest of the layer as stored, which the manifest names. */
  readonly digest: Digest;
  /** Length of the layer as stored. */
  readonly storedSizeBytes: number;
  /** The digest of the raw tar. */
  readonly diffId: Digest;
  readonly rawSizeBytes: number;
  /** In the order of the layer; one that occurs twice is listed twice. */
  readonly chunks: readonly RecipeChunk[];
}

/** What else a recipe is held against. */
export interface ParseRecipeOptions {
  /** Names the layer in errors. Default `layer "sha256:…"`; give one that names the image too. */
  readonly what?: string | undefined;
  /** The size that the manifest gives the layer. */
  readonly sizeBytes?: number | undefined;
  /** The diff id that the image's config gives the layer. */
  readonly diffId?: Digest | undefined;
}

/**
 * Reads a recipe as what it is: bytes that anybody with access to the bucket may have written.
 *
 * `expectedDigest` is the layer's digest in the manifest, under which the recipe was found. Every digest in the result is
 * whole and checked, and the sizes add up; nothing is said about the chunks themselves. Throws `invalid-input`, naming the
 * layer and the field.
 */
export function parseRecipe(bytes: Uint8Array, expectedDigest: Digest, options: ParseRecipeOptions = {}): Recipe {
  const what = `recipe of ${options.what ?? `layer "${expectedDigest}"`}`;
  if (bytes.byteLength > MAX_RECIPE_BYTES) {
    throw new ImageError("invalid-input", `Cannot read ${what}: it has more than ${MAX_RECIPE_BYTES} bytes`);
  }
  const members = new Members(parseJsonObject(bytes, what), what);
  const recipe: Recipe = {
    digest: digestMember(members, "compressedDigest"),
    storedSizeBytes: sizeMember(members, "compressedSize"),
    diffId: digestMember(members, "layer"),
    rawSizeBytes: sizeMember(members, "size"),
    chunks: parseChunks(members, what),
  };
  if (recipe.digest !== expectedDigest) {
    throw members.invalid("compressedDigest", `the digest "${hexOf(expectedDigest)}" of its key and manifest`);
  }
  if (options.sizeBytes !== undefined && recipe.storedSizeBytes !== options.sizeBytes) {
    throw members.invalid("compressedSize", `the manifest's size ${options.sizeBytes}`);
  }
  checkRecipeDiffId(recipe, options);
  checkSums(recipe, members);
  return recipe;
}

/** Checks that a recipe makes the layer that the image's config names. Throws `invalid-input`. */
export function checkRecipeDiffId(recipe: Recipe, options: ParseRecipeOptions): void {
  if (options.diffId === undefined || recipe.diffId === options.diffId) return;
  throw new ImageError(
    "invalid-input",
    `Invalid recipe of ${options.what ?? `layer "${recipe.digest}"`}: ` +
      `"layer" must be the diff id "${hexOf(options.diffId)}" of the image's config`,
  );
}

function parseChunks(members: Members, what: string): readonly RecipeChunk[] {
  // Go writes a list that was never filled as null.
  const list = members.array("chunks") ?? [];
  if (list.length > MAX_CHUNKS) throw members.invalid("chunks", `a list of ${MAX_CHUNKS} chunks at most`);
  const known = new Map<Digest, RecipeChunk>();
  return list.map((item, index) => {
    const fields = new Members(item, `chunk ${index} of ${what}`);
    const chunk: RecipeChunk = {
      digest: digestMember(fields, "digest"),
      rawSizeBytes: chunkSizeMember(fields, "size", MAX_CHUNK_BYTES),
      storedSizeBytes: chunkSizeMember(fields, "compressedSize", MAX_STORED_CHUNK_BYTES),
    };
    const same = known.get(chunk.digest);
    if (!same) {
      known.set(chunk.digest, chunk);
      return chunk;
    }
    if (same.rawSizeBytes !== chunk.rawSizeBytes) throw fields.invalid("size", "the same for each use of one chunk");
    if (same.storedSizeBytes !== chunk.storedSizeBytes) {
      throw fields.invalid("compressedSize", "the same for each use of one chunk");
    }
    return same;
  });
}

function checkSums(recipe: Recipe, members: Members): void {
  const rawBytes = recipe.chunks.reduce((sum, chunk) => sum + chunk.rawSizeBytes, 0);
  if (rawBytes !== recipe.rawSizeBytes) throw members.invalid("size", `the sum ${rawBytes} of its chunks`);
  if (rawBytes > MAX_MULTIPLIED_BYTES) throw members.invalid("size", `${MAX_MULTIPLIED_BYTES} at most`);
  const storedBytes = recipe.chunks.reduce((sum, chunk) => sum + chunk.storedSizeBytes, 0);
  if (storedBytes !== recipe.storedSizeBytes) {
    throw members.invalid("compressedSize", `the sum ${storedBytes} of its chunks`);
  }
  if (recipe.chunks.length > 0) return;
  // A layer of no bytes has no chunks, and both of its digests are known.
  if (recipe.digest !== EMPTY_DIGEST) throw members.invalid("chunks", "filled: its layer is not empty");
  if (recipe.diffId !== EMPTY_DIGEST) throw members.invalid("layer", "the digest of no bytes: it has no chunks");
}

function digestMember(members: Members, key: string): Digest {
  const hex = members.string(key);
  if (hex === undefined) throw members.missing(key);
  // Hex alone: a text with an algorithm of its own must not pass as `sha256:` + text.
  const digest = `sha256:${hex}`;
  if (!/^[0-9a-f]{64}$/.test(hex) || !isDigest(digest)) throw members.invalid(key, "64 lower-case hex digits");
  return digest;
}

function sizeMember(members: Members, key: string): number {
  const size = members.size(key);
  if (size === undefined) throw members.missing(key);
  return size;
}

function chunkSizeMember(members: Members, key: string, maxBytes: number): number {
  const size = sizeMember(members, key);
  if (size === 0 || size > maxBytes) throw members.invalid(key, `from 1 to ${maxBytes}`);
  return size;
}
