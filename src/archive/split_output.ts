import { ImageError } from "../errors.ts";
import { type BlobReader, bytesReader } from "../bytes/blob_reader.ts";
import { type Digest, Hasher } from "../oci/digest.ts";
import { type ArchiveOutput, openArchiveOutput } from "./archive_output.ts";
import { formatPartList, MAX_PARTS, partListPath, partPath, readPartList } from "./part_list.ts";

/** How much is read to see whether there is more. */
const NEXT_BYTES = 64 * 1024;

/** One part that is being written. */
interface Part {
  readonly output: ArchiveOutput;
  readonly path: string;
  hasher: Hasher;
  sizeBytes: number;
}

/**
 * Opens an archive that is cut into parts of `partBytes`: `PATH.001`, `PATH.002` … and `PATH.sha256` with the checksum of
 * each, as `sha256sum -c` reads it. All of them appear when it is committed, the list last.
 *
 * Throws what `openArchiveOutput` throws, `conflict` when a whole archive lies at `path`: a reader could not tell which is
 * meant. Writing throws `unsupported` when more than {@linkcode MAX_PARTS} parts would be needed.
 */
export async function openSplitOutput(path: string, partBytes: number): Promise<SplitOutput> {
  if (await exists(path)) {
    throw new ImageError("conflict", `Cannot write "${path}" in parts: there is a whole file of that name`, {
      hint: "Remove it, or choose another name",
    });
  }
  const output = new SplitOutput(path, partBytes);
  await output.openPart();
  return output;
}

/** See {@linkcode openSplitOutput}. */
export class SplitOutput implements ArchiveOutput {
  readonly #path: string;
  readonly #partBytes: number;
  #parts: Part[] = [];

  /** Opens nothing yet. */
  constructor(path: string, partBytes: number) {
    this.#path = path;
    this.#partBytes = partBytes;
  }

  /** The paths of the parts, in order. */
  get paths(): readonly string[] {
    return this.#parts.filter((part) => part.sizeBytes > 0).map((part) => part.path);
  }

  /** Begins the next part. */
  async openPart(): Promise<Part> {
    if (this.#parts.length >= MAX_PARTS) {
      throw new ImageError("unsupported", `Cannot write "${this.#path}": it would take more than ${MAX_PARTS} parts`, {
        hint: "Pass --split a larger size",
      });
    }
    const path = partPath(this.#path, this.#parts.length + 1);
    const part = { output: await openArchiveOutput(path), path, hasher: new Hasher("sha256"), sizeBytes: 0 };
    this.#parts.push(part);
    return part;
  }

  async writeAll(reader: BlobReader): Promise<void> {
    // A part is begun with its first byte: an archive may end with the last part that there may be.
    for (let next = await this.#readNext(reader, this.#left); next.byteLength > 0;) {
      const part = this.#left > 0 ? this.#parts.at(-1)! : await this.openPart();
      const first = bytesReader(next);
      next = next.subarray(0, 0);
      await part.output.writeAll({
        read: async (into) => {
          const wanted = into.subarray(0, Math.min(this.#partBytes - part.sizeBytes, into.byteLength));
          if (wanted.byteLength === 0) return wanted;
          const begun = await first.read(wanted);
          const piece = begun.byteLength > 0 ? begun : await reader.read(wanted);
          part.hasher.update(piece);
          part.sizeBytes += piece.byteLength;
          return piece;
        },
        [Symbol.asyncDispose]: () => Promise.resolve(),
      });
      next = await this.#readNext(reader, this.#left);
    }
  }

  /** How much the last part may still take. */
  get #left(): number {
    return this.#partBytes - (this.#parts.at(-1)?.sizeBytes ?? this.#partBytes);
  }

  /** Some bytes, no more than the part takes that they are for. */
  async #readNext(reader: BlobReader, left: number): Promise<Uint8Array<ArrayBuffer>> {
    const room = left > 0 ? left : this.#partBytes;
    return await reader.read(new Uint8Array(Math.min(room, NEXT_BYTES)));
  }

  mark(): () => Promise<void> {
    const count = this.#parts.length;
    const last = this.#parts[count - 1]!;
    const { sizeBytes, hasher } = { sizeBytes: last.sizeBytes, hasher: last.hasher.copy() };
    const rollback = last.output.mark?.();
    return async () => {
      for (const part of this.#parts.slice(count)) await part.output[Symbol.asyncDispose]();
      this.#parts = this.#parts.slice(0, count);
      await rollback?.();
      last.sizeBytes = sizeBytes;
      last.hasher = hasher.copy();
    };
  }

  async commit(): Promise<void> {
    const parts = this.#parts.filter((part) => part.sizeBytes > 0);
    const listPath = partListPath(this.#path);
    const before = await readPartList(listPath).catch(() => undefined) ?? [];
    // From here to its end no list vouches for what is there.
    await Deno.remove(listPath).catch(() => {});
    for (const part of parts) await part.output.commit();
    await using list = await openArchiveOutput(listPath);
    await list.writeAll(bytesReader(formatPartList(this.#path, parts.map((part): Digest => part.hasher.digest()))));
    await list.commit();
    // An earlier, larger archive of this name: `cat PATH.*` would join its last parts to ours.
    for (let number = parts.length + 1; number <= before.length; number++) {
      await Deno.remove(partPath(this.#path, number)).catch(() => {});
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const part of this.#parts) await part.output[Symbol.asyncDispose]();
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch {
    return false;
  }
}
