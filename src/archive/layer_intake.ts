import { ImageError } from "../errors.ts";
import type { BlobReader, ByteRange } from "../bytes/blob_reader.ts";
import { rawTarReader } from "../bytes/decompress.ts";
import { SNIFF_BYTES, sniffCompression } from "../bytes/sniff.ts";
import { fill } from "../bytes/blob_reader.ts";
import { digestOfReader } from "../bytes/verified_reader.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { algorithmOf, type Digest, Hasher } from "../oci/digest.ts";
import { shortDigest } from "../oci/short_digest.ts";
import { type ArchiveFiles, missingFile, rangeWithin } from "./archive_files.ts";
import { threadedCompressReader } from "./compress_thread.ts";
import { type CompressionOptions, LAYER_MEDIA_TYPES, TAR_SIZE, zstdForLayers } from "./layer_compression.ts";
import { phaseReader } from "./phase.ts";
import type { RandomFile } from "./random_file.ts";
import { spool, type SpoolOptions } from "./temporary_file.ts";

/** How layers out of an archive become blobs. */
export interface IntakeOptions extends CompressionOptions, SpoolOptions {
  /**
   * The stored form of a layer that is known from an earlier time, by its diff id: the layer is then neither read nor
   * compressed, unless its bytes are asked for after all.
   */
  readonly knownLayers?: ((diffId: Digest) => Descriptor | undefined) | undefined;
}

/** A layer as a blob: what names it and where its bytes are. */
export interface StoredLayer extends AsyncDisposable {
  readonly descriptor: Descriptor;
  /** Opens the bytes that the descriptor names. */
  open(range?: ByteRange): Promise<BlobReader>;
}

/**
 * Makes a blob of a layer file in an archive. Its tar must have the digest `diffId`, which is checked here.
 *
 * A compressed layer (gzip, zstd) stays as it is and is read once, to learn its digest. A raw tar is compressed, as the
 * options say, to a temporary file: its digest must be known before the first byte can be stored, and compressing twice
 * costs far more than reading the result back (zstd at level 3 makes 230 MB/s of tar on one core, gzip at level 6 makes 55).
 *
 * Throws `digest-mismatch`, `not-found` when the file is missing, `invalid-input` when it is broken, `unsupported` for
 * other compressions and for a full disk.
 */
export async function takeLayer(
  files: ArchiveFiles,
  file: string,
  diffId: Digest,
  options: IntakeOptions = {},
): Promise<StoredLayer> {
  const sizeBytes = await files.sizeOf(file);
  if (sizeBytes === undefined) throw missingFile(files, file);
  const what = `layer "${file}" of "${files.name}"`;
  const found = await sniffFile(files, file);
  if (found === "bzip2" || found === "xz") {
    throw new ImageError("unsupported", `Cannot use ${what}: it is compressed with ${found}`);
  }
  const intake = { files, file, diffId, sizeBytes, what, options };
  const { compression = "zstd" } = options;
  const take = found !== "none"
    ? () => keepCompressed(intake, found)
    : compression === "none"
    ? () => keepRaw(intake)
    : () => compressLayer(intake, compression);
  const known = compression === "none" ? undefined : options.knownLayers?.(diffId);
  return known ? new LazyLayer(known, take) : await take();
}

interface Intake {
  readonly files: ArchiveFiles;
  readonly file: string;
  readonly diffId: Digest;
  readonly sizeBytes: number;
  readonly what: string;
  readonly options: IntakeOptions;
}

async function sniffFile(files: ArchiveFiles, file: string) {
  await using reader = await files.open(file, { start: 0, length: SNIFF_BYTES });
  return sniffCompression((await fill(reader, new Uint8Array(SNIFF_BYTES))).bytes);
}

async function keepCompressed(intake: Intake, compression: "gzip" | "zstd"): Promise<StoredLayer> {
  const { files, file, sizeBytes, diffId, what, options } = intake;
  const hasher = new Hasher("sha256");
  await using tar = rawTarReader(hashed(await files.open(file), hasher), compression, { what: what });
  const tarDigest = await digestOfReader(tar, algorithmOf(diffId), options.signal);
  checkDiffId(tarDigest.digest, diffId, what);
  const descriptor = {
    mediaType: LAYER_MEDIA_TYPES[compression],
    digest: hasher.digest(),
    size: sizeBytes,
    ...(compression === "zstd" ? { annotations: { [TAR_SIZE]: String(tarDigest.sizeBytes) } } : {}),
  };
  return fileLayer(intake, descriptor);
}

async function keepRaw(intake: Intake): Promise<StoredLayer> {
  const { files, file, sizeBytes, diffId, what, options } = intake;
  await using reader = await files.open(file);
  checkDiffId((await digestOfReader(reader, algorithmOf(diffId), options.signal)).digest, diffId, what);
  return fileLayer(intake, { mediaType: LAYER_MEDIA_TYPES.none, digest: diffId, size: sizeBytes });
}

async function compressLayer(intake: Intake, compression: "gzip" | "zstd"): Promise<StoredLayer> {
  const { files, file, sizeBytes, diffId, what, options } = intake;
  if (compression === "zstd") zstdForLayers(); // before anything is opened, or a thread started
  const [tarHasher, hasher] = [new Hasher(algorithmOf(diffId)), new Hasher("sha256")];
  const phase = { kind: "compressing" as const, name: `layer ${shortDigest(diffId)}`, totalBytes: sizeBytes };
  const tar = hashed(phaseReader(await files.open(file), phase, options.onPhase), tarHasher);
  await using compressed = hashed(
    await threadedCompressReader(tar, sizeBytes, { compression, level: options.level }),
    hasher,
  );
  const spooled = await spool(compressed, what, options);
  try {
    checkDiffId(tarHasher.digest(), diffId, what);
  } catch (error) {
    await spooled[Symbol.asyncDispose]();
    throw error;
  }
  const descriptor = {
    mediaType: LAYER_MEDIA_TYPES[compression],
    digest: hasher.digest(),
    size: spooled.sizeBytes,
    ...(compression === "zstd" ? { annotations: { [TAR_SIZE]: String(sizeBytes) } } : {}),
  };
  return spooledLayer(descriptor, spooled);
}

function fileLayer({ files, file }: Intake, descriptor: Descriptor): StoredLayer {
  return {
    descriptor,
    open: (range) => files.open(file, range),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

function spooledLayer(descriptor: Descriptor, spooled: RandomFile): StoredLayer {
  return {
    descriptor,
    open: (range) => {
      const { start, length } = rangeWithin(range, spooled.sizeBytes);
      return Promise.resolve(spooled.reader(start, length));
    },
    [Symbol.asyncDispose]: () => spooled[Symbol.asyncDispose](),
  };
}

/** A known layer: made only when somebody wants its bytes, and then it must come out as it was known. */
class LazyLayer implements StoredLayer {
  readonly descriptor: Descriptor;
  readonly #make: () => Promise<StoredLayer>;
  #made: Promise<StoredLayer> | undefined;

  constructor(descriptor: Descriptor, make: () => Promise<StoredLayer>) {
    this.descriptor = descriptor;
    this.#make = make;
  }

  async open(range?: ByteRange): Promise<BlobReader> {
    const made = await (this.#made ??= this.#make());
    if (made.descriptor.digest !== this.descriptor.digest) {
      throw new ImageError(
        "digest-mismatch",
        `Cannot make layer "${this.descriptor.digest}" again: it now has digest "${made.descriptor.digest}"`,
        { hint: "Compress with the same settings as before, or without the list of known layers" },
      );
    }
    return await made.open(range);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const made = await this.#made?.catch(() => undefined);
    await made?.[Symbol.asyncDispose]();
  }
}

function checkDiffId(actual: Digest, expected: Digest, what: string): void {
  if (actual === expected) return;
  throw new ImageError(
    "digest-mismatch",
    `Cannot use ${what}: its tar has digest "${actual}", and the image's config says "${expected}"`,
  );
}

/** Passes bytes on and feeds them to a hasher. */
function hashed(source: BlobReader, hasher: Hasher): BlobReader {
  return {
    async read(into) {
      const piece = await source.read(into);
      hasher.update(piece);
      return piece;
    },
    [Symbol.asyncDispose]: () => source[Symbol.asyncDispose](),
  };
}
