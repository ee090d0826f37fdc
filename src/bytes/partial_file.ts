import { isImageError } from "../errors.ts";
import { type BlobReader, fileReader } from "./blob_reader.ts";
import { isFileAt, tryLockFile } from "./file_lock.ts";

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
 * system's lock says, which goes with its holder.
 */
export class PartialFile implements AsyncDisposable {
  readonly #path: string;
  readonly #file: Deno.FsFile;
  #sizeBytes: number;
  #state: "kept" | "dropped" | "moved" = "kept";

  private constructor(path: string, file: Deno.FsFile, sizeBytes: number) {
    this.#path = path;
    this.#file = file;
    this.#sizeBytes = sizeBytes;
  }

  /** Opens or makes the file, in a folder that exists; undefined while somebody else writes it. */
  static async open(path: string): Promise<PartialFile | undefined> {
    for (let tries = 0; tries < OPEN_TRIES; tries++) {
      const file = await Deno.open(path, { read: true, write: true, create: true, mode: 0o644 });
      const lock = await tryLockFile(file);
      // Its last owner may have moved it to its place just before it let it go.
      const isOwn = lock !== "busy" && await isFileAt(path, file);
      if (isOwn && lock === "locked") return new PartialFile(path, file, (await file.stat()).size);
      file.close();
      // Without locks nobody can tell whether somebody else writes it.
      if (lock !== "locked") return undefined;
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
      const mayGoOn = isImageError(error, "unavailable") || isImageError(error, "aborted");
      if (!mayGoOn || this.#sizeBytes < MIN_KEPT_BYTES) this.#state = "dropped";
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

  /** Puts the file in its place, over what is there. */
  async moveTo(path: string): Promise<void> {
    await Deno.rename(this.#path, path);
    this.#state = "moved";
  }

  /** Lets it go; it stays for the next try, unless that would not help. */
  async [Symbol.asyncDispose](): Promise<void> {
    // Removed while it is locked: nobody can have begun to write it.
    if (this.#state === "dropped") await Deno.remove(this.#path).catch(() => {});
    this.#file.close();
  }

  async #goOn(
    content: PartialContent,
    pour: (reader: BlobReader, sizeBytes: number) => Promise<void>,
  ): Promise<boolean> {
    const sizeBytes = this.#sizeBytes;
    const open = async () => fileReader(await Deno.open(this.#path), sizeBytes);
    try {
      await using reader = await content.openRest({ sizeBytes, open });
      await this.#file.seek(sizeBytes, Deno.SeekMode.Start);
      await pour(reader, content.sizeBytes - sizeBytes);
      return true;
    } catch (error) {
      if (!isImageError(error, "digest-mismatch")) throw error;
      await this.#clear();
      return false;
    }
  }

  async #clear(): Promise<void> {
    await this.#file.truncate(0);
    await this.#file.seek(0, Deno.SeekMode.Start);
    this.#sizeBytes = 0;
  }
}
