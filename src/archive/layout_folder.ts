import { ImageError, isImageError } from "../errors.ts";
import { type BlobReader, bytesReader, fileReader, readAll } from "../bytes/blob_reader.ts";
import { unlockFile } from "../bytes/file_lock.ts";
import { type PartialContent, PartialFile } from "../bytes/partial_file.ts";
import { type FileIdentity, GuardedFolder, isSameFile } from "../bytes/guarded_folder.ts";
import { syncFolder } from "../bytes/sync_folder.ts";
import { systemCode } from "../bytes/system_code.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { blobPath, hexOf } from "../oci/digest.ts";
import { isObject, jsonBytes, Members, parseJsonObject } from "../oci/json.ts";
import type { Manifest } from "../oci/manifest.ts";
import { readError } from "./archive_files.ts";
import { openFileOutput, writeError } from "./archive_output.ts";
import { CONTAINERD_NAME, isSameName, type LayoutName, REF_NAME } from "./image_names.ts";
import { MAX_INDEX_BYTES } from "./layout_reader.ts";
import { LAYOUT_BYTES, layoutEntries, layoutIndex } from "./layout_writer.ts";

/** What the names of blobs begin with that a later run can go on with. */
const PARTIAL_PREFIX = ".s3lo-partial-";

const PIECE_BYTES = 1024 * 1024;

/** The file that marks a layout. */
const MARKER = "oci-layout";

const MAX_MARKER_BYTES = 4096;

/**
 * What those who publish into a layout lock, on an operating system as `Deno.build.os` names it. The marker is always there
 * and needs no further file; on Windows others could not read what is locked.
 */
export function layoutLock(os: string): string {
  return os === "windows" ? ".s3lo-lock" : MARKER;
}

/**
 * A folder with an OCI image layout that is written to: made where it is missing, other images in it stay. It may have come
 * from somebody else: see `GuardedFolder`.
 */
export class LayoutFolder {
  readonly #path: string;
  readonly #folder: GuardedFolder;
  readonly #lockName: string;

  /** `path` of the folder; nothing is touched yet. `os` as `Deno.build.os` names it. */
  constructor(path: string, os: string = Deno.build.os) {
    this.#path = path;
    this.#folder = new GuardedFolder(path);
    this.#lockName = layoutLock(os);
  }

  /** Whether the folder has a blob of that digest and length. A link to one is none, and a file takes its place. */
  has(blob: Descriptor): Promise<boolean> {
    try {
      const info = this.#folder.look(blobPath(blob.digest));
      return Promise.resolve(info?.isFile === true && info.size === blob.size);
    } catch {
      return Promise.resolve(false);
    }
  }

  /** Makes the folder and the marker. Throws `conflict` when the path is something else, `unsupported`, `denied`. */
  async prepare(): Promise<void> {
    try {
      await Deno.mkdir(this.#path, { recursive: true, mode: 0o755 });
    } catch (cause) {
      if (cause instanceof Deno.errors.AlreadyExists || cause instanceof Deno.errors.NotADirectory) {
        throw new ImageError("conflict", `Cannot write image layout "${this.#path}": something else is there`, {
          cause,
        });
      }
      throw this.#error(cause);
    }
    const marker = await this.#read(MARKER, MAX_MARKER_BYTES);
    if (!marker || this.#folder.look(MARKER)?.isSymlink) await this.#mark();
    if (!marker) return;
    const version = parseJsonObject(marker, `"oci-layout" of "${this.#path}"`)["imageLayoutVersion"];
    if (typeof version === "string" && !version.startsWith("1.")) {
      throw new ImageError(
        "unsupported",
        `Cannot write image layout "${this.#path}": version "${version}" is not known`,
      );
    }
  }

  /**
   * Makes the marker unless somebody else was faster: it is also the lock of those who publish, so it must stay the same
   * file once it is there.
   */
  async #mark(): Promise<void> {
    const temporary = `.${MARKER}.${crypto.randomUUID().slice(0, 8)}`;
    try {
      using file = this.#folder.create(temporary);
      const identity = file.statSync();
      try {
        await file.write(LAYOUT_BYTES);
        await file.syncData();
        this.#nameMarker(temporary, identity);
      } finally {
        this.#folder.remove(temporary, (found) => isSameFile(found, identity));
      }
    } catch (cause) {
      throw this.#error(cause);
    }
  }

  #nameMarker(temporary: string, identity: FileIdentity): void {
    try {
      this.#folder.link(temporary, MARKER, identity);
    } catch (cause) {
      if (isImageError(cause)) throw cause;
      if (systemCode(cause) === "EEXIST" && !this.#folder.look(MARKER)?.isSymlink) return;
      // A link is no lock, and some file systems of removable media have no second names.
      this.#folder.move(temporary, MARKER, identity);
    }
  }

  /** Writes a blob; it appears under its name only once the stream has come to its end. Does not close `content`. */
  async writeBlob(blob: Descriptor, content: BlobReader): Promise<void> {
    const name = blobPath(blob.digest);
    try {
      this.#folder.makeFolders(name);
    } catch (cause) {
      throw this.#error(cause);
    }
    await this.#write(name, content);
  }

  /**
   * Writes a large blob, going on where an earlier run was cut off; false when somebody else is at it. It appears under its
   * name only once it is whole.
   */
  async continueBlob(blob: Descriptor, content: PartialContent): Promise<boolean> {
    const name = blobPath(blob.digest);
    try {
      this.#folder.makeFolders(name);
      await using partial = await PartialFile.open(this.#folder, PARTIAL_PREFIX + hexOf(blob.digest));
      if (!partial) return false;
      await partial.complete(content, async (reader, sizeBytes) => {
        let buffer = new Uint8Array(PIECE_BYTES);
        let left = sizeBytes;
        for (let piece = await reader.read(buffer); piece.byteLength > 0; piece = await reader.read(buffer)) {
          await partial.write(piece);
          left -= piece.byteLength;
          buffer = piece.buffer.byteLength === PIECE_BYTES ? new Uint8Array(piece.buffer) : new Uint8Array(PIECE_BYTES);
        }
        if (left !== 0) throw new ImageError("digest-mismatch", `Cannot write blob "${blob.digest}": wrong length`);
      });
      partial.moveTo(name);
      await syncFolder(this.#folder.pathOf(name.slice(0, name.lastIndexOf("/"))));
      return true;
    } catch (cause) {
      throw this.#error(cause);
    }
  }

  /**
   * Adds a root to `index.json` under its names, in place of what had them, in one step; all other entries stay as they
   * are. Writers of one layout on this machine wait for each other.
   */
  async publish(root: Manifest, names: readonly LayoutName[], loose: readonly Descriptor[] = []): Promise<void> {
    using lock = await this.#lock();
    try {
      await this.#publish(root, names, loose);
    } catch (cause) {
      throw this.#error(cause);
    } finally {
      await unlockFile(lock);
    }
  }

  /** What is locked to publish; opened anew where somebody put another one in its place while we waited. */
  async #lock(): Promise<Deno.FsFile> {
    while (true) {
      const file = await this.#openLock();
      try {
        await file.lock(true);
        if (this.#folder.isAt(this.#lockName, await file.stat())) return file;
      } catch (cause) {
        file.close();
        throw this.#error(cause);
      }
      file.close();
    }
  }

  /** One of somebody else's, which may be read only, can be locked all the same. */
  async #openLock(): Promise<Deno.FsFile> {
    try {
      return this.#folder.openForWriting(this.#lockName);
    } catch (cause) {
      const isOthers = systemCode(cause) === "EACCES" && this.#folder.look(this.#lockName)?.isFile;
      if (!isOthers) throw this.#error(cause);
      return await Deno.open(this.#folder.pathOf(this.#lockName));
    }
  }

  async #publish(root: Manifest, names: readonly LayoutName[], loose: readonly Descriptor[]): Promise<void> {
    const what = `"index.json" of "${this.#path}"`;
    const before = await this.#read("index.json", MAX_INDEX_BYTES);
    const document = before ? parseJsonObject(before, what) : undefined;
    const entries = document ? new Members(document, what).array("manifests") ?? [] : [];
    const added = [...layoutEntries(root.descriptor, names), ...loose.flatMap((each) => layoutEntries(each, []))];
    const kept = entries.filter((entry) => !added.some((own) => replaces(own, entry)));
    const manifests = [...kept, ...added];
    const bytes = document ? jsonBytes({ ...document, manifests }) : layoutIndex(manifests);
    // The folders on the way to the blobs may be new.
    for (const folder of [`${this.#path}/blobs`, this.#path, `${this.#path}/..`]) await syncFolder(folder);
    await this.#write("index.json", bytesReader(bytes));
  }

  async #write(name: string, content: BlobReader): Promise<void> {
    await using output = openFileOutput(this.#folder, name);
    await output.writeAll(content);
    await output.commit();
  }

  async #read(name: string, maxBytes: number): Promise<Uint8Array | undefined> {
    using file = await this.#folder.open(name).catch((cause) => {
      throw readError(cause, this.#folder.pathOf(name));
    });
    return file && await readAll(fileReader(file), maxBytes, `"${name}" of "${this.#path}"`);
  }

  #error(cause: unknown): unknown {
    return writeError(cause, `image layout "${this.#path}"`);
  }
}

/** Whether a new entry takes an old one's place: the same name, or both without one for the same digest. */
function replaces(
  added: { readonly digest: string; readonly annotations?: Readonly<Record<string, string>> },
  entry: unknown,
): boolean {
  if (!isObject(entry)) return false;
  const annotations = isObject(entry["annotations"]) ? entry["annotations"] : {};
  const name = annotations[CONTAINERD_NAME] ?? annotations[REF_NAME];
  const ownName = added.annotations?.[CONTAINERD_NAME] ?? added.annotations?.[REF_NAME];
  if (typeof name === "string" && ownName !== undefined) {
    // A word alone is a tag, and not the image of that name.
    return name === ownName || (/[/:]/.test(name) && /[/:]/.test(ownName) && isSameName(name, ownName));
  }
  if (name !== undefined || ownName !== undefined) return false;
  return entry["digest"] === added.digest;
}
