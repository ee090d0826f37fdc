import { ImageError } from "../errors.ts";
import { type BlobReader, bytesReader } from "../bytes/blob_reader.ts";
import { Hasher, hexOf } from "../oci/digest.ts";
import { type ArchiveOutput, openArchiveOutput } from "./archive_output.ts";
import { RandomFile, type SeekableFile } from "./random_file.ts";

/** An archive is cut into at most this many parts: all of them stay open until the last one is written. */
const MAX_PARTS = 500;

/** Smallest part, so that a slip of the unit does not make thousands. */
const MIN_PART_BYTES = 1024 * 1024;

/** The name of a part: `disk.tar.001`, counted from 1. */
export function partPath(path: string, number: number): string {
  return `${path}.${String(number).padStart(3, "0")}`;
}

/** The file that lists the parts and their SHA-256, as `sha256sum` writes and checks it. */
export function checksumsPath(path: string): string {
  return `${path}.sha256`;
}

/**
 * An archive cut into parts of `partBytes` each (the last is shorter) for media that hold no more, with a file of
 * checksums. Put together with `cat`, the parts are the archive. Each part appears once all of it was written, the
 * checksums last.
 *
 * Throws `usage` for parts that are too small or too many.
 */
export function splitOutput(path: string, partBytes: number): ArchiveOutput {
  if (!(partBytes >= MIN_PART_BYTES)) {
    throw new ImageError("usage", `Cannot split "${path}": a part must have ${MIN_PART_BYTES} bytes or more`);
  }
  return new SplitOutput(path, Math.floor(partBytes));
}

class SplitOutput implements ArchiveOutput {
  readonly #path: string;
  readonly #partBytes: number;
  readonly #parts: ArchiveOutput[] = [];
  readonly #sums: string[] = [];

  constructor(path: string, partBytes: number) {
    this.#path = path;
    this.#partBytes = partBytes;
  }

  async writeAll(reader: BlobReader): Promise<void> {
    for (let isEnded = false; !isEnded;) {
      if (this.#parts.length === MAX_PARTS) {
        throw new ImageError("usage", `Cannot split "${this.#path}": it takes more than ${MAX_PARTS} parts`);
      }
      const path = partPath(this.#path, this.#parts.length + 1);
      const output = await openArchiveOutput(path);
      this.#parts.push(output);
      const part = new PartReader(reader, this.#partBytes);
      await output.writeAll(part);
      isEnded = part.isLast;
      this.#sums.push(`${part.hex}  ${path.slice(path.lastIndexOf("/") + 1)}\n`);
    }
  }

  async commit(): Promise<void> {
    for (const part of this.#parts) await part.commit();
    await using sums = await openArchiveOutput(checksumsPath(this.#path));
    await sums.writeAll(bytesReader(new TextEncoder().encode(this.#sums.join(""))));
    await sums.commit();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const part of this.#parts) await part[Symbol.asyncDispose]();
  }
}

/** Ends after one part's length; knows whether the stream goes on. */
class PartReader implements BlobReader {
  readonly #inner: BlobReader;
  readonly #hasher = new Hasher("sha256");
  #left: number;
  isLast = false;

  constructor(inner: BlobReader, partBytes: number) {
    this.#inner = inner;
    this.#left = partBytes;
  }

  get hex(): string {
    return hexOf(this.#hasher.digest());
  }

  async read(into: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
    if (this.#left === 0) return into.subarray(0, 0);
    const piece = await this.#inner.read(into.subarray(0, Math.min(into.byteLength, this.#left)));
    if (piece.byteLength === 0) this.isLast = true;
    this.#left -= piece.byteLength;
    this.#hasher.update(piece);
    return piece;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

/**
 * Opens the parts of a split archive as one file; undefined when there are none. `path` is that of the whole
 * (`disk.tar`) or of its first part.
 *
 * Throws `not-found`, naming every part that the list of checksums has and that is missing.
 */
export async function openParts(path: string): Promise<RandomFile | undefined> {
  const whole = path.replace(/\.001$/, "");
  // A whole file of that name comes first.
  if (path === whole && await sizeOf(whole) !== undefined) return undefined;
  if (await sizeOf(partPath(whole, 1)) === undefined && !await listedParts(whole)) return undefined;
  const wanted = await listedParts(whole);
  const sizes: number[] = [];
  const missing: string[] = [];
  for (let number = 1; number <= (wanted ?? MAX_PARTS); number++) {
    const size = await sizeOf(partPath(whole, number));
    if (size !== undefined) sizes.push(size);
    else if (wanted === undefined) break;
    else missing.push(`"${partPath(whole, number)}"`);
  }
  if (missing.length > 0) {
    throw new ImageError("not-found", `Cannot read archive "${whole}": missing parts: ${missing.join(", ")}`);
  }
  const file = new JoinedFile(sizes.map((size, index) => ({ path: partPath(whole, index + 1), size })));
  return new RandomFile(file, { name: whole, sizeBytes: sizes.reduce((sum, size) => sum + size, 0) });
}

/**
 * Reads all parts and compares them with the list of checksums. Gives the names of those that are not what they were, none
 * where there is no list.
 */
export async function damagedParts(path: string): Promise<readonly string[]> {
  const whole = path.replace(/\.001$/, "");
  const damaged: string[] = [];
  for (const [index, line] of (await checksumLines(whole) ?? []).entries()) {
    const part = partPath(whole, index + 1);
    using file = await Deno.open(part);
    const hasher = new Hasher("sha256");
    const buffer = new Uint8Array(1 << 20);
    for (let count = await file.read(buffer); count; count = await file.read(buffer)) {
      hasher.update(buffer.subarray(0, count));
    }
    if (!line.startsWith(`${hexOf(hasher.digest())} `)) damaged.push(part);
  }
  return damaged;
}

async function listedParts(whole: string): Promise<number | undefined> {
  return (await checksumLines(whole))?.length;
}

async function checksumLines(whole: string): Promise<readonly string[] | undefined> {
  const size = await sizeOf(checksumsPath(whole));
  if (size === undefined || size > 1 << 20) return undefined;
  const lines = (await Deno.readTextFile(checksumsPath(whole))).split("\n").filter((line) => line !== "");
  return lines.length > 0 && lines.length <= MAX_PARTS ? lines : undefined;
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    const info = await Deno.stat(path);
    return info.isFile ? info.size : undefined;
  } catch {
    return undefined;
  }
}

/** Files that are read as if they were one; each is opened when it is first needed. */
class JoinedFile implements SeekableFile {
  readonly #parts: readonly { readonly path: string; readonly size: number }[];
  readonly #open = new Map<string, Deno.FsFile>();
  #position = 0;

  constructor(parts: readonly { readonly path: string; readonly size: number }[]) {
    this.#parts = parts;
  }

  seek(position: number): Promise<number> {
    this.#position = position;
    return Promise.resolve(position);
  }

  async read(into: Uint8Array): Promise<number | null> {
    let offset = this.#position;
    for (const { path, size } of this.#parts) {
      if (offset >= size) {
        offset -= size;
        continue;
      }
      let file = this.#open.get(path);
      if (!file) this.#open.set(path, file = await Deno.open(path));
      await file.seek(offset, Deno.SeekMode.Start);
      const count = await file.read(into.subarray(0, size - offset));
      this.#position += count ?? 0;
      return count;
    }
    return null;
  }

  close(): void {
    for (const file of this.#open.values()) file.close();
  }
}
