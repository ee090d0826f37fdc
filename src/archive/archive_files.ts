import { ImageError } from "../errors.ts";
import { type BlobReader, type ByteRange, readAll } from "../bytes/blob_reader.ts";
import { fileFailure } from "../bytes/file_failure.ts";
import { openRegularFile, type RegularFile } from "../bytes/regular_file.ts";

/** The files of an archive or of a folder that is laid out like one, by relative name. */
export interface ArchiveFiles extends AsyncDisposable {
  /** What people call it: the path as it was given. */
  readonly name: string;
  /** Length of a file; undefined when there is none of that name. */
  sizeOf(file: string): Promise<number | undefined>;
  /** Opens a file, or a range of it. Throws `not-found`. */
  open(file: string, range?: ByteRange): Promise<BlobReader>;
}

/**
 * Reads a small file whole; undefined when there is none. Throws `invalid-input` when it has more than `maxBytes`.
 */
export async function readSmallFile(
  files: ArchiveFiles,
  file: string,
  maxBytes: number,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  if (await files.sizeOf(file) === undefined) return undefined;
  await using reader = await files.open(file);
  return await readAll(reader, maxBytes, `"${file}" of "${files.name}"`);
}

/** The part of a range that lies in a file of `sizeBytes`. */
export function rangeWithin(range: ByteRange | undefined, sizeBytes: number): Required<ByteRange> {
  const start = Math.min(range?.start ?? 0, sizeBytes);
  return { start, length: Math.min(range?.length ?? sizeBytes, sizeBytes - start) };
}

/** Opens a file by its path; see `openRegularFile`. Throws also `denied`, and what else is the user's to mend. */
export async function openFileToRead(path: string): Promise<RegularFile | undefined> {
  try {
    return await openRegularFile(path);
  } catch (cause) {
    throw readError(cause, path);
  }
}

/** What a failure to read a local file means; anything that is not the user's to mend is returned as it is. */
export function readError(cause: unknown, path: string): unknown {
  const failure = fileFailure(cause);
  if (!failure) return cause;
  const { code, why } = failure;
  return new ImageError(code, `Cannot read "${path}": ${why}`, {
    hint: "Check who owns it and who may read it",
    cause,
  });
}

/** The error for a file that is not there. */
export function missingFile(files: ArchiveFiles, file: string): ImageError {
  return new ImageError("not-found", `Cannot read "${file}" of "${files.name}": it is not there`);
}
