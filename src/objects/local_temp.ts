import { type GuardedFolder, isSameFile } from "../bytes/guarded_folder.ts";
import { openRegularFile, type RegularFile } from "../bytes/regular_file.ts";
import { ImageError } from "../errors.ts";
import { type Digest, hexOf } from "../oci/digest.ts";
import { OWN_FOLDER, removeStaleFiles } from "./local_folders.ts";

/** Age at which a temporary file that nobody writes to any more is left over. */
const STALE_TEMP_MS = 24 * 60 * 60 * 1000;

/** Age at which nobody will go on with a blob that was cut off. */
const STALE_PARTIAL_MS = 7 * STALE_TEMP_MS;

const TEMP_FOLDER = `${OWN_FOLDER}/tmp`;
const PARTIAL_FOLDER = `${OWN_FOLDER}/partial`;

/** How temporary files are called, and partial ones. Nothing else is ever removed. */
const TEMP_NAME = /^\d+-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const PARTIAL_NAME = /^[0-9a-f]{64}(?:[0-9a-f]{64})?(?:\.[0-9a-f]{8})?$/;

/** Makes the store's own folder, where it is missing, and removes what dead processes left in it. */
export async function prepareOwnFolder(store: GuardedFolder): Promise<void> {
  await Deno.mkdir(store.root, { recursive: true, mode: 0o755 });
  store.makeFolders(`${TEMP_FOLDER}/`);
  await removeStaleFiles(store, TEMP_FOLDER, { ageMs: STALE_TEMP_MS, isOurs: TEMP_NAME });
  await removeStaleFiles(store, PARTIAL_FOLDER, { ageMs: STALE_PARTIAL_MS, isOurs: PARTIAL_NAME });
}

/** A file that nobody sees yet, in the store's own folder, so that it can be renamed to its place; gone on dispose. */
export class TempFile implements AsyncDisposable {
  /** Where it is in the store. */
  readonly name: string;
  readonly #store: GuardedFolder;
  #file: Deno.FsFile | undefined;
  readonly #facts: Deno.FileInfo;
  #moved = false;

  private constructor(store: GuardedFolder, name: string, file: Deno.FsFile | undefined, facts: Deno.FileInfo) {
    this.#store = store;
    this.name = name;
    this.#file = file;
    this.#facts = facts;
  }

  /** Creates an empty one. */
  static create(store: GuardedFolder): TempFile {
    const name = newName(store);
    const file = store.create(name);
    return new TempFile(store, name, file, file.statSync());
  }

  /**
   * A second name of a file of elsewhere, which is open: the last part of its path must be the file and no link. Throws
   * where the system refuses, or something else lies there by now.
   */
  static link(store: GuardedFolder, path: string, file: RegularFile): TempFile {
    const name = newName(store);
    store.linkFrom(path, name, file.facts);
    return new TempFile(store, name, undefined, store.look(name) ?? gone(name));
  }

  /** As it was made: whose it is, and which file. */
  get facts(): Deno.FileInfo {
    return this.#facts;
  }

  /** Appends bytes. */
  async write(bytes: Uint8Array): Promise<void> {
    for (let written = 0; written < bytes.byteLength;) {
      written += await this.#opened().write(bytes.subarray(written));
    }
  }

  /** Makes the content durable; nothing is written afterwards. */
  async finish(): Promise<void> {
    await this.#opened().syncData();
    this.#file?.close();
    this.#file = undefined;
  }

  /** Opens what it holds. */
  async open(): Promise<RegularFile> {
    const file = await openRegularFile(this.#store.pathOf(this.name));
    if (file && isSameFile(file.facts, this.#facts)) return file;
    file?.close();
    return gone(this.name);
  }

  /** Gives the file a time. */
  setTime(time: Date): void {
    this.#store.setTime(this.name, this.#facts, time);
  }

  /** Puts the file in its place, over what is there. */
  moveTo(name: string): void {
    this.#store.move(this.name, name, this.#facts);
    // Renaming between two names of one file does nothing, so the temporary name may still be there.
    this.#moved = this.#store.look(this.name) === undefined;
  }

  /** Gives the file its name unless something has it. */
  linkTo(name: string): void {
    this.#store.link(this.name, name, this.#facts);
  }

  /** Closes it, and removes it unless it was moved. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#file?.close();
    this.#file = undefined;
    try {
      if (!this.#moved) this.#store.remove(this.name, (found) => isSameFile(found, this.#facts));
    } catch {
      // It only takes space.
    }
    this.#moved = true;
    return Promise.resolve();
  }

  #opened(): Deno.FsFile {
    if (!this.#file) throw new Error("The temporary file is closed");
    return this.#file;
  }
}

/** The name of a blob that a later process can go on with; its folder is made. */
export function partialName(store: GuardedFolder, digest: Digest): string {
  const name = `${PARTIAL_FOLDER}/${hexOf(digest)}`;
  store.makeFolders(name);
  return name;
}

function newName(store: GuardedFolder): string {
  const name = `${TEMP_FOLDER}/${Deno.pid}-${crypto.randomUUID()}`;
  store.makeFolders(name);
  return name;
}

function gone(name: string): never {
  throw new ImageError("conflict", `Cannot use "${name}": somebody put something else in its place meanwhile`);
}
