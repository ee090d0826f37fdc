import { type BlobReader, type ByteRange, bytesReader, fileReader, readAll } from "../bytes/blob_reader.ts";
import { BufferPool } from "../bytes/buffers.ts";
import { lengthMismatch } from "../bytes/exact_reader.ts";
import { GuardedFolder, isOursAlone } from "../bytes/guarded_folder.ts";
import { unlockFile } from "../bytes/file_lock.ts";
import { PartialFile } from "../bytes/partial_file.ts";
import { Semaphore } from "../bytes/pool.ts";
import type { FileFacts, RegularFile } from "../bytes/regular_file.ts";
import { systemCode } from "../bytes/system_code.ts";
import { verifiedReader } from "../bytes/verified_reader.ts";
import { ImageError } from "../errors.ts";
import { checkKey } from "./keys.ts";
import { localError } from "./local_errors.ts";
import { inFolderOf, OWN_FOLDER, parentOf, removeEmptyFolders } from "./local_folders.ts";
import { describeFile, etagOf, listFiles } from "./local_list.ts";
import { CaseGuard, checkFileName } from "./local_names.ts";
import { partialName, prepareOwnFolder, TempFile } from "./local_temp.ts";
import type {
  CopyFromOptions,
  ListOptions,
  ObjectContent,
  ObjectInfo,
  ObjectStore,
  WriteOptions,
} from "./object_store.ts";

/** Size of the pieces in which streams are written. */
const PIECE_BYTES = 1024 * 1024;

/** Blobs from this size on are written so that a later run can go on with them. */
const MIN_PARTIAL_BYTES = 8 * 1024 * 1024;

/** How a folder is used as a store. */
export interface LocalStoreSettings {
  /** Whether it will be written to; nothing is made or removed before that happens. */
  readonly isWritten?: boolean;
  /** The operating system, as `Deno.build.os` names it. */
  readonly os?: string;
  readonly signal?: AbortSignal | undefined;
  readonly log?: ((line: string) => void) | undefined;
}

/**
 * A folder as an object store: every object is a file whose path is its key.
 *
 * Safe with several processes at once: a write is a temporary file that is renamed (or, if it must be the first, linked)
 * to its place; overwriting and removing mutable objects happens under one lock of the store, which the system lets go
 * when its holder dies.
 *
 * Safe with a folder that came from somebody else (see `GuardedFolder`): no folder in it is a link. A link in the place of
 * a file is read as the file that it leads to; where the store is written to it is no object, so that a file takes its place.
 *
 * On a file system that is blind to case (see `CaseGuard`) `app:V1` is never `app:v1`: it is not there, and cannot be made.
 */
export class LocalStore implements ObjectStore, AsyncDisposable {
  readonly name: string;
  readonly isLocal = true;
  readonly isConditional = true;
  readonly parallelRanges = 1;
  readonly #folder: GuardedFolder;
  readonly #case: CaseGuard;
  readonly #os: string;
  readonly #followsFiles: boolean;
  readonly #signal: AbortSignal | undefined;
  readonly #log: ((line: string) => void) | undefined;
  readonly #pieces = new BufferPool(4, PIECE_BYTES);
  readonly #turn = new Semaphore(1);
  #prepared: Promise<void> | undefined;
  /** Facts of a file that we made: who we are to the file system. */
  #own: FileFacts | undefined;

  /** A store over a folder; use `openLocalStore()`, which checks it. */
  constructor(folder: string, settings: LocalStoreSettings = {}) {
    this.name = `local://${folder}`;
    this.#folder = new GuardedFolder(folder.replace(/(?<=.)\/+$/, ""));
    this.#case = new CaseGuard(this.#folder);
    this.#os = settings.os ?? Deno.build.os;
    this.#followsFiles = !settings.isWritten;
    this.#signal = settings.signal;
    this.#log = settings.log;
  }

  async head(key: string): Promise<ObjectInfo | undefined> {
    return await this.#guard(`look up "${key}"`, async () => {
      const name = this.#nameOf(key);
      if (this.#case.twinOf(name) !== undefined) return undefined;
      return await describeFile(this.#folder, name, { followsFiles: this.#followsFiles });
    });
  }

  async read(
    key: string,
    maxBytes: number,
  ): Promise<{ readonly bytes: Uint8Array<ArrayBuffer>; readonly etag: string } | undefined> {
    return await this.#guard(`read "${key}"`, async () => {
      using file = await this.#open(key);
      if (!file) return undefined;
      const reader = fileReader(file, maxBytes + 1);
      return { bytes: await readAll(reader, maxBytes, `"${key}" of "${this.name}"`), etag: etagOf(file.facts) };
    });
  }

  async open(key: string, range?: ByteRange): Promise<BlobReader> {
    return await this.#guard(`read "${key}"`, async () => {
      const file = await this.#open(key);
      if (!file) throw this.#missing(key);
      try {
        const start = range?.start ?? 0;
        const { size } = file.facts;
        if (start > 0 && start >= size && range?.length !== 0) {
          throw new ImageError(
            "invalid-input",
            `Cannot read "${key}" from "${this.name}" at ${start}: it has ${size} bytes`,
          );
        }
        if (start > 0) await file.seek(start);
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
      const name = this.#nameOf(key);
      await this.#prepare();
      if (options.isBlob && !options.condition && await this.#continueBlob(name, content)) return;
      await using reader = await content.open();
      await using temp = TempFile.create(this.#folder);
      await this.#pour(key, reader, temp, content.sizeBytes);
      await temp.finish();
      await this.#publish(name, temp, options);
    });
  }

  async *list(prefix: string, options: ListOptions = {}): AsyncIterable<readonly ObjectInfo[]> {
    const parts = prefix.split("/").slice(0, -1);
    if (parts.length > 0) checkKey(parts.join("/"));
    if (this.#case.twinOf(parts.join("/")) !== undefined) return;
    try {
      const followsFiles = this.#followsFiles;
      for await (const page of listFiles(this.#folder, prefix, { ...options, followsFiles })) {
        this.#signal?.throwIfAborted();
        yield page;
      }
    } catch (error) {
      throw this.#error(error, `list "${prefix}"`);
    }
  }

  async remove(keys: readonly string[]): Promise<void> {
    const names = keys.map((key) => this.#nameOf(key));
    await this.#guard("remove objects", () =>
      this.#locked(() => {
        for (const name of names) {
          this.#signal?.throwIfAborted();
          if (this.#case.twinOf(name) === undefined) this.#folder.remove(name);
        }
        for (const parent of new Set(names.map(parentOf))) removeEmptyFolders(this.#folder, parent);
      }));
  }

  async copyFrom(
    source: ObjectStore,
    sourceKey: string,
    key: string,
    sizeBytes: number,
    options: CopyFromOptions = {},
  ): Promise<boolean> {
    if (!(source instanceof LocalStore)) return false;
    return await this.#guard(`copy "${sourceKey}" of "${source.name}" to "${key}"`, async () => {
      const [from, to] = [source.#nameOf(sourceKey), this.#nameOf(key)];
      using file = await source.#open(sourceKey);
      if (!file) throw source.#missing(sourceKey);
      if (this.#folder.root === source.#folder.root && from === to && this.#folder.isAt(to, file.facts)) {
        this.#folder.setTime(to, file.facts, new Date());
        return true;
      }
      await this.#prepare();
      const what = `"${sourceKey}" of "${source.name}"`;
      // A link's file is not the source's: it is copied, and left as it is.
      const path = source.#folder.isAt(from, file.facts) ? source.#folder.pathOf(from) : undefined;
      await using temp = await this.#twin(path, file, what, { ...options, sizeBytes });
      await this.#publish(to, temp, options);
      return true;
    });
  }

  /** Nothing to let go: files are open only while they are used. */
  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }

  /**
   * A temporary file with the content of another: a second name of the one at `path` where that is safe and possible, else
   * a copy. What lies there in the end is what is checked.
   */
  async #twin(
    path: string | undefined,
    file: RegularFile,
    what: string,
    { isBlob, digest, sizeBytes }: CopyFromOptions & { readonly sizeBytes: number },
  ): Promise<TempFile> {
    const checked = (reader: BlobReader) => digest ? verifiedReader(reader, { digest, size: sizeBytes }, what) : reader;
    const linked = isBlob && path !== undefined ? await this.#linked(path, file) : undefined;
    const temp = linked ?? TempFile.create(this.#folder);
    try {
      using held = linked ? await linked.open() : undefined;
      const bytes = checked(fileReader(held ?? file));
      if (!held) {
        await this.#pour(what, bytes, temp, digest ? sizeBytes : file.facts.size);
        await temp.finish();
      } else if (digest) await this.#pour(what, bytes, { write: () => Promise.resolve() }, sizeBytes);
      // The time is shared by all names of the file; a newer one only keeps it longer from being cleaned up.
      if (linked) linked.setTime(new Date());
      return temp;
    } catch (error) {
      await temp[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** A second name of a file that nobody but us may write to; undefined where there can be none, or should not. */
  async #linked(path: string, file: RegularFile): Promise<TempFile | undefined> {
    this.#own ??= await ownFacts(this.#folder);
    if (!isOursAlone(file.facts, this.#own)) return undefined;
    try {
      return TempFile.link(this.#folder, path, file);
    } catch (error) {
      if (systemCode(error) === "ENOENT") throw error;
      // Another file system, one without links, a file of somebody else's, or something else in its place: copy.
      return undefined;
    }
  }

  /**
   * Writes a large blob in a file that outlives a killed process, going on where an earlier one stopped; false when that
   * is not possible, or somebody else is at it.
   */
  async #continueBlob(name: string, content: ObjectContent): Promise<boolean> {
    const { digest, sizeBytes, openRest } = content;
    if (!digest || !openRest || sizeBytes < MIN_PARTIAL_BYTES) return false;
    await using partial = await PartialFile.open(this.#folder, partialName(this.#folder, digest));
    if (!partial) return false;
    if (partial.sizeBytes > 0) {
      this.#log?.(`Going on with "${name}" after the ${partial.sizeBytes} bytes that are there`);
    }
    const parts = { sizeBytes, open: () => content.open(), openRest: openRest.bind(content) };
    await partial.complete(parts, (reader, left) => this.#pour(name, reader, partial, left));
    await inFolderOf(this.#folder, name, () => partial.moveTo(name));
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
    if (left > 0) throw wrongSize(this.name, key, sizeBytes, sizeBytes - left);
  }

  /** Makes a finished temporary file visible, if the condition holds. */
  async #publish(name: string, temp: TempFile, options: WriteOptions): Promise<void> {
    const { condition } = options;
    this.#case.expectNoTwin(name);
    if (condition && "absent" in condition) {
      if (await this.#linkFirst(name, temp)) return;
    } else if (!condition && options.isBlob) {
      return await inFolderOf(this.#folder, name, () => temp.moveTo(name));
    }
    await this.#locked(async () => {
      this.#case.expectNoTwin(name);
      const found = this.#folder.look(name);
      const current = found?.isSymlink ? await Deno.stat(this.#folder.pathOf(name)).catch(() => found) : found;
      const holds = !condition || ("absent" in condition ? !current : current && etagOf(current) === condition.etag);
      if (!holds) throw this.#conflict(name);
      if (current?.mtime) temp.setTime(new Date(Math.max(Date.now(), current.mtime.getTime() + 1)));
      await inFolderOf(this.#folder, name, () => temp.moveTo(name));
    });
  }

  /** Gives the file its name unless there is one: of any number of processes one succeeds. False where links don't exist. */
  async #linkFirst(name: string, temp: TempFile): Promise<boolean> {
    try {
      await inFolderOf(this.#folder, name, () => temp.linkTo(name));
      return true;
    } catch (error) {
      if (systemCode(error) === "EEXIST") throw this.#conflict(name);
      if (["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"].includes(systemCode(error) ?? "")) return false;
      throw error;
    }
  }

  async #locked<T>(step: () => T | Promise<T>): Promise<T> {
    return await this.#turn.run(async () => {
      await this.#prepare();
      using file = this.#folder.openForWriting(`${OWN_FOLDER}/lock`);
      await file.lock(true);
      try {
        return await step();
      } finally {
        await unlockFile(file);
      }
    });
  }

  /** Makes the store's own folder before the first write, and clears it of what dead processes left. */
  #prepare(): Promise<void> {
    return this.#prepared ??= prepareOwnFolder(this.#folder);
  }

  /** The file of a key, open for reading; undefined where there is none. */
  async #open(key: string): Promise<RegularFile | undefined> {
    const name = this.#nameOf(key);
    return this.#case.twinOf(name) === undefined ? await this.#folder.open(name) : undefined;
  }

  /** The name of a key's file. */
  #nameOf(key: string): string {
    checkKey(key);
    checkFileName(key, this.#os);
    if (key === OWN_FOLDER || key.startsWith(`${OWN_FOLDER}/`)) {
      throw new ImageError("invalid-input", `Cannot use "${key}" as a key: "${OWN_FOLDER}" is the store's own folder`);
    }
    return key;
  }

  #missing(key: string): ImageError {
    return new ImageError("not-found", `Cannot read "${key}" from "${this.name}": it is not there`);
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
    return localError(error, action, this.#folder.root);
  }
}

function wrongSize(store: string, key: string, sizeBytes: number, got: number | "more"): ImageError {
  return new ImageError(
    "digest-mismatch",
    `Cannot write "${key}" to "${store}": ${lengthMismatch(sizeBytes, got)}`,
  );
}

async function ownFacts(folder: GuardedFolder): Promise<FileFacts> {
  await using temp = TempFile.create(folder);
  return temp.facts;
}
