import { folderOf } from "../bytes/file_paths.ts";
import { ImageError } from "../errors.ts";
import type { BlobReader } from "../bytes/blob_reader.ts";
import type { OnPhase } from "./phase.ts";
import { RandomFile } from "./random_file.ts";

const CHUNK_BYTES = 1 << 20;

/** Where temporary files go. */
export interface SpoolOptions {
  /** The folder; default `TMPDIR`, or what the system has for it. */
  readonly temporaryFolder?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told what takes long before an image can be read. */
  readonly onPhase?: OnPhase | undefined;
}

/**
 * Writes a stream to a temporary file; see {@linkcode temporaryFile}. `what` names the bytes in errors, `name` (default: the
 * same) those of the file. Does not close `source`.
 */
export function spool(
  source: BlobReader,
  what: string,
  options: SpoolOptions & { readonly name?: string } = {},
): Promise<RandomFile> {
  return temporaryFile(what, options, (file) => writeAll(file, source, options.signal));
}

/**
 * Makes a temporary file that is gone once it is closed, and on Unix also when the process is killed. `write` fills it and
 * gives its length.
 *
 * `what` names the bytes in errors, `name` (default: the same) those of the file. Throws `denied` when no file can be made,
 * `unsupported`, naming the folder, when the disk is full; anything else that `write` throws passes through, and nothing
 * stays behind.
 */
export async function temporaryFile(
  what: string,
  options: Pick<SpoolOptions, "temporaryFolder"> & { readonly name?: string },
  write: (file: Deno.FsFile) => Promise<number>,
): Promise<RandomFile> {
  const path = await makeTemporaryFile(what, options);
  let isRemoved = false;
  const remove = async () => {
    if (isRemoved) return;
    isRemoved = true;
    await Deno.remove(path).catch(() => {});
  };
  let file: Deno.FsFile | undefined;
  try {
    file = await Deno.open(path, { read: true, write: true });
    // An open file needs no name on Unix; on Windows it cannot lose it before it is closed.
    if (losesNameWhileOpen(Deno.build.os)) await remove();
    const sizeBytes = await write(file);
    return new RandomFile(file, { name: options.name ?? what, sizeBytes, release: remove });
  } catch (cause) {
    file?.close();
    await remove();
    throw isDiskFull(cause) ? diskFull(what, folderOf(path), cause) : cause;
  }
}

/** Whether an open file can lose its name, on an operating system as `Deno.build.os` names it. */
export function losesNameWhileOpen(os: string): boolean {
  return os !== "windows";
}

async function makeTemporaryFile(what: string, options: Pick<SpoolOptions, "temporaryFolder">): Promise<string> {
  const { temporaryFolder } = options;
  try {
    return await Deno.makeTempFile({ prefix: "s3lo-", ...(temporaryFolder ? { dir: temporaryFolder } : {}) });
  } catch (cause) {
    if (isDiskFull(cause)) throw diskFull(what, temporaryFolder ?? "the temporary folder", cause);
    throw new ImageError("denied", `Cannot store ${what} for the time being: no temporary file can be made`, {
      hint: "Set TMPDIR to a folder that can be written to",
      cause,
    });
  }
}

async function writeAll(file: Deno.FsFile, source: BlobReader, signal?: AbortSignal): Promise<number> {
  let buffer = new ArrayBuffer(CHUNK_BYTES);
  let sizeBytes = 0;
  while (true) {
    signal?.throwIfAborted();
    const piece = await source.read(new Uint8Array(buffer));
    if (piece.byteLength === 0) return sizeBytes;
    buffer = piece.buffer.byteLength === CHUNK_BYTES ? piece.buffer : new ArrayBuffer(CHUNK_BYTES);
    for (let written = 0; written < piece.byteLength;) written += await file.write(piece.subarray(written));
    sizeBytes += piece.byteLength;
  }
}

/** Whether a write failed for want of space (or of quota). */
export function isDiskFull(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return code === "ENOSPC" || code === "EDQUOT";
}

function diskFull(what: string, folder: string, cause: unknown): ImageError {
  return new ImageError("unsupported", `Cannot store ${what} for the time being: the disk of "${folder}" is full`, {
    hint: "Free space there, or set TMPDIR to a folder on a larger disk",
    cause,
  });
}
