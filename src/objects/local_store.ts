import { constants, copyFile } from "node:fs/promises";
import { type BlobReader, type ByteRange, bytesReader, fileReader, readAll } from "../bytes/blob_reader.ts";
import { BufferPool } from "../bytes/buffers.ts";
import { PartialFile } from "../bytes/partial_file.ts";
import { Semaphore } from "../bytes/pool.ts";
import { ImageError } from "../errors.ts";
import { checkKey } from "./keys.ts";
import { isMissing, localError, systemCode } from "./local_errors.ts";
import { inFolderOf, OWN_FOLDER, parentOf, removeEmptyFolders } from "./local_folders.ts";
import { etagOf, infoOf, listFiles } from "./local_list.ts";
import { partialPath, TempFile } from "./local_temp.ts";
import type { ListOptions, ObjectContent, ObjectInfo, ObjectStore, WriteOptions } from "./object_store.ts";

/** Size of the pieces in which streams are written. */
const PIECE_BYTES = 1024 * 1024;

/** Blobs from this size on are written so that a later run can go on with them. */
const MIN_PARTIAL_BYTES = 8 * 1024 * 1024;

/**
 * A folder as an object store: every object is a file whose path is its key.
 *
 * Safe with several processes at once: a write is a temporary file that is renamed (or, if it must be the first, linked)
 * to its place; overwriting and removing mutable objects happens under one lock of the store, which the system lets go
 * when its holder dies. Symbolic links inside the folder are followed: whoever may write there decides where it leads.
 */
export class LocalStore implements ObjectStore, AsyncDisposable {
  readonly name: string;
  readonly isLocal = true;
  readonly isConditional = true;
  readonly parallelRanges = 1;
  readonly #root: string;
  readonly #signal: AbortSignal | undefined;
  readonly #log: ((line: string) => void) | undefined;
  readonly #pieces = new BufferPool(4, PIECE_BYTES);
  readonly #turn = new Semaphore(1);

  /** A store over an existing folder; use `openLocalStore()`, which checks it. */
  constructor(
    folder: string,
    options: { readonly signal?: AbortSignal | undefined; readonly log?: ((line: string) => void) | undefined } = {},
  ) {
    this.name = `local://${folder}`;
    this.#root = folder.replace(/\/+$/, "");
    this.#signal = options.signal;
    this.#log = options.log;
  }

  async head(key: string): Promise<ObjectInfo | undefined> {
    return await this.#guard(`look up "${key}"`, async () => {
      const file = await Deno.stat(this.#path(key)).catch(undefinedIfMissing);
      return file?.isFile ? infoOf(key, file) : undefined;
    });
  }

  async read(
    key: string,
    maxBytes: number,
  ): Promise<{ readonly bytes: Uint8Array<ArrayBuffer>; readonly etag: string } | undefined> {
    return await this.#guard(`read "${key}"`, async () => {
      using file = await this.#opened(key);
      if (!file) return undefined;
      const facts = await file.stat();
      const reader = fileReader(file, maxBytes + 1);
      return { bytes: await readAll(reader, maxBytes, `"${key}" of "${this.name}"`), etag: etagOf(facts) };
    });
  }

  async open(key: string, range?: ByteRange): Promise<BlobReader> {
    return await this.#guard(`read "${key}"`, async () => {
      const file = await this.#opened(key);
      if (!file) throw new ImageError("not-found", `Cannot read "${key}" from "${this.name}": it is not there`);
      try {
        const start = range?.start ?? 0;
        const { size } = await file.stat();
        if (start > 0 && start >= size && range?.length !== 0) {
          throw new ImageError(
            "invalid-input",
            `Cannot read "${key}" from "${this.name}" at ${start}: it has ${size} bytes`,
          );
        }
        if (start > 0) await file.seek(start, Deno.SeekMode.Start);
        return this.#guardReader(key, fileReader(file, range?.length));
      } catch (error) {
        file.close();
        throw error;
      }
    });
  }

  async write(key: string, bytes: Uint8Array<ArrayBuffer>, options: WriteOptions = {}): Promise<void> {
    await this.writeStream(
      key,
      { sizeBytes: bytes.byteLength, open: () => Promise.resolve(bytesReader(bytes)) },
      options,
    );
  }

  async writeStream(key: string, content: ObjectContent, options: WriteOptions = {}): Promise<void> {
    await this.#guard(`write "${key}"`, async () => {
      const path = this.#path(key);
      if (options.isBlob && !options.condition && await this.#continueBlob(key, path, content)) return;
      await using reader = await content.open();
      await using temp = await TempFile.create(this.#root);
      await this.#pour(key, reader, temp, content.sizeBytes);
      await temp.finish();
      await this.#publish(key, path, temp, options);
    });
  }

  async *list(prefix: string, options: ListOptions = {}): AsyncIterable<readonly ObjectInfo[]> {
    const parts = prefix.split("/").slice(0, -1);
    if (parts.length > 0) checkKey(parts.join("/"));
    try {
      for await (const page of listFiles(this.#root, prefix, options.startAfter ?? "")) {
        this.#signal?.throwIfAborted();
        yield page;
      }
    } catch (error) {
      throw this.#error(error, `list "${prefix}"`);
    }
  }

  async remove(keys: readonly string[]): Promise<void> {
    const paths = keys.map((key) => this.#path(key));
    await this.#guard("remove objects", () =>
      this.#locked(async () => {
        for (const path of paths) {
          this.#signal?.throwIfAborted();
          await removeFile(path);
        }
        for (const folder of new Set(paths.map(parentOf))) await removeEmptyFolders(this.#root, folder);
      }));
  }

  async copyFrom(
    source: ObjectStore,
    sourceKey: string,
    key: string,
    _sizeBytes: number,
    options: WriteOptions = {},
  ): Promise<boolean> {
    if (!(source instanceof LocalStore)) return false;
    const from = source.#path(sourceKey);
    return await this.#guard(`copy "${sourceKey}" of "${source.name}" to "${key}"`, async () => {
      const path = this.#path(key);
      if (from === path) {
        await Deno.utime(path, new Date(), new Date());
        return true;
      }
      await using temp = await this.#twin(from, options.isBlob === true);
      await this.#publish(key, path, temp, options);
      return true;
    });
  }

  /** Nothing to let go: files are open only while they are used. */
  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }

  /** A temporary file with the content of another: a second name of it where that is safe and possible, else a copy. */
  async #twin(from: string, isBlob: boolean): Promise<TempFile> {
    if (isBlob) {
      try {
        return await TempFile.made(this.#root, async (path) => {
          await Deno.link(from, path);
          // The time is shared by all names of the file; a newer one only keeps it longer from being cleaned up.
          await Deno.utime(path, new Date(), new Date());
        });
      } catch (error) {
        if (systemCode(error) === "ENOENT") throw error;
        // Another file system, one without links, or a file of somebody else's: copy.
      }
    }
    const temp = await TempFile.made(this.#root, async (path) => {
      await copyFile(from, path, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
      await Deno.chmod(path, 0o644);
      await Deno.utime(path, new Date(), new Date());
    });
    await temp.finish();
    return temp;
  }

  /**
   * Writes a large blob in a file that outlives a killed process, going on where an earlier one stopped; false when that
   * is not possible, or somebody else is at it.
   */
  async #continueBlob(key: string, path: string, content: ObjectContent): Promise<boolean> {
    const { digest, sizeBytes, openRest } = content;
    if (!digest || !openRest || sizeBytes < MIN_PARTIAL_BYTES) return false;
    await using partial = await PartialFile.open(await partialPath(this.#root, digest));
    if (!partial) return false;
    if (partial.sizeBytes > 0) {
      this.#log?.(`Going on with "${key}" after the ${partial.sizeBytes} bytes that are there`);
    }
    const parts = { sizeBytes, open: () => content.open(), openRest: openRest.bind(content) };
    await partial.complete(parts, (reader, left) => this.#pour(key, reader, partial, left));
    await inFolderOf(this.#root, path, () => partial.moveTo(path));
    return true;
  }

  /** Writes exactly `sizeBytes` of the reader to the file. */
  async #pour(
    key: string,
    reader: BlobReader,
    temp: { write(bytes: Uint8Array): Promise<void> },
    sizeBytes: number,
  ): Promise<void> {
    let left = sizeBytes;
    let piece = await this.#pieces.take();
    try {
      while (true) {
        this.#signal?.throwIfAborted();
        const read = await reader.read(new Uint8Array(piece.buffer));
        if (read.byteLength === 0) break;
        left -= read.byteLength;
        if (left < 0) throw wrongSize(this.name, key, sizeBytes, "more");
        await temp.write(read);
        // A reader may keep the buffer it was given and hand back another.
        piece = read.buffer.byteLength === PIECE_BYTES ? read : new Uint8Array(PIECE_BYTES);
      }
    } finally {
      this.#pieces.give(piece);
    }
    if (left > 0) throw wrongSize(this.name, key, sizeBytes, "fewer");
  }

  /** Makes a finished temporary file visible, if the condition holds. */
  async #publish(key: string, path: string, temp: TempFile, options: WriteOptions): Promise<void> {
    const { condition } = options;
    if (condition && "absent" in condition) {
      if (await this.#linkFirst(key, path, temp)) return;
    } else if (!condition && options.isBlob) {
      return await inFolderOf(this.#root, path, () => temp.moveTo(path));
    }
    await this.#locked(async () => {
      const current = await Deno.stat(path).catch(undefinedIfMissing);
      const holds = !condition || ("absent" in condition ? !current : current && etagOf(current) === condition.etag);
      if (!holds) throw this.#conflict(key);
      if (current?.mtime) {
        const time = new Date(Math.max(Date.now(), current.mtime.getTime() + 1));
        await Deno.utime(temp.path, time, time);
      }
      await inFolderOf(this.#root, path, () => temp.moveTo(path));
    });
  }

  /** Gives the file its name unless there is one: of any number of processes one succeeds. False where links don't exist. */
  async #linkFirst(key: string, path: string, temp: TempFile): Promise<boolean> {
    try {
      await inFolderOf(this.#root, path, () => Deno.link(temp.path, path));
      return true;
    } catch (error) {
      if (systemCode(error) === "EEXIST") throw this.#conflict(key);
      if (["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"].includes(systemCode(error) ?? "")) return false;
      throw error;
    }
  }

  async #locked<T>(step: () => Promise<T>): Promise<T> {
    return await this.#turn.run(async () => {
      const folder = `${this.#root}/${OWN_FOLDER}`;
      await Deno.mkdir(folder, { recursive: true, mode: 0o755 });
      using file = await Deno.open(`${folder}/lock`, { create: true, write: true, mode: 0o644 });
      await file.lock(true);
      try {
        return await step();
      } finally {
        // Closing alone frees it late on Deno 2.4, whose lock lives in a copy of the descriptor.
        await file.unlock();
      }
    });
  }

  /** The file of a key, or undefined. */
  async #opened(key: string): Promise<Deno.FsFile | undefined> {
    const file = await Deno.open(this.#path(key)).catch(undefinedIfMissing);
    if (!file || (await file.stat()).isFile) return file;
    file.close();
    return undefined;
  }

  #path(key: string): string {
    checkKey(key);
    if (key === OWN_FOLDER || key.startsWith(`${OWN_FOLDER}/`)) {
      throw new ImageError("invalid-input", `Cannot use "${key}" as a key: "${OWN_FOLDER}" is the store's own folder`);
    }
    return `${this.#root}/${key}`;
  }

  #conflict(key: string): ImageError {
    return new ImageError("conflict", `Cannot write "${key}" to "${this.name}": somebody else wrote it meanwhile`);
  }

  #guardReader(key: string, reader: BlobReader): BlobReader {
    return {
      read: (into) => this.#guard(`read "${key}"`, () => reader.read(into)),
      [Symbol.asyncDispose]: () => reader[Symbol.asyncDispose](),
    };
  }

  async #guard<T>(action: string, step: () => Promise<T>): Promise<T> {
    try {
      this.#signal?.throwIfAborted();
      return await step();
    } catch (error) {
      throw this.#error(error, action);
    }
  }

  #error(error: unknown, action: string): ImageError {
    if (this.#signal?.aborted) return new ImageError("aborted", "Stopped", { cause: this.#signal.reason });
    return localError(error, action, this.#root);
  }
}

function wrongSize(store: string, key: string, sizeBytes: number, what: "fewer" | "more"): ImageError {
  return new ImageError(
    "digest-mismatch",
    `Cannot write "${key}" to "${store}": there are ${what} than the ${sizeBytes} bytes announced`,
  );
}

/** Removes a file or link; a folder is no object, whatever its name. */
async function removeFile(path: string): Promise<void> {
  const found = await Deno.lstat(path).catch(undefinedIfMissing);
  if (found && !found.isDirectory) await Deno.remove(path).catch(undefinedIfMissing);
}

function undefinedIfMissing(error: unknown): undefined {
  if (isMissing(error)) return undefined;
  throw error;
}
