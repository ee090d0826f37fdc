import { ImageError } from "../errors.ts";
import { type FileFacts, noRegularFile, openRegularFile, type RegularFile } from "./regular_file.ts";
import { systemCode, undefinedIfMissing } from "./system_code.ts";

/** How often a file is opened anew because somebody made or removed it at that moment. */
const OPEN_TRIES = 10;

/** Which file an opened one or a name is. */
export type FileIdentity = Pick<Deno.FileInfo, "dev" | "ino">;

/**
 * A folder whose inside somebody else may have prepared, or may change at any moment: a store or layout that was received, or
 * is shared. The folder itself may be reached through links; below it no folder is: a link there could lead anywhere.
 *
 * Names are relative, with `/` between their parts. Deno opens no file relative to an open folder, so the parts are looked at
 * and what they lead to is changed in one go, without a wait in between: an old look never counts. What was opened is
 * compared with what was looked at, what was moved with what was to be moved. Failures of the system are thrown as they are.
 */
export class GuardedFolder {
  /** The path as it was given. */
  readonly root: string;
  readonly #prefix: string;
  readonly #os: string;

  /** A folder by its path; the empty one is the current folder. It need not be there yet. `os` as `Deno.build.os` names it. */
  constructor(root: string, os: string = Deno.build.os) {
    this.#os = os;
    this.root = root === "" ? "." : root;
    this.#prefix = this.root.endsWith("/") ? this.root : `${this.root}/`;
  }

  /** The path of a name, for errors and for what needs no guarding. */
  pathOf(name: string): string {
    return name === "" ? this.root : this.#prefix + name;
  }

  /** What lies at a name, a link as a link; undefined where nothing does. Throws `unsupported` for a linked folder. */
  look(name: string): Deno.FileInfo | undefined {
    this.#checkFolders(name);
    return lookAt(this.pathOf(name));
  }

  /** Whether the name is that of this file, and no link to it. */
  isAt(name: string, file: FileIdentity): boolean {
    const found = this.look(name);
    return found !== undefined && isSameFile(found, file);
  }

  /**
   * Opens a file for reading; undefined where there is none, or a folder. A link in the place of the file (not of a folder
   * on the way) is followed: only bytes come out of it. Throws `invalid-input` for a pipe, socket or device.
   */
  async open(name: string): Promise<RegularFile | undefined> {
    this.#checkFolders(name);
    return await openRegularFile(this.pathOf(name));
  }

  /** Makes the folders on the way to a name; see {@linkcode inFolder} for how they become durable. */
  makeFolders(name: string): void {
    for (const folder of foldersOf(name)) {
      const path = this.pathOf(folder);
      if (!lookAt(path)) makeFolder(path);
      this.#checkFolder(folder);
    }
  }

  /** Makes a new file, for writing. Fails with EEXIST where there is something, be it a link. */
  create(name: string): Deno.FsFile {
    this.#checkFolders(name);
    return Deno.openSync(this.pathOf(name), { read: true, write: true, createNew: true, mode: 0o644 });
  }

  /** Opens a file for reading and writing, which is made where there is none; never what a link leads to. */
  openForWriting(name: string): Deno.FsFile {
    for (let tries = 1;; tries++) {
      try {
        const found = this.look(name);
        if (!found) return this.create(name);
        if (!found.isFile) throw noRegularFile(this.pathOf(name));
        // Both ways: to open a pipe for writing alone would wait for its reader.
        const file = Deno.openSync(this.pathOf(name), { read: true, write: true });
        if (isSameFile(found, file.statSync())) return file;
        file.close();
        throw changed(this.pathOf(name));
      } catch (error) {
        const isRace = systemCode(error) === "EEXIST" || systemCode(error) === "ENOENT";
        if (!isRace || tries === OPEN_TRIES || !this.#hasFolderOf(name)) throw error;
      }
    }
  }

  /** Gives a file another name, over what is there: a link or pipe there goes, what it leads to stays. */
  move(from: string, to: string, file: FileIdentity): void {
    this.#checkFolders(to);
    this.#expect(from, file);
    replaceFile(() => Deno.renameSync(this.pathOf(from), this.pathOf(to)), this.#os);
    this.#expect(to, file);
  }

  /** Gives a file a second name. Fails with EEXIST where there is something. */
  link(from: string, to: string, file: FileIdentity): void {
    this.#checkFolders(to);
    this.#expect(from, file);
    Deno.linkSync(this.pathOf(from), this.pathOf(to));
  }

  /** Gives a file of elsewhere a second name in here, if its path, without links at its end, still leads to it. */
  linkFrom(path: string, to: string, file: FileIdentity): void {
    this.#checkFolders(to);
    Deno.linkSync(path, this.pathOf(to));
    if (this.isAt(to, file)) return;
    this.remove(to);
    throw changed(path);
  }

  /** Sets when a file was written last. */
  setTime(name: string, file: FileIdentity, time: Date): void {
    this.#checkFolders(name);
    this.#expect(name, file);
    Deno.utimeSync(this.pathOf(name), time, time);
  }

  /** Removes a file, link or pipe, where there is one that `isMeant`; a folder stays. */
  remove(name: string, isMeant: (found: Deno.FileInfo) => boolean = () => true): void {
    const found = this.look(name);
    if (!found || found.isDirectory || !isMeant(found)) return;
    try {
      Deno.removeSync(this.pathOf(name));
    } catch (error) {
      undefinedIfMissing(error);
    }
  }

  /** Removes a folder if it is empty; gives whether it did. */
  removeEmptyFolder(name: string): boolean {
    try {
      if (!this.look(name)?.isDirectory) return false;
      Deno.removeSync(this.pathOf(name));
      return true;
    } catch {
      return false;
    }
  }

  /** What a folder holds; nothing where it is not there. */
  async *entries(folder: string): AsyncIterable<Deno.DirEntry> {
    if (folder !== "") this.#checkFolders(`${folder}/`);
    try {
      yield* Deno.readDir(this.pathOf(folder));
    } catch (error) {
      undefinedIfMissing(error);
    }
  }

  #hasFolderOf(name: string): boolean {
    const folder = foldersOf(name).at(-1);
    return folder === undefined ? lookAt(this.root) !== undefined : lookAt(this.pathOf(folder)) !== undefined;
  }

  #expect(name: string, file: FileIdentity): void {
    if (!this.isAt(name, file)) throw changed(this.pathOf(name));
  }

  #checkFolders(name: string): void {
    for (const folder of foldersOf(name)) this.#checkFolder(folder);
  }

  #checkFolder(folder: string): void {
    if (!lookAt(this.pathOf(folder))?.isSymlink) return;
    throw new ImageError("unsupported", `Cannot use "${this.pathOf(folder)}": a link stands where a folder should be`, {
      hint: "Put the folder itself there; only the outermost one may be a link",
    });
  }
}

/** How often Windows is asked again to replace a file, and how long in between. */
const REPLACE_TRIES = 20;
const REPLACE_WAIT_MS = 25;

/**
 * Renames over a file. On Windows one that another program holds open at that moment (a virus scanner, an indexer) cannot be
 * replaced for a short while: it is tried again, for half a second. It waits without letting anything else happen, so that what
 * was looked at before still counts.
 */
export function replaceFile(rename: () => void, os: string, wait: (ms: number) => void = pause): void {
  for (let tries = 1;; tries++) {
    try {
      return rename();
    } catch (error) {
      const isHeld = os === "windows" && ["EPERM", "EACCES", "EBUSY"].includes(systemCode(error) ?? "");
      if (!isHeld || tries === REPLACE_TRIES) throw error;
      wait(REPLACE_WAIT_MS);
    }
  }
}

function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** Whether two looks were at the same file. What a system does not tell (Windows, of some disks) is no difference. */
export function isSameFile(one: FileIdentity, other: FileIdentity): boolean {
  const isSame = (left: number | null, right: number | null) => left === right || !left || !right;
  return isSame(one.dev, other.dev) && isSame(one.ino, other.ino);
}

/**
 * Whether nobody else may write to a file: it belongs to who made `own`, and no group or other has the right. Systems
 * without owners (Windows, whose modes are made up) leave both out.
 */
export function isOursAlone(file: FileFacts, own: Pick<FileFacts, "uid">): boolean {
  if (own.uid === null) return file.isFile;
  return file.isFile && file.uid === own.uid && ((file.mode ?? 0) & 0o022) === 0;
}

/** The folders on the way to a name, outermost first. */
function foldersOf(name: string): readonly string[] {
  const folders: string[] = [];
  for (let end = name.indexOf("/"); end >= 0; end = name.indexOf("/", end + 1)) folders.push(name.slice(0, end));
  return folders;
}

function lookAt(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    return undefinedIfMissing(error);
  }
}

function makeFolder(path: string): void {
  try {
    Deno.mkdirSync(path, { mode: 0o755 });
  } catch (error) {
    // Somebody else was faster.
    if (systemCode(error) !== "EEXIST") throw error;
  }
}

function changed(path: string): ImageError {
  return new ImageError("conflict", `Cannot use "${path}": somebody put something else in its place meanwhile`, {
    hint: "Run the same again once nobody else writes there",
  });
}
