import { ImageError } from "../errors.ts";
import type { BlobReader } from "../bytes/blob_reader.ts";
import { openArchiveFile, openArchiveStream } from "../archive/archive_file.ts";
import type { ArchiveFiles } from "../archive/archive_files.ts";
import { type ArchiveOutput, type ByteSink, openArchiveOutput, streamOutput } from "../archive/archive_output.ts";
import type { SpoolOptions } from "../archive/temporary_file.ts";

/** What `-` stands for; whoever owns the terminal hands it in. */
export interface StandardStreams {
  readonly stdin?: BlobReader & { readonly isTerminal?: boolean } | undefined;
  readonly stdout?: ByteSink | undefined;
}

/** Names of standard input and output. The runtime lets nobody open the longer ones as files. */
const STANDARD_INPUT = new Set(["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"]);
const STANDARD_OUTPUT = new Set(["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"]);

/** Whether a path means standard input. */
export function isStandardInput(path: string): boolean {
  return STANDARD_INPUT.has(path);
}

/**
 * Opens an archive for reading: a file, or standard input for `-` and its other names. See `openArchiveFile`. Throws `usage`
 * where that is a terminal.
 */
export async function openInput(path: string, options: StandardStreams & SpoolOptions = {}): Promise<ArchiveFiles> {
  if (!isStandardInput(path)) return await openArchiveFile(path, options);
  if (!options.stdin) throw new ImageError("usage", "Cannot read an archive from standard input here");
  if (options.stdin.isTerminal) {
    throw new ImageError("usage", "Cannot read an archive from a terminal", {
      hint: "Pipe it in, or name a file",
    });
  }
  return await openArchiveStream(options.stdin, "standard input", options);
}

/**
 * Opens an archive for writing: a file, or standard output for `-` and its other names. See `openArchiveOutput`. Throws
 * `usage` where that is a terminal.
 */
export async function openOutput(path: string, options: StandardStreams = {}): Promise<ArchiveOutput> {
  if (!STANDARD_OUTPUT.has(path)) return await openArchiveOutput(path);
  if (!options.stdout) throw new ImageError("usage", "Cannot write an archive to standard output here");
  if (options.stdout.isTerminal) {
    throw new ImageError("usage", "Cannot write an archive to a terminal", {
      hint: "Redirect the output, or name a file with --file",
    });
  }
  return streamOutput(options.stdout, "standard output");
}
