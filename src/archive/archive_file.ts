import { ImageError } from "../errors.ts";
import { type BlobReader, type ByteRange, fileReader } from "../bytes/blob_reader.ts";
import { rawTarReader } from "../bytes/decompress.ts";
import { SNIFF_BYTES, sniffCompression } from "../bytes/sniff.ts";
import { type ArchiveFiles, missingFile, rangeWithin, readError } from "./archive_files.ts";
import { openParts, type OpenPartsOptions } from "./archive_parts.ts";
import { phaseReader } from "./phase.ts";
import { RandomFile } from "./random_file.ts";
import { indexTar, type TarEntry } from "./tar_index.ts";
import { spool, type SpoolOptions } from "./temporary_file.ts";

/** More links in a row than anyone needs: they go in circles. */
const MAX_LINKS = 32;

/**
 * Opens a tar for reading by name and range, without unpacking. A plain file is read in place; one that is compressed
 * (gzip, zstd) or is no regular file (a pipe) is first written, decompressed, to a temporary file, which is gone in the end.
 * The parts of a split archive are read as one; see `openParts` for how they are named.
 *
 * Throws `not-found`, `denied`, `invalid-input` as `indexTar` does, `unsupported` for bzip2 and xz, for a folder, for sparse
 * entries, and when the disk for temporary files is full.
 */
export async function openArchiveFile(
  paths: string | readonly string[],
  options: SpoolOptions & OpenPartsOptions = {},
): Promise<ArchiveFiles> {
  const all = typeof paths === "string" ? [paths] : paths;
  const parts = await openParts(all, options);
  if (parts) return await indexOrSpool(parts, options);
  const path = all[0]!;
  const file = await openFile(path);
  let isHandedOver = false;
  try {
    const { isFile, isDirectory, size } = await file.stat();
    if (isDirectory) {
      throw new ImageError("unsupported", `Cannot read archive "${path}": it is a folder`, {
        hint: "Use oci: for a folder with an OCI image layout",
      });
    }
    isHandedOver = true;
    if (!isFile) return await openArchiveStream(fileReader(file), path, options);
    return await indexOrSpool(new RandomFile(file, { name: path, sizeBytes: size }), options);
  } finally {
    if (!isHandedOver) file.close();
  }
}

/**
 * Reads a tar, compressed or not, from a stream into a temporary file and opens it as {@linkcode openArchiveFile} does.
 *
 * `name` is what people call it. Closes `source`.
 */
export async function openArchiveStream(
  source: BlobReader,
  name: string,
  options: SpoolOptions = {},
): Promise<ArchiveFiles> {
  await using reader = phaseReader(source, { kind: "reading", name }, options.onPhase);
  return await indexOrSpool(await spool(reader, `archive "${name}"`, { ...options, name }), options);
}

async function openFile(path: string): Promise<Deno.FsFile> {
  try {
    return await Deno.open(path);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) {
      throw new ImageError("not-found", `Cannot read archive "${path}": there is no such file`, { cause });
    }
    if (cause instanceof Deno.errors.PermissionDenied || cause instanceof Deno.errors.NotCapable) {
      throw new ImageError("denied", `Cannot read archive "${path}": permission denied`, { cause });
    }
    throw readError(cause, path);
  }
}

/** Takes the file over: it is closed when this fails. */
async function indexOrSpool(file: RandomFile, options: SpoolOptions): Promise<ArchiveFiles> {
  let current = file;
  try {
    const start = await file.readExactly(0, Math.min(SNIFF_BYTES, file.sizeBytes));
    const compression = sniffCompression(start);
    if (compression === "bzip2" || compression === "xz") {
      throw new ImageError("unsupported", `Cannot read archive "${file.name}": it is compressed with ${compression}`, {
        hint: `Decompress it first: ${compression === "xz" ? "xz" : "bzip2"} -d`,
      });
    }
    if (compression !== "none") {
      const packed = phaseReader(
        file.reader(0, file.sizeBytes),
        { kind: "unpacking", name: file.name, totalBytes: file.sizeBytes },
        options.onPhase,
      );
      await using tar = rawTarReader(packed, compression, { what: `archive "${file.name}"` });
      current = await spool(tar, `archive "${file.name}"`, { ...options, name: file.name });
      await file[Symbol.asyncDispose]();
    }
    return new ArchiveFile(current, await indexTar(current, options.signal));
  } catch (error) {
    await current[Symbol.asyncDispose]();
    await file[Symbol.asyncDispose]();
    throw error;
  }
}

/** Opens the files of a tar that is not compressed; closing them closes `file`, as a failure does. */
export async function archiveFiles(file: RandomFile, options: SpoolOptions = {}): Promise<ArchiveFiles> {
  try {
    return new ArchiveFile(file, await indexTar(file, options.signal));
  } catch (error) {
    await file[Symbol.asyncDispose]();
    throw error;
  }
}

class ArchiveFile implements ArchiveFiles {
  readonly name: string;
  readonly #file: RandomFile;
  readonly #entries: ReadonlyMap<string, TarEntry>;

  constructor(file: RandomFile, entries: ReadonlyMap<string, TarEntry>) {
    this.name = file.name;
    this.#file = file;
    this.#entries = entries;
  }

  sizeOf(file: string): Promise<number | undefined> {
    return Promise.resolve(this.#find(file)?.sizeBytes);
  }

  // deno-lint-ignore require-await
  async open(file: string, range?: ByteRange): Promise<BlobReader> {
    const entry = this.#find(file);
    if (!entry) throw missingFile(this, file);
    const { start, length } = rangeWithin(range, entry.sizeBytes);
    return this.#file.reader(entry.offset + start, length);
  }

  /** The file that a name stands for, through links. */
  #find(name: string): Extract<TarEntry, { kind: "file" }> | undefined {
    let entry = this.#entries.get(name);
    for (let links = 0; entry?.kind === "link"; links++) {
      if (links === MAX_LINKS) {
        throw new ImageError("invalid-input", `Cannot read archive "${this.name}": link "${name}" goes in circles`);
      }
      entry = this.#entries.get(entry.target);
    }
    return entry;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file[Symbol.asyncDispose]();
  }
}
