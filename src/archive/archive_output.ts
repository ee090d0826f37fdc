import { ImageError } from "../errors.ts";
import type { BlobReader } from "../bytes/blob_reader.ts";
import { isFileAt, tryLockFile } from "../bytes/file_lock.ts";
import { syncFolder } from "../bytes/sync_folder.ts";
import { isDiskFull } from "./temporary_file.ts";

/** Something that bytes are written to, such as standard output. */
export interface ByteSink {
  write(bytes: Uint8Array): Promise<number>;
  /** Whether it is a terminal, where nobody wants an archive. Default no. */
  readonly isTerminal?: boolean;
}

/** Where an archive is written. Closing it without `commit` leaves everything as it was. */
export interface ArchiveOutput extends AsyncDisposable {
  /** Writes a stream to its end, after what was written before. */
  writeAll(reader: BlobReader): Promise<void>;
  /** Remembers how far it is; what is returned takes back everything written since. Absent where nothing can be taken back. */
  mark?(): () => Promise<void>;
  /** Makes the archive visible, in place of one that was there. */
  commit(): Promise<void>;
}

const CHUNK_BYTES = 1024 * 1024;

/**
 * Opens a file for an archive: written under another name beside it and renamed in the end. What is no regular file (a
 * pipe, a device), and what the process has open already (`/dev/fd/3`), is written straight.
 *
 * Throws `not-found` when the folder is missing, `denied`, `usage` when the path is a folder or a terminal; writing throws `unsupported`
 * when the disk is full.
 */
export async function openArchiveOutput(path: string): Promise<ArchiveOutput> {
  const existing = await statOf(path);
  if (existing?.isDirectory) {
    throw new ImageError("usage", `Cannot write archive "${path}": it is a folder`, {
      hint: "Name a file, or use oci: for a folder",
    });
  }
  if (existing && (!existing.isFile || isOpenAlready(path))) return await openStraight(path);
  // A link stays a link: the file that it names is replaced.
  const real = existing ? await Deno.realPath(path) : path;
  const slash = real.lastIndexOf("/") + 1;
  const [folder, name] = [real.slice(0, slash), real.slice(slash)];
  await removeLeftovers(folder, name);
  const { file, temporary } = await openTemporary(folder, name, path);
  return new FileOutput(file, { path: real, temporary, name: path });
}

/** Whether a path names what the process was started with: to replace that file would be to miss whoever has it open. */
function isOpenAlready(path: string): boolean {
  return /^\/(?:dev|proc\/(?:self|\d+))\/fd\/\d+$/.test(path);
}

async function openStraight(path: string): Promise<ArchiveOutput> {
  const file = await openForWriting(path, path, { write: true });
  const sink = { write: (bytes: Uint8Array) => file.write(bytes), [Symbol.dispose]: () => file.close() };
  if (!file.isTerminal()) return new StreamOutput(sink, `"${path}"`);
  file.close();
  throw new ImageError("usage", `Cannot write an archive to "${path}": it is a terminal`, { hint: "Name a file" });
}

/**
 * Makes a temporary file that is locked for as long as its writer lives. One that somebody takes for left over before it
 * has its lock is given up for another.
 */
async function openTemporary(
  folder: string,
  name: string,
  path: string,
): Promise<{ readonly file: Deno.FsFile; readonly temporary: string }> {
  while (true) {
    const temporary = `${folder}.${name}.s3lo-${crypto.randomUUID().slice(0, 8)}`;
    const file = await openForWriting(temporary, path, { write: true, createNew: true });
    if (await tryLockFile(file) !== "busy" && await isFileAt(temporary, file)) return { file, temporary };
    file.close();
  }
}

/** Removes what killed runs have left of the same file: nobody holds its lock. */
async function removeLeftovers(folder: string, name: string): Promise<void> {
  const prefix = `.${name}.s3lo-`;
  try {
    for await (const entry of Deno.readDir(folder === "" ? "." : folder)) {
      if (!entry.isFile || !entry.name.startsWith(prefix) || !/^[0-9a-f]{8}$/.test(entry.name.slice(prefix.length))) {
        continue;
      }
      await removeLeftover(`${folder}${entry.name}`);
    }
  } catch {
    // They only take space.
  }
}

async function removeLeftover(path: string): Promise<void> {
  using file = await Deno.open(path, { write: true });
  if (await tryLockFile(file) === "locked") await Deno.remove(path);
}

/** An archive that goes to a stream, which keeps what was written when the rest fails; it lacks its index then. */
export function streamOutput(sink: ByteSink, name: string): ArchiveOutput {
  return new StreamOutput(sink, name);
}

async function statOf(path: string): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.stat(path);
  } catch {
    return undefined;
  }
}

async function openForWriting(path: string, name: string, options: Deno.OpenOptions): Promise<Deno.FsFile> {
  try {
    return await Deno.open(path, options);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound || cause instanceof Deno.errors.NotADirectory) {
      throw new ImageError("not-found", `Cannot write archive "${name}": its folder does not exist`, { cause });
    }
    throw writeError(cause, `"${name}"`);
  }
}

class StreamOutput implements ArchiveOutput {
  readonly #sink: ByteSink & Partial<Disposable>;
  readonly #name: string;
  #isClosed = false;

  constructor(sink: ByteSink & Partial<Disposable>, name: string) {
    this.#sink = sink;
    this.#name = name;
  }

  async writeAll(reader: BlobReader): Promise<void> {
    await writeAll(this.#sink, reader, this.#name);
  }

  commit(): Promise<void> {
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isClosed) this.#sink[Symbol.dispose]?.();
    this.#isClosed = true;
    return Promise.resolve();
  }
}

class FileOutput implements ArchiveOutput {
  readonly #file: Deno.FsFile;
  readonly #paths: { readonly path: string; readonly temporary: string; readonly name: string };
  #state: "open" | "closed" = "open";
  #sizeBytes = 0;

  constructor(
    file: Deno.FsFile,
    paths: { readonly path: string; readonly temporary: string; readonly name: string },
  ) {
    this.#file = file;
    this.#paths = paths;
  }

  async writeAll(reader: BlobReader): Promise<void> {
    const file = {
      write: async (bytes: Uint8Array) => {
        const count = await this.#file.write(bytes);
        this.#sizeBytes += count;
        return count;
      },
    };
    await writeAll(file, reader, `"${this.#paths.name}"`);
  }

  mark(): () => Promise<void> {
    const sizeBytes = this.#sizeBytes;
    return async () => {
      await this.#file.truncate(sizeBytes);
      await this.#file.seek(sizeBytes, Deno.SeekMode.Start);
      this.#sizeBytes = sizeBytes;
    };
  }

  async commit(): Promise<void> {
    try {
      await this.#file.syncData();
      this.#close();
      await Deno.rename(this.#paths.temporary, this.#paths.path);
      await syncFolder(this.#paths.path.slice(0, this.#paths.path.lastIndexOf("/") + 1) || ".");
    } catch (cause) {
      throw writeError(cause, `"${this.#paths.name}"`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#close();
    // Gone already after a commit.
    await Deno.remove(this.#paths.temporary).catch(() => {});
  }

  #close(): void {
    if (this.#state === "open") this.#file.close();
    this.#state = "closed";
  }
}

async function writeAll(sink: ByteSink, reader: BlobReader, name: string): Promise<void> {
  let buffer = new ArrayBuffer(CHUNK_BYTES);
  while (true) {
    const piece = await reader.read(new Uint8Array(buffer));
    if (piece.byteLength === 0) return;
    buffer = piece.buffer.byteLength === CHUNK_BYTES ? piece.buffer : new ArrayBuffer(CHUNK_BYTES);
    try {
      for (let written = 0; written < piece.byteLength;) written += await sink.write(piece.subarray(written));
    } catch (cause) {
      throw writeError(cause, name);
    }
  }
}

/** What a failed write to a local file means. `name` comes quoted, or as words. */
export function writeError(cause: unknown, name: string): unknown {
  if (isDiskFull(cause)) {
    return new ImageError("unsupported", `Cannot write ${name}: its disk is full`, {
      hint: "Free space there, or write to another disk",
      cause,
    });
  }
  if (cause instanceof Deno.errors.BrokenPipe) {
    return new ImageError("aborted", `Stopped writing ${name}: nobody reads it any more`, { cause });
  }
  if (cause instanceof Deno.errors.PermissionDenied || cause instanceof Deno.errors.NotCapable) {
    return new ImageError("denied", `Cannot write ${name}: permission denied`, { cause });
  }
  return cause;
}
