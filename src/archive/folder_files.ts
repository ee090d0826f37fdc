import { ImageError } from "../errors.ts";
import { type BlobReader, type ByteRange, fileReader } from "../bytes/blob_reader.ts";
import { type ArchiveFiles, missingFile, openFileToRead, rangeWithin, readError } from "./archive_files.ts";

/**
 * The files of a folder, links followed: nothing but bytes comes out of them, which are checked where they are used, and
 * what is no regular file is none. Throws `not-found` when it is not there, `unsupported` when it is no folder.
 */
export async function openFolder(path: string): Promise<ArchiveFiles> {
  const info = await statOf(path);
  if (!info) throw new ImageError("not-found", `Cannot read "${path}": there is no such folder`);
  if (!info.isDirectory) {
    throw new ImageError("unsupported", `Cannot read "${path}": it is no folder`, {
      hint: "Use oci-archive: or docker-archive: for a file",
    });
  }
  return new FolderFiles(path);
}

class FolderFiles implements ArchiveFiles {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }

  async sizeOf(file: string): Promise<number | undefined> {
    const info = await statOf(`${this.name}/${file}`);
    return info?.isFile ? info.size : undefined;
  }

  async open(file: string, range?: ByteRange): Promise<BlobReader> {
    const opened = await openFileToRead(`${this.name}/${file}`);
    if (!opened) throw missingFile(this, file);
    const { start, length } = rangeWithin(range, opened.facts.size);
    await opened.seek(start);
    return fileReader(opened, length);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

async function statOf(path: string): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.stat(path);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound || cause instanceof Deno.errors.NotADirectory) return undefined;
    if (cause instanceof Deno.errors.NotCapable) {
      throw new ImageError("denied", `Cannot read "${path}": permission denied`, { cause });
    }
    throw readError(cause, path);
  }
}
