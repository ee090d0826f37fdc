import { ImageError } from "../errors.ts";
import { type BlobReader, type ByteRange, fill } from "./blob_reader.ts";
import type { BufferUser, SharedBuffers } from "./shared_buffers.ts";

/** A range whose length is known. */
export type ClosedRange = Required<ByteRange>;

/** Opens the bytes of one range; the signal ends with the reading, so that a request which still waits can be dropped. */
export type OpenRange = (range: ClosedRange, signal: AbortSignal) => Promise<BlobReader>;

/** What {@linkcode readAhead} reads, and how much at once. */
export interface ReadAheadOptions {
  /** Where reading begins. Default 0. */
  readonly start?: number;
  /** Length of the whole; reading goes from `start` to there. */
  readonly sizeBytes: number;
  /** What ranges are held in: one buffer each, whose size is that of a range. How many there are bounds how many are fetched. */
  readonly buffers: SharedBuffers;
}

/**
 * A reader that fetches several ranges at once and hands their bytes out in order; fetching starts with the first read.
 *
 * A range that fails, or ends early (`unavailable`), fails the read that comes to it and every later one, and no further
 * range is opened. Closing aborts the signal, closes every range and waits until all have ended.
 */
export function readAhead(open: OpenRange, options: ReadAheadOptions): BlobReader {
  return new ReadAhead(open, options);
}

/** One range on its way: its bytes once they are all there. */
type Part = Promise<Uint8Array<ArrayBuffer>>;

class ReadAhead implements BlobReader {
  readonly #open: OpenRange;
  readonly #sizeBytes: number;
  readonly #rangeBytes: number;
  readonly #buffers: BufferUser;
  readonly #parts: Part[] = [];
  readonly #readers = new Set<BlobReader>();
  readonly #running = new Set<Promise<unknown>>();
  readonly #stop = new AbortController();
  #next: number;
  #current: Uint8Array<ArrayBuffer> | undefined;
  #position = 0;
  #failure: { readonly error: unknown } | undefined;

  constructor(open: OpenRange, { start = 0, sizeBytes, buffers }: ReadAheadOptions) {
    this.#open = open;
    this.#next = start;
    this.#sizeBytes = sizeBytes;
    this.#rangeBytes = buffers.sizeBytes;
    this.#buffers = buffers.join(() => this.#fetchMore());
  }

  async read(into: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
    if (this.#stop.signal.aborted) throw closed();
    if (into.byteLength === 0) return into;
    this.#fetchMore();
    const part = this.#current ?? await this.#take();
    if (!part) return into.subarray(0, 0);
    const taken = part.subarray(this.#position, this.#position + into.byteLength);
    into.set(taken);
    this.#position += taken.byteLength;
    if (this.#position === part.byteLength) this.#release(part);
    return into.subarray(0, taken.byteLength);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(closed());
    this.#buffers.leave();
    const readers = [...this.#readers];
    this.#readers.clear();
    await Promise.allSettled(readers.map((reader) => reader[Symbol.asyncDispose]()));
    await Promise.allSettled(this.#running);
    if (this.#current) this.#buffers.give(this.#current);
    this.#current = undefined;
    this.#drop();
  }

  /** The next part in order; undefined when all were taken. */
  async #take(): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const part = this.#parts.shift();
    if (!part && this.#failure) throw this.#failure.error;
    try {
      this.#current = await part;
    } catch (error) {
      this.#failure = { error };
      // What follows the gap must never be handed out.
      this.#drop();
      throw error;
    }
    this.#position = 0;
    if (!this.#current || !this.#stop.signal.aborted) return this.#current;
    this.#buffers.give(this.#current);
    this.#current = undefined;
    throw closed();
  }

  #release(part: Uint8Array<ArrayBuffer>): void {
    this.#current = undefined;
    this.#buffers.give(part);
    this.#fetchMore();
  }

  /** Gives back what was fetched and nobody will read; what failed has done so itself. */
  #drop(): void {
    for (const part of this.#parts.splice(0)) part.then((bytes) => this.#buffers.give(bytes), () => {});
  }

  /** Starts as many further ranges as there are buffers to be had. */
  #fetchMore(): void {
    while (this.#next < this.#sizeBytes && !this.#failure && !this.#stop.signal.aborted) {
      const buffer = this.#buffers.take();
      if (!buffer) return;
      const range = { start: this.#next, length: Math.min(this.#rangeBytes, this.#sizeBytes - this.#next) };
      this.#next += range.length;
      const part = this.#fetch(range, buffer);
      this.#parts.push(part);
      const settled = part.catch((error) => this.#failure ??= { error }).finally(() => this.#running.delete(settled));
      this.#running.add(settled);
    }
  }

  async #fetch(range: ClosedRange, buffer: Uint8Array<ArrayBuffer>): Part {
    try {
      return await this.#fill(range, buffer.subarray(0, range.length));
    } catch (error) {
      this.#buffers.give(buffer);
      throw error;
    }
  }

  async #fill(range: ClosedRange, view: Uint8Array<ArrayBuffer>): Part {
    const reader = await this.#open(range, this.#stop.signal);
    this.#readers.add(reader);
    try {
      this.#stop.signal.throwIfAborted();
      const { bytes } = await fill(reader, view);
      if (bytes.byteLength === range.length) return bytes;
      throw new ImageError(
        "unavailable",
        `Cannot read bytes ${range.start} to ${range.start + range.length - 1}: only ${bytes.byteLength} came`,
      );
    } finally {
      if (this.#readers.delete(reader)) await reader[Symbol.asyncDispose]();
    }
  }
}

function closed(): ImageError {
  return new ImageError("aborted", "Stopped reading: the reader was closed");
}
