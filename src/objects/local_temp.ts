import { type Digest, hexOf } from "../oci/digest.ts";
import { systemCode } from "./local_errors.ts";
import { OWN_FOLDER } from "./local_folders.ts";

/** A file that nobody sees yet, in the store's own folder, so that it can be renamed to its place; gone on dispose. */
export class TempFile implements AsyncDisposable {
  /** Where it is. */
  readonly path: string;
  #file: Deno.FsFile | undefined;
  #moved = false;

  private constructor(path: string, file: Deno.FsFile | undefined) {
    this.path = path;
    this.#file = file;
  }

  /** Creates an empty one. */
  static async create(root: string): Promise<TempFile> {
    const path = await newPath(root);
    return new TempFile(path, await Deno.open(path, { createNew: true, write: true, mode: 0o644 }));
  }

  /** Has `make` put a file at a new temporary path. */
  static async made(root: string, make: (path: string) => Promise<void>): Promise<TempFile> {
    const path = await newPath(root);
    const temp = new TempFile(path, undefined);
    try {
      await make(path);
      return temp;
    } catch (error) {
      await temp[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Appends bytes. */
  async write(bytes: Uint8Array): Promise<void> {
    for (let written = 0; written < bytes.byteLength;) {
      written += await this.#opened().write(bytes.subarray(written));
    }
  }

  /** Makes the content durable; nothing is written afterwards. */
  async finish(): Promise<void> {
    this.#file ??= await Deno.open(this.path, { write: true });
    await this.#file.syncData();
    this.#file.close();
    this.#file = undefined;
  }

  /** Puts the file in its place, over what is there. */
  async moveTo(path: string): Promise<void> {
    await Deno.rename(this.path, path);
    // Renaming between two names of one file does nothing, so the temporary name may still be there.
    this.#moved = await Deno.lstat(this.path).then(() => false, () => true);
  }

  /** Closes it, and removes it unless it was moved. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#file?.close();
    this.#file = undefined;
    if (!this.#moved) await Deno.remove(this.path).catch(() => {});
    this.#moved = true;
  }

  #opened(): Deno.FsFile {
    if (!this.#file) throw new Error("The temporary file is closed");
    return this.#file;
  }
}

/** Where a blob is written that a later process can go on with; its folder is made. */
export async function partialPath(root: string, digest: Digest): Promise<string> {
  return `${await madeFolder(root, "partial")}/${hexOf(digest)}`;
}

async function newPath(root: string): Promise<string> {
  return `${await madeFolder(root, "tmp")}/${Deno.pid}-${crypto.randomUUID()}`;
}

async function madeFolder(root: string, name: "tmp" | "partial"): Promise<string> {
  const folder = `${root}/${OWN_FOLDER}/${name}`;
  await Deno.mkdir(folder, { recursive: true, mode: 0o755 }).catch((error) => {
    if (systemCode(error) !== "EEXIST") throw error;
  });
  return folder;
}
