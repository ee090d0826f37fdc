import { ImageError } from "../errors.ts";
import { noRegularFile, type RegularFile } from "../bytes/regular_file.ts";
import { openFileToRead } from "./archive_files.ts";
import type { SeekableFile } from "./random_file.ts";

/** One of the files. */
interface JoinedPart {
  readonly path: string;
  /** Where it starts in the whole. */
  readonly start: number;
  readonly sizeBytes: number;
}

/** Files open at once: a bundle may have more parts than a process may have open files. */
const MAX_OPEN = 8;

/** Several files that are read as if they were one. */
export class JoinedFile implements SeekableFile {
  readonly parts: readonly JoinedPart[];
  readonly sizeBytes: number;
  /** The open ones, the one used last at the end. */
  readonly #open = new Map<JoinedPart, RegularFile>();
  #position = 0;

  private constructor(parts: readonly JoinedPart[]) {
    this.parts = parts;
    this.sizeBytes = parts.reduce((sum, part) => sum + part.sizeBytes, 0);
  }

  /** Looks at the files, in their order; opens none yet. Throws `unsupported` for one that is no regular file. */
  static async open(paths: readonly string[]): Promise<JoinedFile> {
    const parts: JoinedPart[] = [];
    let start = 0;
    for (const path of paths) {
      const { isFile, size } = await Deno.stat(path);
      if (!isFile) throw new ImageError("unsupported", `Cannot read "${path}": a part must be a regular file`);
      parts.push({ path, start, sizeBytes: size });
      start += size;
    }
    return new JoinedFile(parts);
  }

  seek(offset: number): Promise<number> {
    this.#position = offset;
    return Promise.resolve(offset);
  }

  async read(into: Uint8Array): Promise<number | null> {
    const part = this.parts.find(({ start, sizeBytes }) => this.#position < start + sizeBytes);
    if (!part || into.byteLength === 0) return null;
    const file = await this.#file(part);
    const inside = this.#position - part.start;
    await file.seek(inside);
    const count = await file.read(into.subarray(0, Math.min(into.byteLength, part.sizeBytes - inside)));
    this.#position += count ?? 0;
    return count;
  }

  close(): void {
    for (const file of this.#open.values()) file.close();
    this.#open.clear();
  }

  async #file(part: JoinedPart): Promise<RegularFile> {
    const file = this.#open.get(part) ?? await openFileToRead(part.path);
    if (!file) throw noRegularFile(part.path);
    this.#open.delete(part);
    this.#open.set(part, file);
    const [oldest] = this.#open;
    if (this.#open.size > MAX_OPEN && oldest) {
      this.#open.delete(oldest[0]);
      oldest[1].close();
    }
    return file;
  }
}
