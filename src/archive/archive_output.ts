import { ImageError, isImageError, messageOf } from "../errors.ts";
import type { BlobReader } from "../bytes/blob_reader.ts";
import { basename, dirname } from "node:path";
import { fileFailure } from "../bytes/file_failure.ts";
import { tryLockFile } from "../bytes/file_lock.ts";
import { type FileIdentity, GuardedFolder, isSameFile } from "../bytes/guarded_folder.ts";
import { syncFolder } from "../bytes/sync_folder.ts";
import { isMissing, systemCode } from "../bytes/system_code.ts";
import { digestOf, hexOf } from "../oci/digest.ts";

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

/** Longest name of a file, in bytes, on the file systems that are in use. */
const MAX_NAME_BYTES = 255;

/**
 * Opens a file for an archive: written under another name beside it and renamed in the end; nothing is made before the first
 * write. What is no regular file (a pipe, a device), and what the process has open already (`/dev/fd/3`), is written straight.
 *
 * Throws `not-found` when the folder is missing, `denied`, `usage` when the path is a folder or a terminal, `unsupported`
 * when its name is too long; writing throws `unsupported` when the disk is full.
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
  const folder = dirname(real);
  if (/[/\\]$/.test(path) || !(await statOf(folder))?.isDirectory) throw noFolder(path);
  return new FileOutput(new GuardedFolder(folder), basename(real), path);
}

/** Whether a path names what the process was started with: to replace that file would be to miss whoever has it open. */
function isOpenAlready(path: string): boolean {
  return /^\/(?:dev|proc\/(?:self|\d+))\/fd\/\d+$/.test(path);
}

async function openStraight(path: string): Promise<ArchiveOutput> {
  const file = await Deno.open(path, { write: true }).catch((cause) => {
    throw writeError(cause, `"${path}"`);
  });
  const sink = { write: (bytes: Uint8Array) => file.write(bytes), [Symbol.dispose]: () => file.close() };
  if (!file.isTerminal()) return new StreamOutput(sink, `"${path}"`);
  file.close();
  throw new ImageError("usage", `Cannot write an archive to "${path}": it is a terminal`, { hint: "Name a file" });
}

/**
 * Opens a file in a folder that may have come from somebody else, like {@linkcode openArchiveOutput}; the folders on the way
 * are there. What lies at the name, be it a link, is replaced.
 */
export function openFileOutput(folder: GuardedFolder, name: string): ArchiveOutput {
  return new FileOutput(folder, name, folder.pathOf(name));
}

/** A file that nobody looks for yet, locked for as long as its writer lives. */
interface Temporary {
  readonly name: string;
  readonly file: Deno.FsFile;
  readonly identity: FileIdentity;
}

/**
 * Makes a temporary file for what is to be called `name`. One that somebody takes for left over before it has its lock is
 * given up for another.
 */
async function openTemporary(folder: GuardedFolder, name: string): Promise<Temporary> {
  while (true) {
    const temporary = `${temporaryPrefix(name)}${crypto.randomUUID().slice(0, 8)}`;
    const file = folder.create(temporary);
    try {
      const identity = await file.stat();
      if (await tryLockFile(file) !== "busy" && folder.isAt(temporary, identity)) {
        return { name: temporary, file, identity };
      }
      file.close();
    } catch (error) {
      file.close();
      throw error;
    }
  }
}

/** What the temporary files of a name are called, up to eight digits at random: after the name, as far as that fits. */
function temporaryPrefix(name: string): string {
  const slash = name.lastIndexOf("/") + 1;
  const own = name.slice(slash);
  const bytes = new TextEncoder().encode(own) as Uint8Array<ArrayBuffer>;
  const isLong = bytes.byteLength + "..s3lo-01234567".length > MAX_NAME_BYTES;
  return `${name.slice(0, slash)}.${isLong ? hexOf(digestOf(bytes)) : own}.s3lo-`;
}

/** Removes what killed runs have left of the same file: nobody holds its lock. */
async function removeLeftovers(folder: GuardedFolder, name: string): Promise<void> {
  const prefix = temporaryPrefix(name);
  const slash = prefix.lastIndexOf("/") + 1;
  try {
    for await (const entry of folder.entries(prefix.slice(0, Math.max(slash - 1, 0)))) {
      const found = prefix.slice(0, slash) + entry.name;
      const isOurs = found.startsWith(prefix) && /^[0-9a-f]{8}$/.test(found.slice(prefix.length));
      if (entry.isFile && isOurs) await removeLeftover(folder, found);
    }
  } catch {
    // They only take space.
  }
}

async function removeLeftover(folder: GuardedFolder, name: string): Promise<void> {
  using file = folder.openForWriting(name);
  const identity = await file.stat();
  if (await tryLockFile(file) === "locked") folder.remove(name, (found) => isSameFile(found, identity));
}

/** An archive that goes to a stream, which keeps what was written when the rest fails; it lacks its index then. */
export function streamOutput(sink: ByteSink, name: string): ArchiveOutput {
  return new StreamOutput(sink, name);
}

async function statOf(path: string): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.stat(path);
  } catch (cause) {
    if (isMissing(cause)) return undefined;
    throw writeError(cause, `"${path}"`);
  }
}

function noFolder(path: string, cause?: unknown): ImageError {
  return new ImageError("not-found", `Cannot write archive "${path}": its folder does not exist`, { cause });
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
  readonly #folder: GuardedFolder;
  readonly #name: string;
  readonly #shown: string;
  #temporary: Temporary | undefined;
  #sizeBytes = 0;

  /** `shown`: what people call it. */
  constructor(folder: GuardedFolder, name: string, shown: string) {
    this.#folder = folder;
    this.#name = name;
    this.#shown = shown;
  }

  async writeAll(reader: BlobReader): Promise<void> {
    const { file } = await this.#open();
    const sink = {
      write: async (bytes: Uint8Array) => {
        const count = await file.write(bytes);
        this.#sizeBytes += count;
        return count;
      },
    };
    await writeAll(sink, reader, `"${this.#shown}"`);
  }

  mark(): () => Promise<void> {
    const sizeBytes = this.#sizeBytes;
    return async () => {
      const file = this.#temporary?.file;
      if (!file) return;
      await file.truncate(sizeBytes);
      await file.seek(sizeBytes, Deno.SeekMode.Start);
      this.#sizeBytes = sizeBytes;
    };
  }

  async commit(): Promise<void> {
    const { name, file, identity } = await this.#open();
    try {
      await file.syncData();
      // Still locked: in between somebody would take it for left over.
      this.#folder.move(name, this.#name, identity);
      this.#close();
      await syncFolder(this.#folder.pathOf(this.#name.slice(0, Math.max(this.#name.lastIndexOf("/"), 0))));
    } catch (cause) {
      throw writeError(cause, `"${this.#shown}"`);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    const temporary = this.#temporary;
    try {
      // While it is locked, so that it is ours for sure; gone already after a commit.
      if (temporary) this.#folder.remove(temporary.name, (found) => isSameFile(found, temporary.identity));
    } catch {
      // It only takes space.
    }
    this.#close();
    return Promise.resolve();
  }

  async #open(): Promise<Temporary> {
    try {
      if (!this.#temporary) await removeLeftovers(this.#folder, this.#name);
      return this.#temporary ??= await openTemporary(this.#folder, this.#name);
    } catch (cause) {
      if (systemCode(cause) === "ENOENT") throw noFolder(this.#shown, cause);
      throw writeError(cause, `"${this.#shown}"`);
    }
  }

  #close(): void {
    this.#temporary?.file.close();
    this.#temporary = undefined;
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
  if (isImageError(cause)) return cause;
  const failure = fileFailure(cause);
  if (failure) {
    return new ImageError(failure.code, `Cannot write ${name}: ${failure.why}`, { hint: failure.hint, cause });
  }
  if (cause instanceof Deno.errors.BrokenPipe) {
    return new ImageError("aborted", `Stopped writing ${name}: nobody reads it any more`, { cause });
  }
  if (cause instanceof Deno.errors.PermissionDenied || cause instanceof Deno.errors.NotCapable) {
    return new ImageError("denied", `Cannot write ${name}: permission denied`, { cause });
  }
  if (isMissing(cause)) return new ImageError("not-found", `Cannot write ${name}: its folder is not there`, { cause });
  if (systemCode(cause) === undefined) return cause;
  return new ImageError("unavailable", `Cannot write ${name}: ${messageOf(cause)}`, { cause });
}
