import { isImageError, isInterruption } from "../errors.ts";
import type { BlobReader } from "./blob_reader.ts";
import { tryLockFile } from "./file_lock.ts";
import { type FileIdentity, type GuardedFolder, isOursAlone, isSameFile } from "./guarded_folder.ts";

/** Smallest piece that is worth keeping after a failed try, in bytes. */
const MIN_KEPT_BYTES = 1024 * 1024;

/** How often a file is opened anew because its owner put it in its place at that moment. */
const OPEN_TRIES = 10;

/** What is written to a partial file: bytes that can be opened from their start, and behind those that are there already. */
export interface PartialContent {
  readonly sizeBytes: number;
  open(): Promise<BlobReader>;
  openRest(held: { readonly sizeBytes: number; open(): Promise<BlobReader> }): Promise<BlobReader>;
}

/**
 * A file that grows over several tries, also of different processes, before it gets its place: what was written stays when
 * a try is cut off, and the next one goes on behind it. Its name says what it is to become (a digest, as a rule).
 *
 * Nothing in it counts as checked: after a power cut it may hold anything. One process writes it at a time, as the
 * system's lock says, which goes with its holder. One that somebody else may write to, or that has further names, is never
 * gone on with: whoever made it could change the bytes after they were checked.
 */
export class PartialFile implements AsyncDisposable {
  readonly #folder: GuardedFolder;
  readonly #name: string;
  readonly #file: Deno.FsFile;
  readonly #identity: FileIdentity;
  #sizeBytes: number;
  #state: "kept" | "dropped" | "moved" = "kept";

  private constructor(folder: GuardedFolder, name: string, file: Deno.FsFile, facts: Deno.FileInfo) {
    this.#folder = folder;
    this.#name = name;
    this.#file = file;
    this.#identity = facts;
    this.#sizeBytes = facts.size;
  }

  /**
   * Opens or makes the file, in a folder that exists; undefined where it cannot be gone on with: while somebody else writes
   * it, or where something lies there that is not ours alone.
   */
  static async open(folder: GuardedFolder, name: string): Promise<PartialFile | undefined> {
    for (let tries = 0; tries < OPEN_TRIES; tries++) {
      if (folder.look(name)?.isFile === false) return undefined;
      const file = folder.openForWriting(name);
      try {
        const lock = await tryLockFile(file);
        const facts = await file.stat();
        // Its last owner may have moved it to its place just before it let it go.
        const isThere = lock === "locked" && folder.isAt(name, facts);
        if (isThere && isOurs(folder, name, facts)) return new PartialFile(folder, name, file, facts);
        file.close();
        // Without locks nobody can tell whether somebody else writes it.
        if (lock !== "locked" || isThere) return undefined;
      } catch (error) {
        file.close();
        throw error;
      }
    }
    return undefined;
  }

  /** How much it holds. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /**
   * Writes what is missing. `pour` writes a reader to its end, so many bytes, through {@linkcode write}.
   *
   * What was there and does not fit is thrown away and everything is written anew. When this fails, what is there is kept
   * for the next try if that could help.
   */
  async complete(
    content: PartialContent,
    pour: (reader: BlobReader, sizeBytes: number) => Promise<void>,
  ): Promise<void> {
    try {
      if (this.#sizeBytes > content.sizeBytes) await this.#clear();
      if (this.#sizeBytes === 0 || !await this.#goOn(content, pour)) {
        await using reader = await content.open();
        await pour(reader, content.sizeBytes);
      }
      await this.#file.syncData();
    } catch (error) {
      if (!isInterruption(error) || this.#sizeBytes < MIN_KEPT_BYTES) this.#state = "dropped";
      throw error;
    }
  }

  /** Appends bytes. */
  async write(bytes: Uint8Array): Promise<void> {
    for (let written = 0; written < bytes.byteLength;) {
      written += await this.#file.write(bytes.subarray(written));
    }
    this.#sizeBytes += bytes.byteLength;
  }

  /** Puts the file in its place in the same folder, over what is there. */
  moveTo(name: string): void {
    this.#folder.move(this.#name, name, this.#identity);
    this.#state = "moved";
  }

  /** Lets it go; it stays for the next try, unless that would not help. */
  [Symbol.asyncDispose](): Promise<void> {
    try {
      // Removed while it is locked: nobody can have begun to write it.
      if (this.#state === "dropped") this.#folder.remove(this.#name, (found) => isSameFile(found, this.#identity));
    } catch {
      // It only takes space.
    } finally {
      this.#file.close();
    }
    return Promise.resolve();
  }

  async #goOn(
    content: PartialContent,
    pour: (reader: BlobReader, sizeBytes: number) => Promise<void>,
  ): Promise<boolean> {
    const sizeBytes = this.#sizeBytes;
    try {
      await using reader = await content.openRest({ sizeBytes, open: () => this.#openHeld() });
      await this.#file.seek(sizeBytes, Deno.SeekMode.Start);
      await pour(reader, content.sizeBytes - sizeBytes);
      return true;
    } catch (error) {
      if (!isImageError(error, "digest-mismatch")) throw error;
      await this.#clear();
      return false;
    }
  }

  /**
   * What it holds, read through the one handle that is open: another one could lead to another file, and some systems would
   * not let it read what is locked. It is read to its end before anything is appended.
   */
  async #openHeld(): Promise<BlobReader> {
    let left = this.#sizeBytes;
    await this.#file.seek(0, Deno.SeekMode.Start);
    return {
      read: async (into) => {
        const wanted = into.subarray(0, Math.min(into.byteLength, left));
        const count = wanted.byteLength === 0 ? 0 : await this.#file.read(wanted) ?? 0;
        left -= count;
        return wanted.subarray(0, count);
      },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }

  async #clear(): Promise<void> {
    await this.#file.truncate(0);
    await this.#file.seek(0, Deno.SeekMode.Start);
    this.#sizeBytes = 0;
  }
}

/** Whether a file is ours alone. Who we are the file system says, which may know us by another name than the system. */
function isOurs(folder: GuardedFolder, name: string, facts: Deno.FileInfo): boolean {
  const probe = `${name}.${crypto.randomUUID().slice(0, 8)}`;
  using own = folder.create(probe);
  try {
    return (facts.nlink ?? 1) === 1 && isOursAlone(facts, own.statSync());
  } finally {
    folder.remove(probe);
  }
}
