import { ImageError } from "../errors.ts";
import type { BlobReader } from "../bytes/blob_reader.ts";
import { openArchiveFile, openArchiveStream } from "../archive/archive_file.ts";
import type { ArchiveFiles } from "../archive/archive_files.ts";
import { type ArchiveOutput, type ByteSink, openArchiveOutput, streamOutput } from "../archive/archive_output.ts";
import type { SpoolOptions } from "../archive/temporary_file.ts";

/** What `-` stands for; whoever owns the terminal hands it in. */
export interface StandardStreams {
  readonly stdin?: BlobReader | undefined;
  readonly stdout?: ByteSink | undefined;
}

/** Opens an archive for reading: a file, or standard input for `-`. See `openArchiveFile`. */
export function openInput(path: string, options: StandardStreams & SpoolOptions = {}): Promise<ArchiveFiles> {
  if (path !== "-") return openArchiveFile(path, options);
  if (options.stdin) return openArchiveStream(options.stdin, "standard input", options);
  throw new ImageError("usage", "Cannot read an archive from standard input here");
}

/** Opens an archive for writing: a file, or standard output for `-`. See `openArchiveOutput`. */
export async function openOutput(path: string, options: StandardStreams = {}): Promise<ArchiveOutput> {
  if (path !== "-") return await openArchiveOutput(path);
  if (options.stdout) return streamOutput(options.stdout, "standard output");
  throw new ImageError("usage", "Cannot write an archive to standard output here");
}
