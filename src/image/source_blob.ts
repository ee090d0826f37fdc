import { type BlobReader, type ByteRange, bytesReader } from "../bytes/blob_reader.ts";
import { type ClosedRange, readAhead } from "../bytes/read_ahead.ts";
import type { SharedBuffers } from "../bytes/shared_buffers.ts";
import { type Descriptor, embeddedBytes } from "../oci/descriptor.ts";
import { algorithmOf, type Digest, Hasher } from "../oci/digest.ts";
import { ImageError } from "../errors.ts";
import type { BlobContent, HeldPrefix, ImageSource, RawLayer } from "./places.ts";
import { type ResumeOptions, resumingReader } from "./resuming_reader.ts";
import { type Progress, verifiedReader } from "../bytes/verified_reader.ts";

/** Bytes between two remembered states of the hash, so that a reader can start again without reading all from the start. */
const SNAPSHOT_BYTES = 8 * 1024 * 1024;

/** How many states are kept: the newest ones, and the start. */
const MAX_SNAPSHOTS = 64;

/** What to tell of a blob while it is read. */
export interface SourceBlobOptions extends ResumeOptions {
  /** Told of bytes that got to the target; see the events of `copyImage`. */
  readonly onBytes?: ((count: number, isHeld?: boolean) => void) | undefined;
  /** Told of bytes that were read, where the target tells what it has taken. */
  readonly onRead?: ((count: number) => void) | undefined;
  /** Where ranges that are read at once are held. Without, the blob is read as one stream. */
  readonly ranges?: SharedBuffers | undefined;
  /** What the blob is called in errors; by default its digest. */
  readonly label?: string | undefined;
}

/** A blob of a source, read with every protection there is: resumed where it breaks, counted, hashed, held back at the end. */
export class SourceBlob implements BlobContent {
  readonly blob: Descriptor;
  readonly #source: ImageSource;
  readonly #options: SourceBlobOptions;
  readonly #snapshots: Progress[];
  readonly #arrival: Arrival;

  /** Names the blob; nothing is opened yet. */
  constructor(source: ImageSource, blob: Descriptor, options: SourceBlobOptions = {}) {
    this.#source = source;
    this.blob = blob;
    this.#options = options;
    this.#arrival = new Arrival(options);
    this.#snapshots = [{ position: 0, hasher: new Hasher(algorithmOf(blob.digest)) }];
  }

  /** See {@linkcode BlobContent.open}. */
  async open(offset = 0, held?: HeldPrefix): Promise<BlobReader> {
    const { blob } = this;
    const what = this.#options.label ?? `blob "${blob.digest}" of "${this.#source.name}"`;
    const start = this.#snapshots[0]!;
    const from = held ? start : this.#snapshots.findLast((snapshot) => snapshot.position <= offset) ?? start;
    if (blob.size === 0 && from.hasher.digest() !== blob.digest) {
      throw new ImageError("digest-mismatch", `Cannot use ${what}: a blob of no bytes cannot have this digest`);
    }
    // Bytes up to the offset are told already, or held; what comes before it only feeds the hash.
    this.#arrival.begin(offset, { skippedBytes: held ? 0 : offset - from.position, isHeld: held !== undefined });
    const inner = held ? joined(held, () => this.#openAt(held.sizeBytes)) : this.#openAt(from.position);
    // States of a hash that may be of wrong bytes are not kept.
    const onProgress = (progress: Progress) => held || this.#remember(progress);
    const reader = verifiedReader(inner, blob, what, { from, onProgress });
    await skip(reader, offset - from.position);
    return reader;
  }

  /** See {@linkcode BlobContent.countSent}. */
  countSent(): (count: number, isHeld?: boolean) => void {
    this.#arrival.isSent();
    return (count, isHeld) => this.#options.onBytes?.(count, isHeld);
  }

  /** See {@linkcode BlobContent.openRaw}. What is read is told in shares of the stored blob's size. */
  async openRaw(diffId: Digest): Promise<RawLayer | undefined> {
    const raw = await this.#source.openRawLayer?.(this.blob, diffId, this.#options.signal);
    if (!raw) return undefined;
    this.#arrival.begin(0);
    return { ...raw, content: scaled(raw, this.blob.size, (count) => this.#arrival.add(count)) };
  }

  #openAt(start: number): BlobReader {
    const embedded = embeddedBytes(this.blob);
    if (embedded) return this.#arrival.counted(bytesReader(embedded.subarray(start)));
    const { size } = this.blob;
    const { ranges } = this.#options;
    if (ranges && size - start > ranges.sizeBytes) {
      return this.#inRanges(start, ranges);
    }
    return this.#resuming({ start, length: size - start, isWhole: start === 0 });
  }

  /** Reads several ranges at once; where the source turns out to give none, all that is still to come as one stream. */
  #inRanges(start: number, buffers: SharedBuffers): BlobReader {
    const { blob } = this;
    const noRanges = new ImageError("unsupported", `Cannot read ranges of blob "${blob.digest}": it comes whole`);
    const openPart = async (part: ByteRange = { start: 0 }) => {
      if (!this.#source.openRange) return await this.#source.openBlob(blob, part);
      const reader = await this.#source.openRange(blob, part);
      if (!reader) throw noRanges;
      return reader;
    };
    const open = (range: ClosedRange) =>
      Promise.resolve(this.#arrival.counted(resumingReader(openPart, { ...range, isWhole: false }, this.#options)));
    const rest = (position: number) =>
      this.#resuming({ start: position, length: blob.size - position, isWhole: position === 0 });
    let inner = readAhead(open, { start, sizeBytes: blob.size, buffers });
    let position = start;
    const arrival = this.#arrival;
    return {
      async read(into) {
        let piece: Uint8Array<ArrayBuffer>;
        try {
          piece = await inner.read(into);
        } catch (error) {
          if (error !== noRanges) throw error;
          await inner[Symbol.asyncDispose]();
          arrival.begin(position);
          inner = rest(position);
          piece = await inner.read(into);
        }
        position += piece.byteLength;
        return piece;
      },
      [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
    };
  }

  #resuming(range: { start: number; length: number; isWhole: boolean }): BlobReader {
    const open = (part?: ByteRange) => this.#source.openBlob(this.blob, part);
    return this.#arrival.counted(resumingReader(open, range, this.#options));
  }

  #remember(progress: Progress): void {
    const last = this.#snapshots.at(-1)!;
    if (progress.position - last.position < SNAPSHOT_BYTES) return;
    this.#snapshots.push({ position: progress.position, hasher: progress.hasher.copy() });
    if (this.#snapshots.length > MAX_SNAPSHOTS) this.#snapshots.splice(1, 1);
  }
}

/** How much of a blob has been read, in whatever order it came and however often it was begun: each byte counts once. */
class Arrival {
  readonly #tell: Pick<SourceBlobOptions, "onBytes" | "onRead">;
  #readBytes = 0;
  #skippedBytes = 0;
  #isSent = false;

  constructor(tell: Pick<SourceBlobOptions, "onBytes" | "onRead">) {
    this.#tell = tell;
  }

  /** Reading begins anew at a position, behind bytes that come and do not count. */
  begin(position: number, { skippedBytes = 0, isHeld = false } = {}): void {
    this.#skippedBytes = skippedBytes;
    this.#change(position - this.#readBytes, isHeld);
  }

  /** Bytes came. */
  add(count: number): void {
    const skipped = Math.min(this.#skippedBytes, count);
    this.#skippedBytes -= skipped;
    this.#change(count - skipped);
  }

  /** What the target has taken counts from now on. */
  isSent(): void {
    if (this.#isSent) return;
    this.#change(-this.#readBytes);
    this.#isSent = true;
  }

  /** A reader whose bytes count when they come. */
  counted(reader: BlobReader): BlobReader {
    return {
      read: async (into) => {
        const piece = await reader.read(into);
        this.add(piece.byteLength);
        return piece;
      },
      [Symbol.asyncDispose]: () => reader[Symbol.asyncDispose](),
    };
  }

  #change(count: number, isHeld = false): void {
    if (count === 0) return;
    this.#readBytes += count;
    if (this.#isSent) this.#tell.onRead?.(count);
    else this.#tell.onBytes?.(count, isHeld);
  }
}

/** Tells of a raw layer's bytes as if they were the stored ones, which people were told the size of. */
function scaled({ content, sizeBytes }: RawLayer, storedBytes: number, onBytes: (count: number) => void): BlobReader {
  let read = 0;
  let told = 0;
  return {
    async read(into) {
      const piece = await content.read(into);
      read += piece.byteLength;
      const share = Math.floor(storedBytes * Math.min(1, read / Math.max(1, sizeBytes)));
      if (share > told) onBytes(share - told);
      told = share;
      return piece;
    },
    [Symbol.asyncDispose]: () => content[Symbol.asyncDispose](),
  };
}

/** What is held, then the rest. */
function joined(held: HeldPrefix, openRest: () => BlobReader): BlobReader {
  let left = held.sizeBytes;
  let first: BlobReader | undefined;
  let rest: BlobReader | undefined;
  return {
    async read(into) {
      if (left > 0 && into.byteLength > 0) {
        first ??= await held.open();
        const piece = await first.read(into.subarray(0, Math.min(into.byteLength, left)));
        if (piece.byteLength === 0) {
          throw new ImageError("digest-mismatch", `Cannot use what was stored before: it lacks ${left} bytes`);
        }
        left -= piece.byteLength;
        return piece;
      }
      rest ??= openRest();
      return await rest.read(into);
    },
    async [Symbol.asyncDispose]() {
      await first?.[Symbol.asyncDispose]();
      await rest?.[Symbol.asyncDispose]();
    },
  };
}

async function skip(reader: BlobReader, count: number): Promise<void> {
  let buffer = new Uint8Array(Math.min(count, 256 * 1024));
  for (let left = count; left > 0;) {
    const piece = await reader.read(buffer.subarray(0, Math.min(left, buffer.byteLength)));
    if (piece.byteLength === 0) return;
    left -= piece.byteLength;
    buffer = new Uint8Array(piece.buffer);
  }
}
