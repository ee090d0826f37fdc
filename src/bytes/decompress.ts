import { createGunzip, type Gunzip, type ZstdDecompress } from "node:zlib";
import { ImageError, messageOf } from "../errors.ts";
import type { BlobReader } from "./blob_reader.ts";
import { ZstdSplitter } from "./zstd_frames.ts";
import { zstdRuntime } from "./zstd_runtime.ts";

/** How a stream is unpacked. */
export interface DecompressOptions {
  /** Names the stream in errors, for example `layer "sha256:…"`. */
  readonly what: string;
  /** Most bytes that may come out; more throw `invalid-input`. Give it where the size is known: it stops bombs. */
  readonly maxBytes?: number;
}

const INPUT_BYTES = 64 * 1024;

/** What may wait unpacked between two reads: several blocks of zstd. */
const ZSTD_OUTPUT_BYTES = 1024 * 1024;

/** Deflate grows by 1,032 at most, so this much input leaves 16 MiB at worst. */
const GZIP_STEP_BYTES = 16 * 1024;

/** The size of the pieces that the runtime's decoders hand over; their default of 16 KiB costs a third of the speed. */
const PIECE_BYTES = 128 * 1024;

/**
 * A reader of the tar inside a layer's bytes, unpacked as the compression says. Closing it closes the reader underneath.
 *
 * Memory stays bounded whatever the bytes do. Reading throws `invalid-input` when the bytes are not so compressed, end too
 * early, or unpack to more than `maxBytes`. Nothing is hashed: the caller checks the diff id.
 */
export function rawTarReader(
  reader: BlobReader,
  compression: "none" | "gzip" | "zstd",
  options: DecompressOptions,
): BlobReader {
  if (compression === "none") return reader;
  return compression === "gzip" ? gunzipReader(reader, options) : zstdReader(reader, options);
}

/** A reader of what any sequence of zstd frames unpacks to; see {@linkcode rawTarReader}. Spec: RFC 8878. */
export function zstdReader(reader: BlobReader, options: DecompressOptions): BlobReader {
  const splitter = new ZstdSplitter({ what: options.what, maxOutputBytes: ZSTD_OUTPUT_BYTES });
  const { createZstdDecompress } = zstdRuntime(options.what);
  return new Unpacker(reader, createZstdDecompress({ chunkSize: PIECE_BYTES }), options, {
    *steps(bytes) {
      for (const segment of splitter.split(bytes)) yield segment.bytes;
    },
    end: () => splitter.end(),
  });
}

/**
 * A reader of what one or more gzip members unpack to; see {@linkcode rawTarReader}. Zeros may follow, which tapes and
 * writers of whole blocks leave there; anything else behind the last member is refused. Spec: RFC 1952.
 */
export function gunzipReader(reader: BlobReader, options: DecompressOptions): BlobReader {
  return new Unpacker(reader, createGunzip({ chunkSize: PIECE_BYTES }), options, {
    *steps(bytes) {
      for (let at = 0; at < bytes.byteLength; at += GZIP_STEP_BYTES) yield bytes.subarray(at, at + GZIP_STEP_BYTES);
    },
    end: () => {},
    isPadded: true,
  });
}

/** How compressed input is cut so that one step unpacks to a bounded size. */
interface Steps {
  steps(bytes: Uint8Array<ArrayBuffer>): Iterable<Uint8Array<ArrayBuffer>>;
  /** Throws where the input may not end here. */
  end(): void;
  /** Whether zeros may follow the compressed bytes: the decoder stops before them. */
  readonly isPadded?: boolean;
}

/** Feeds a decoder of the runtime one step at a time and only when nothing unpacked is waiting. */
class Unpacker implements BlobReader {
  readonly #reader: BlobReader;
  readonly #decoder: Gunzip | ZstdDecompress;
  readonly #options: DecompressOptions;
  readonly #cutter: Steps;
  readonly #waiting: Uint8Array[] = [];
  #input = new Uint8Array(INPUT_BYTES);
  #steps: Iterator<Uint8Array<ArrayBuffer>> | undefined;
  #ended = false;
  #unpackedBytes = 0;
  #failure: unknown;
  /** Whether the decoder takes no more: at its end, or broken. */
  #hasStopped = false;
  #onStopped: (() => void) | undefined;
  #givenBytes = 0;
  /** Whether the compressed bytes are over, and only padding follows. */
  #isOver = false;

  constructor(reader: BlobReader, decoder: Gunzip | ZstdDecompress, options: DecompressOptions, cutter: Steps) {
    this.#reader = reader;
    this.#decoder = decoder;
    this.#options = options;
    this.#cutter = cutter;
    decoder.on("data", (piece: Uint8Array) => {
      this.#unpackedBytes += piece.byteLength;
      this.#waiting.push(piece);
    });
    decoder.on("error", (error: unknown) => this.#failure ??= error);
    const onStopped = () => {
      this.#hasStopped = true;
      this.#onStopped?.();
    };
    for (const event of ["end", "error", "close"]) decoder.once(event, onStopped);
  }

  async read(into: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
    if (into.byteLength === 0) return into;
    while (this.#waiting.length === 0 && !this.#ended) {
      this.#check();
      await this.#advance();
      this.#check();
    }
    let filled = 0;
    while (filled < into.byteLength) {
      const piece = this.#waiting[0];
      if (!piece) break;
      const count = Math.min(piece.byteLength, into.byteLength - filled);
      into.set(count === piece.byteLength ? piece : piece.subarray(0, count), filled);
      filled += count;
      if (count === piece.byteLength) this.#waiting.shift();
      else this.#waiting[0] = piece.subarray(count);
    }
    return into.subarray(0, filled);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Reading on must not look like the end of the bytes.
    this.#ended = false;
    this.#failure = new ImageError("aborted", "Stopped reading: the reader was closed");
    this.#waiting.length = 0;
    this.#decoder.destroy();
    await this.#reader[Symbol.asyncDispose]();
  }

  /** Unpacks one more step of the input; at its end, what the decoder still holds. */
  async #advance(): Promise<void> {
    const step = this.#steps?.next();
    if (step && !step.done) return await this.#give(step.value);
    const input = await this.#reader.read(this.#input);
    if (input.byteLength > 0) {
      // The decoder has taken in all of the step before, so the buffer is free again once its steps are through.
      this.#input = new Uint8Array(
        input.buffer.byteLength >= INPUT_BYTES ? input.buffer : new ArrayBuffer(INPUT_BYTES),
      );
      this.#steps = this.#cutter.steps(input)[Symbol.iterator]();
      return;
    }
    this.#cutter.end();
    if (!this.#isOver) {
      await this.#untilStopped(() => this.#decoder.end());
    }
    this.#ended = true;
  }

  /** Gives the decoder a step, or where it has come to its end, looks at what follows. */
  async #give(step: Uint8Array<ArrayBuffer>): Promise<void> {
    if (this.#isOver) return this.#checkPadding(step);
    this.#givenBytes += step.byteLength;
    await this.#untilStopped((done) => this.#decoder.write(step, done));
    if (!this.#cutter.isPadded) return;
    // Not counted by older runtimes, which pass over padding themselves.
    const leftBytes = this.#givenBytes - (this.#decoder.bytesWritten ?? this.#givenBytes);
    if (leftBytes <= 0) return;
    // It took less than it got: it has come to its end, or is about to tell what is wrong.
    await this.#untilStopped();
    if (this.#failure !== undefined) return;
    this.#isOver = true;
    this.#checkPadding(step.subarray(step.byteLength - leftBytes));
  }

  /** Waits until the decoder stops, or what is started with it is done. */
  async #untilStopped(start: (done: () => void) => void = () => {}): Promise<void> {
    if (this.#hasStopped) return;
    await new Promise<void>((resolve) => {
      this.#onStopped = resolve;
      start(() => resolve());
    });
  }

  #checkPadding(bytes: Uint8Array): void {
    if (bytes.every((byte) => byte === 0)) return;
    this.#failure ??= new ImageError(
      "invalid-input",
      `Cannot decompress ${this.#options.what}: something else than zeros follows the end of its gzip data`,
    );
  }

  #check(): void {
    const { what, maxBytes } = this.#options;
    if (this.#failure instanceof ImageError) throw this.#failure;
    if (this.#failure !== undefined) {
      const cause = this.#failure;
      throw new ImageError("invalid-input", `Cannot decompress ${what}: ${messageOf(cause)}`, { cause });
    }
    if (maxBytes !== undefined && this.#unpackedBytes > maxBytes) {
      this.#waiting.length = 0;
      throw new ImageError("invalid-input", `Cannot decompress ${what}: it unpacks to more than ${maxBytes} bytes`);
    }
  }
}
