import { ImageError, isImageError } from "../errors.ts";
import { archiveFiles } from "../archive/archive_file.ts";
import type { ArchiveFiles } from "../archive/archive_files.ts";
import { type OnPhase, phaseReader } from "../archive/phase.ts";
import { temporaryFile } from "../archive/temporary_file.ts";
import type { RandomFile } from "../archive/random_file.ts";
import { parsePaxRecords, parseTarHeader, TAR_BLOCK_BYTES, tarPadding } from "../archive/tar_header.ts";
import type { BlobReader } from "../bytes/blob_reader.ts";
import { prefetched } from "../bytes/prefetch.ts";
import type { EngineClient } from "../engine/engine_client.ts";
import { LastWords } from "../engine/last_words.ts";
import { type Digest, isDigest } from "../oci/digest.ts";
import type { Platform } from "../oci/platform.ts";

/** What is exported, and how it is stored. */
export interface OpenExportOptions extends Omit<SpoolExportOptions, "name"> {
  /** The image's ID: its name could have been given to another image meanwhile. */
  readonly id: Digest;
  /** As the user wrote it. */
  readonly name: string;
  readonly platform?: Platform | undefined;
  readonly onPhase?: OnPhase | undefined;
}

/** The files of an export. */
export interface OpenedExport extends AsyncDisposable {
  readonly files: ArchiveFiles;
  /** Blobs that were left out: their bytes are zeros. */
  readonly leftOut: ReadonlySet<Digest>;
}

/** Exports an image and opens its files. Throws as {@linkcode spoolExport} does, and `not-found`. */
export async function openExport(client: EngineClient, options: OpenExportOptions): Promise<OpenedExport> {
  const name = `the daemon's export of "${options.name}"`;
  // The daemon goes on while the disk writes.
  const phase = { kind: "exporting" as const, name: `"${options.name}" from the daemon` };
  await using tar = prefetched(phaseReader(await openTar(client, options), phase, options.onPhase), PREFETCH);
  const spooled = await spoolExport(tar, { ...options, name });
  const files = await archiveFiles(spooled.file, options);
  return { files, leftOut: spooled.leftOut, [Symbol.asyncDispose]: () => files[Symbol.asyncDispose]() };
}

/** The export as it comes. What podman cannot put into Docker's format it gives in its own. */
async function openTar(
  client: EngineClient,
  { id, platform, signal }: Pick<OpenExportOptions, "id" | "platform" | "signal">,
): Promise<BlobReader> {
  try {
    return await client.saveImage([id], { platform, signal });
  } catch (error) {
    if (client.info.store !== "podman" || !isImageError(error, "unavailable")) throw error;
    try {
      return await client.savePodmanImage(id, signal);
    } catch (second) {
      throw isImageError(second, "aborted") ? second : error;
    }
  }
}

/** How an export is stored for the time being. */
export interface SpoolExportOptions {
  /** What people call the export, for errors. */
  readonly name: string;
  /** Whether a blob's bytes are not needed; asked for the larger ones. Default: all are. */
  readonly isUnneeded?: ((digest: Digest) => Promise<boolean>) | undefined;
  /** Where the file goes; default `TMPDIR`, or what the system has for it. */
  readonly temporaryFolder?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A stored export. */
export interface SpooledExport extends AsyncDisposable {
  readonly file: RandomFile;
  /** Blobs that were left out: their bytes in the file are zeros. */
  readonly leftOut: ReadonlySet<Digest>;
}

/** Blobs up to this size are kept without asking whether they are needed, in bytes. */
const SMALL_BLOB_BYTES = 64 * 1024;

const CHUNK_BYTES = 1024 * 1024;

/** How far an export is read ahead. */
const PREFETCH = { bufferBytes: CHUNK_BYTES, count: 4 };

/**
 * Stores a tar that a daemon exports in a temporary file without a name, because its list of contents comes last and its
 * blobs are asked for in another order. Blobs that are not needed become holes, which take no space; all offsets stay.
 *
 * Does not close `tar`. Throws what {@linkcode temporaryFile} throws, `invalid-input` when the stream is no tar.
 */
export async function spoolExport(tar: BlobReader, options: SpoolExportOptions): Promise<SpooledExport> {
  const leftOut = new Set<Digest>();
  const file = await temporaryFile(options.name, options, async (file) => {
    const copy = new ExportCopy(tar, file, leftOut, options);
    await copy.run();
    return copy.position;
  });
  return { file, leftOut, [Symbol.asyncDispose]: () => file[Symbol.asyncDispose]() };
}

/** Copies a tar entry by entry, with holes for what is not needed. */
class ExportCopy {
  position = 0;
  readonly #leftOut: Set<Digest>;
  readonly #tar: BlobReader;
  readonly #words: LastWords;
  readonly #file: Deno.FsFile;
  readonly #options: SpoolExportOptions;
  #paxSize: number | undefined;

  /** `leftOut`: where the blobs that are left out are noted. */
  constructor(tar: BlobReader, file: Deno.FsFile, leftOut: Set<Digest>, options: SpoolExportOptions) {
    this.#words = new LastWords(tar);
    this.#tar = this.#words.reader;
    this.#file = file;
    this.#leftOut = leftOut;
    this.#options = options;
  }

  async run(): Promise<void> {
    try {
      while (await this.#entry()) this.#options.signal?.throwIfAborted();
    } catch (error) {
      const words = isImageError(error, "invalid-input") ? await this.#words.find() : undefined;
      throw words === undefined ? error : this.#broken(words, error);
    }
    await this.#file.truncate(this.position);
  }

  /** Copies one header and its data; false at the end. */
  async #entry(): Promise<boolean> {
    const block = await this.#exactly(TAR_BLOCK_BYTES);
    if (block.byteLength === 0) return false;
    await this.#write(block);
    const header = this.#parse(block);
    if (!header) return true; // the blocks of zeros at the end
    if (header.type === "x") {
      const records = await this.#exactly(header.sizeBytes);
      await this.#write(records);
      this.#paxSize = Number(parsePaxRecords(records).get("size") ?? NaN) || undefined;
      await this.#copy(tarPadding(header.sizeBytes));
      return true;
    }
    const sizeBytes = ["0", "L", "K", "g"].includes(header.type) ? this.#paxSize ?? header.sizeBytes : 0;
    this.#paxSize = undefined;
    const digest = digestInName(header.name);
    if (digest && sizeBytes > SMALL_BLOB_BYTES && await this.#options.isUnneeded?.(digest)) {
      this.#leftOut.add(digest);
      await this.#skip(sizeBytes);
    } else {
      await this.#copy(sizeBytes);
    }
    await this.#copy(tarPadding(sizeBytes));
    return true;
  }

  #parse(block: Uint8Array): ReturnType<typeof parseTarHeader> {
    try {
      if (block.byteLength < TAR_BLOCK_BYTES) throw new Error("it is cut off");
      return parseTarHeader(block);
    } catch (cause) {
      throw this.#broken((cause as Error).message, cause);
    }
  }

  async #copy(length: number): Promise<void> {
    for await (const piece of this.#pieces(length)) await this.#write(piece);
  }

  async #skip(length: number): Promise<void> {
    for await (const piece of this.#pieces(length)) this.position += piece.byteLength;
    await this.#file.seek(this.position, Deno.SeekMode.Start);
  }

  /** The next bytes, exactly so many. */
  async *#pieces(length: number): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    let buffer = new Uint8Array(Math.min(CHUNK_BYTES, length));
    for (let left = length; left > 0;) {
      const piece = await this.#tar.read(buffer.subarray(0, Math.min(buffer.byteLength, left)));
      if (piece.byteLength === 0) throw this.#broken("it is cut off");
      yield piece;
      left -= piece.byteLength;
      buffer = piece.buffer.byteLength > 0 ? new Uint8Array(piece.buffer) : new Uint8Array(CHUNK_BYTES);
    }
  }

  /** A few bytes in memory: `length` of them, none at the end of the stream. */
  async #exactly(length: number): Promise<Uint8Array<ArrayBuffer>> {
    if (length > CHUNK_BYTES) throw this.#broken("an extension header is too long");
    const bytes = new Uint8Array(length);
    let filled = 0;
    while (filled < length) {
      const piece = await this.#tar.read(new Uint8Array(length - filled));
      if (piece.byteLength === 0) break;
      bytes.set(piece, filled);
      filled += piece.byteLength;
    }
    if (filled > 0 && filled < length) throw this.#broken("it is cut off");
    return bytes.subarray(0, filled);
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let written = 0; written < bytes.byteLength;) written += await this.#file.write(bytes.subarray(written));
    this.position += bytes.byteLength;
  }

  #broken(why: string, cause?: unknown): ImageError {
    return new ImageError("invalid-input", `Cannot read ${this.#options.name}: ${why}`, { cause });
  }
}

/** The digest that an entry's name tells: `blobs/sha256/<hex>`, or podman's `<hex of the diff ID>.tar`. */
function digestInName(name: string): Digest | undefined {
  const hex = /^(?:\.\/)?(?:blobs\/sha256\/([0-9a-f]{64})|([0-9a-f]{64})\.tar)$/.exec(name);
  const text = `sha256:${hex?.[1] ?? hex?.[2] ?? ""}`;
  return isDigest(text) ? text : undefined;
}
