import { ImageError } from "../errors.ts";

/**
 * A stream of bytes that the consumer pulls into buffers of its own, so that a part is filled in place and nothing queues
 * up. Whoever opens one closes it (`await using`); closing early cancels what lies underneath.
 */
export interface BlobReader extends AsyncDisposable {
  /**
   * Reads up to `into.byteLength` bytes. Returns a view of what was filled, empty at the end of the stream.
   *
   * The buffer of `into` may be detached by the call: go on with the buffer of the returned view.
   */
  read(into: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>>;
}

/** Bytes from `start`, `length` of them; to the end where the length is left out. */
export interface ByteRange {
  readonly start: number;
  readonly length?: number;
}

/** A reader of bytes in memory. */
export function bytesReader(bytes: Uint8Array): BlobReader {
  let position = 0;
  return {
    read(into) {
      const count = Math.min(into.byteLength, bytes.byteLength - position);
      into.set(bytes.subarray(position, position + count));
      position += count;
      return Promise.resolve(into.subarray(0, count));
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/**
 * A reader of a web byte stream, for example the body of a `fetch` response; it reads straight into the consumer's buffer.
 * Closing it early cancels the stream; a read that waits then fails with `aborted`.
 */
export function streamReader(stream: ReadableStream<Uint8Array<ArrayBuffer>>): BlobReader {
  const reader = stream.getReader({ mode: "byob" });
  let ended = false;
  return {
    async read(into) {
      if (ended || into.byteLength === 0) return into.subarray(0, 0);
      const { done, value } = await reader.read(into);
      // A cancelled stream takes the buffer with it; that must not look like the end of the bytes.
      if (!value) throw new ImageError("aborted", "Stopped reading: the stream was closed");
      // The last bytes can come together with `done`.
      ended = done;
      return value;
    },
    async [Symbol.asyncDispose]() {
      if (!ended) await reader.cancel().catch(() => {});
      reader.releaseLock();
    },
  };
}

/**
 * A reader of an open file; closing the reader closes the file. Reads on from the file's position, `length` bytes at most.
 */
export function fileReader(
  file: Pick<Deno.FsFile, "read" | "close">,
  length = Number.MAX_SAFE_INTEGER,
): BlobReader {
  let left = length;
  let closed = false;
  return {
    async read(into) {
      const wanted = into.subarray(0, Math.min(into.byteLength, left));
      const count = wanted.byteLength === 0 ? 0 : await file.read(wanted) ?? 0;
      left -= count;
      return wanted.subarray(0, count);
    },
    [Symbol.asyncDispose]() {
      if (!closed) file.close();
      closed = true;
      return Promise.resolve();
    },
  };
}

/** What {@linkcode fill} gives. */
export interface Filled {
  /** A view of the bytes read, from the start of its buffer. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Whether the stream ended before the buffer was full. */
  readonly ended: boolean;
}

/**
 * Reads until `into` is full or the stream ends. `into` must begin its buffer, which is lost when reading fails; go on with
 * the buffer of what is returned.
 */
export async function fill(reader: BlobReader, into: Uint8Array<ArrayBuffer>): Promise<Filled> {
  // A read may detach the buffer, and then the view says nothing any more.
  const wantedBytes = into.byteLength;
  let { buffer } = into;
  const bufferBytes = buffer.byteLength;
  let filled = 0;
  while (filled < wantedBytes) {
    const read = await reader.read(new Uint8Array(buffer, filled, wantedBytes - filled));
    // At the end a reader may hand back an empty view of something else.
    if (read.byteLength > 0 || read.buffer.byteLength === bufferBytes) buffer = read.buffer;
    if (read.byteLength === 0) return { bytes: new Uint8Array(buffer, 0, filled), ended: true };
    filled += read.byteLength;
  }
  return { bytes: new Uint8Array(buffer, 0, filled), ended: false };
}

/**
 * Reads a whole small stream into memory.
 *
 * `what` names it in errors. Throws `invalid-input` when it holds more than `maxBytes`.
 */
export async function readAll(reader: BlobReader, maxBytes: number, what: string): Promise<Uint8Array<ArrayBuffer>> {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let total = 0;
  while (true) {
    const piece = await reader.read(new Uint8Array(Math.min(64 * 1024, maxBytes - total + 1)));
    if (piece.byteLength === 0) break;
    total += piece.byteLength;
    if (total > maxBytes) {
      throw new ImageError("invalid-input", `Cannot read ${what}: it has more than ${maxBytes} bytes`);
    }
    pieces.push(piece);
  }
  if (pieces.length === 1 && pieces[0]) return pieces[0];
  const bytes = new Uint8Array(total);
  let position = 0;
  for (const piece of pieces) {
    bytes.set(piece, position);
    position += piece.byteLength;
  }
  return bytes;
}

/** Reads a stream to its end, where it checks itself if it is a checked one, and gives its length. Does not close it. */
export async function countBytes(reader: BlobReader, signal?: AbortSignal): Promise<number> {
  let count = 0;
  let buffer = new Uint8Array(1024 * 1024);
  while (true) {
    signal?.throwIfAborted();
    const piece = await reader.read(buffer);
    if (piece.byteLength === 0) return count;
    count += piece.byteLength;
    buffer = new Uint8Array(piece.buffer);
  }
}

/**
 * The bytes of a reader as a web stream, for APIs that ask for one. The reader is closed when it ended or failed, and when
 * the stream is cancelled.
 */
export function toStream(reader: BlobReader, chunkBytes = 256 * 1024): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    async pull(controller) {
      try {
        const piece = await reader.read(new Uint8Array(chunkBytes));
        if (piece.byteLength > 0) return controller.enqueue(piece);
      } catch (error) {
        await reader[Symbol.asyncDispose]();
        throw error;
      }
      await reader[Symbol.asyncDispose]();
      controller.close();
    },
    cancel: () => reader[Symbol.asyncDispose](),
  }, { highWaterMark: 0 });
}
