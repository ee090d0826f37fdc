import { clipped, ImageError, isImageError, messageOf } from "../errors.ts";
import { fill } from "../bytes/blob_reader.ts";
import { MAX_LISTED_NAME_CHARS, Total } from "../oci/limits.ts";
import type { RandomFile } from "./random_file.ts";
import { parsePaxRecords, parseTarHeader, TAR_BLOCK_BYTES, type TarHeader, tarPadding } from "./tar_header.ts";

// Why not a library: modern-tar 0.8.6 and tar-stream 3.2.2 read streams well (1 GiB in four entries: 0.8 s and 0.4 s; a
// million entries: 6.9 s and 3.7 s), but all bytes have to pass through them to find the entries. Reading only headers
// takes milliseconds for an archive of any size and gives the offsets that ranges are read from.

/** A regular file in an archive, or a name that stands for one. */
export type TarEntry =
  | { readonly kind: "file"; readonly offset: number; readonly sizeBytes: number }
  | { readonly kind: "link"; readonly target: string };

/** Most files that an archive may hold: with the limit of what their names have together, it bounds the memory of the index. */
const MAX_ENTRIES = 1 << 20;

/** Most bytes of a PAX header or a GNU long name. */
const MAX_EXTENSION_BYTES = 1 << 20;

const MAX_NAME_BYTES = 4096;

const WINDOW_BYTES = 256 * 1024;

/**
 * Finds the files of a tar and where their bytes lie; reads headers only.
 *
 * Names come normalised (no `./`, no doubled or trailing `/`). Links are resolved to names inside of the archive; folders
 * and devices are left out. Throws `invalid-input` when the archive is broken or cut off, when a name or link leads out of
 * it, or when a name stands for two different contents; `unsupported` for sparse files.
 *
 * Spec: POSIX.1-2017, pax; GNU tar manual, "Basic Tar Format" (long names, large sizes).
 */
export async function indexTar(file: RandomFile, signal?: AbortSignal): Promise<ReadonlyMap<string, TarEntry>> {
  const scan = new TarScan(file);
  try {
    while (await scan.step()) signal?.throwIfAborted();
  } catch (cause) {
    if (isImageError(cause) || signal?.aborted) throw cause;
    throw new ImageError("invalid-input", `Cannot read archive "${file.name}": ${messageOf(cause)}`, { cause });
  }
  return scan.entries;
}

/** A file name of an archive in its one spelling. Throws a plain `Error` when it leads out of the archive. */
export function normalizeEntryName(name: string): string {
  if (name.startsWith("/")) throw new Error(`entry ${shown(name)} has an absolute name`);
  return joinEntryName("", name, `entry ${shown(name)}`);
}

/** The name that a path means when it is followed from a folder of the archive. */
function joinEntryName(folder: string, path: string, what: string): string {
  // Nearly all names are in order already.
  if (folder === "" && !/(?:^|\/)(?:\.{0,2})(?:\/|$)/.test(path)) return path;
  const parts = folder === "" ? [] : folder.split("/");
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.pop() === undefined) throw new Error(`${what} leads out of the archive`);
  }
  return parts.join("/");
}

class TarScan {
  readonly entries = new Map<string, TarEntry>();
  readonly #file: RandomFile;
  #position = 0;
  #window = new Uint8Array(0);
  #windowStart = 0;
  /** What extension headers say of the entry that follows. */
  #next: { name?: string; linkName?: string; sizeBytes?: number; isSparse?: boolean } = {};
  readonly #names: Total;

  constructor(file: RandomFile) {
    this.#file = file;
    this.#names = new Total(`Cannot read archive "${file.name}"`, MAX_LISTED_NAME_CHARS, "characters of names");
  }

  /** Reads some headers; false at the end of the archive. */
  async step(): Promise<boolean> {
    // A million entries take their time; without waiting for each it is a third.
    for (let block = this.#blockAtHand(); block; block = this.#blockAtHand()) {
      const header = parseTarHeader(block);
      if (!header || !this.#isPlain(header)) break;
      this.#position += TAR_BLOCK_BYTES;
      const placed = this.#place(header);
      if (placed && !this.#addNew(...placed)) await this.#addAgain(...placed);
    }
    return await this.#stepSlowly();
  }

  /** Whether a header stands for itself: no extension, and none before it. */
  #isPlain(header: TarHeader): boolean {
    return !["x", "g", "L", "K"].includes(header.type) && Object.keys(this.#next).length === 0;
  }

  async #stepSlowly(): Promise<boolean> {
    const block = await this.#block();
    if (!block) {
      if (this.#position === 0) throw new Error("it is empty");
      if (Object.keys(this.#next).length > 0) throw new Error("it is cut off");
      return false;
    }
    const header = parseTarHeader(block);
    this.#position += TAR_BLOCK_BYTES;
    if (!header) {
      const second = await this.#block();
      if (second && parseTarHeader(second)) throw new Error("an empty header stands among its entries");
      return false;
    }
    if (["x", "g", "L", "K"].includes(header.type)) await this.#extension(header);
    else {
      const placed = this.#place(header);
      if (placed && !this.#addNew(...placed)) await this.#addAgain(...placed);
    }
    return true;
  }

  async #extension(header: TarHeader): Promise<void> {
    if (header.sizeBytes > MAX_EXTENSION_BYTES) throw new Error("an extension header is too long");
    this.#checkInside(header.sizeBytes);
    const bytes = await this.#file.readExactly(this.#position, header.sizeBytes);
    this.#position += header.sizeBytes + tarPadding(header.sizeBytes);
    if (header.type === "L" || header.type === "K") {
      const end = bytes.indexOf(0);
      const name = new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
      this.#next[header.type === "L" ? "name" : "linkName"] = name;
      return;
    }
    const records = parsePaxRecords(bytes);
    const size = records.get("size");
    const isSparse = [...records.keys()].some((key) => key.startsWith("GNU.sparse."));
    if (header.type === "g") {
      // A name or size for every entry that follows can only mislead.
      if (isSparse || ["path", "linkpath", "size"].some((key) => records.has(key))) {
        throw new Error("a global PAX header names a path or size");
      }
      return;
    }
    if (size !== undefined && !(/^[0-9]{1,16}$/.test(size) && Number.isSafeInteger(Number(size)))) {
      throw new Error("a PAX header's size is not a number");
    }
    const [name, linkName] = [records.get("path"), records.get("linkpath")];
    this.#next = {
      ...this.#next,
      ...(name === undefined ? {} : { name }),
      ...(linkName === undefined ? {} : { linkName }),
      ...(size === undefined ? {} : { sizeBytes: Number(size) }),
      ...(isSparse ? { isSparse } : {}),
    };
  }

  /** Passes over an entry's data; gives what the entry is, where it is one that counts. */
  #place(header: TarHeader): [name: string, entry: TarEntry] | undefined {
    const { name: rawName, linkName, type } = { ...header, ...this.#next };
    const hasData = !["1", "2", "3", "4", "5", "6"].includes(type);
    const sizeBytes = hasData ? this.#next.sizeBytes ?? header.sizeBytes : 0;
    const isSparse = type === "S" || this.#next.isSparse === true;
    this.#next = {};
    if (rawName.length > MAX_NAME_BYTES || linkName.length > MAX_NAME_BYTES) throw new Error("a name is too long");
    if (isSparse) {
      throw new ImageError(
        "unsupported",
        `Cannot read archive "${this.#file.name}": entry ${shown(rawName)} is a sparse file`,
        { hint: "Write the archive again without tar's --sparse" },
      );
    }
    const name = normalizeEntryName(rawName);
    this.#checkInside(sizeBytes);
    const offset = this.#position;
    this.#position += sizeBytes + tarPadding(sizeBytes);
    if (type === "2") {
      if (linkName.startsWith("/")) throw new Error(`link ${shown(rawName)} leads out of the archive`);
      const folder = name.includes("/") ? name.slice(0, name.lastIndexOf("/")) : "";
      const target = joinEntryName(folder, linkName, `link ${shown(rawName)}`);
      return [name, { kind: "link", target }];
    } else if (type === "1") {
      return [name, { kind: "link", target: normalizeEntryName(linkName) }];
    } else if (type === "0" && !rawName.endsWith("/")) {
      return [name, { kind: "file", offset, sizeBytes }];
    }
  }

  /** Adds a name that is not there yet; false when it is. */
  #addNew(name: string, entry: TarEntry): boolean {
    if (this.entries.has(name)) return false;
    if (this.entries.size >= MAX_ENTRIES) throw new Error(`it holds more than ${MAX_ENTRIES} files`);
    this.#names.add(name.length + (entry.kind === "link" ? entry.target.length : 0));
    this.entries.set(name, entry);
    return true;
  }

  /**
   * Some writers store a shared layer or config twice. The same content is harmless; different contents would make two
   * readers see two images.
   */
  async #addAgain(name: string, entry: TarEntry): Promise<void> {
    const earlier = this.entries.get(name);
    if (earlier && await this.#isSame(earlier, entry)) return;
    throw new Error(`entry ${shown(name)} is there twice, with different content`);
  }

  async #isSame(left: TarEntry, right: TarEntry): Promise<boolean> {
    if (left.kind === "link" || right.kind === "link") {
      return left.kind === "link" && right.kind === "link" && left.target === right.target;
    }
    if (left.sizeBytes !== right.sizeBytes) return false;
    const readers = [left, right].map((entry) => this.#file.reader(entry.offset, entry.sizeBytes));
    while (true) {
      const [first, second] = await Promise.all(readers.map((reader) => fill(reader, new Uint8Array(1 << 18))));
      if (!first || !second || first.bytes.some((byte, index) => byte !== second.bytes[index])) return false;
      if (first.ended) return true;
    }
  }

  #checkInside(sizeBytes: number): void {
    if (sizeBytes > this.#file.sizeBytes - this.#position) throw new Error("it is cut off");
  }

  /** The block at the current position where it is read already. */
  #blockAtHand(): Uint8Array | undefined {
    const start = this.#position - this.#windowStart;
    if (start < 0 || start + TAR_BLOCK_BYTES > this.#window.byteLength) return undefined;
    return this.#window.subarray(start, start + TAR_BLOCK_BYTES);
  }

  /** The block at the current position, read together with what follows; undefined at the end of the file. */
  async #block(): Promise<Uint8Array | undefined> {
    const left = this.#file.sizeBytes - this.#position;
    if (left <= 0) return undefined;
    if (left < TAR_BLOCK_BYTES) throw new Error("it is cut off");
    const block = this.#blockAtHand();
    if (block) return block;
    this.#window = await this.#file.readExactly(this.#position, Math.min(WINDOW_BYTES, left));
    this.#windowStart = this.#position;
    return this.#window.subarray(0, TAR_BLOCK_BYTES);
  }
}

function shown(name: string): string {
  return `"${clipped(name, 100)}"`;
}
