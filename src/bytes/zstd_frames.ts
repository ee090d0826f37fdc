import { ImageError } from "../errors.ts";

/** Largest window that a stream of frames may ask for: what the zstd program takes without being told to. */
export const MAX_WINDOW_BYTES = 128 * 1024 * 1024;

/** No block unpacks to more than this, whatever it says. Spec: RFC 8878, section 3.1.1.2. */
const MAX_BLOCK_BYTES = 128 * 1024;

const FRAME_MAGIC = [0x28, 0xb5, 0x2f, 0xfd] as const;

/** A stretch of compressed bytes that belongs to one frame. */
export interface FrameSegment {
  /** A view of the bytes that were given, in order; skippable frames are left out. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Whether the frame ends with these bytes. */
  readonly endsFrame: boolean;
  /** What the blocks that begin in these bytes can unpack to at most. */
  readonly maxOutputBytes: number;
}

/** How strictly and how finely a {@linkcode ZstdSplitter} works. */
export interface SplitOptions {
  /** Names the stream in errors, for example `layer "sha256:…"`. */
  readonly what: string;
  /** Largest window accepted. Default {@linkcode MAX_WINDOW_BYTES}. */
  readonly maxWindowBytes?: number;
  /** Most that one segment may unpack to, at least one block. Default: no bound, so a frame is cut at the input's ends only. */
  readonly maxOutputBytes?: number;
}

type State = "magic" | "descriptor" | "header" | "block" | "body" | "checksum" | "skip-size" | "skip";

/**
 * Walks over the frames and blocks of a zstd stream without unpacking them, in pieces as they come.
 *
 * The runtime's decoder stops at the end of the first frame without a word, and takes a stream that was cut short for a
 * whole one; a layer of chunks is a sequence of frames, so where they begin and end must be known here.
 *
 * Throws `invalid-input` for anything that is not a sequence of frames, and for windows that are too large.
 * Spec: RFC 8878, section 3.
 */
export class ZstdSplitter {
  readonly #what: string;
  readonly #maxWindowBytes: number;
  readonly #maxBlocks: number;
  readonly #field = new Uint8Array(16);
  #state: State = "magic";
  #wanted = 4;
  #collected = 0;
  #left = 0;
  #descriptor = 0;
  #isLastBlock = false;
  #blocks = 0;

  /** Starts before the first frame. */
  constructor(options: SplitOptions) {
    this.#what = options.what;
    this.#maxWindowBytes = options.maxWindowBytes ?? MAX_WINDOW_BYTES;
    this.#maxBlocks = Math.max(1, Math.floor((options.maxOutputBytes ?? Infinity) / MAX_BLOCK_BYTES));
  }

  /** Whether no frame is open: the stream may end here. */
  get isAtBoundary(): boolean {
    return this.#state === "magic" && this.#collected === 0;
  }

  /** Cuts the next bytes of the stream into segments. */
  *split(bytes: Uint8Array<ArrayBuffer>): Generator<FrameSegment> {
    let from = this.#isForwarding ? 0 : -1;
    let at = 0;
    while (at < bytes.byteLength) {
      const before = this.#state;
      const start = at;
      at += before === "body" || before === "skip" ? this.#pass(bytes.byteLength - at) : this.#collect(bytes, at);
      const isDone = this.#state !== before || this.#collected === 0;
      if (!isDone) break;
      if (before === "magic" && this.#state === "descriptor") {
        // A magic number that began in the bytes before these was not forwarded with them.
        if (at - start < 4) yield { bytes: new Uint8Array(FRAME_MAGIC), endsFrame: false, maxOutputBytes: 0 };
        from = at - start < 4 ? at : start;
      }
      const endsFrame = from >= 0 && this.#state === "magic";
      if (endsFrame || this.#blocks >= this.#maxBlocks) {
        yield { bytes: bytes.subarray(from, at), endsFrame, maxOutputBytes: this.#blocks * MAX_BLOCK_BYTES };
        from = endsFrame ? -1 : at;
        this.#blocks = 0;
      }
    }
    if (from >= 0 && from < at) {
      yield { bytes: bytes.subarray(from, at), endsFrame: false, maxOutputBytes: this.#blocks * MAX_BLOCK_BYTES };
    }
  }

  /** Tells that the stream has ended. Throws `invalid-input` when a frame is not whole. */
  end(): void {
    if (!this.isAtBoundary) throw this.#error("it ends in the middle of a zstd frame");
  }

  get #isForwarding(): boolean {
    return this.#state !== "magic" && this.#state !== "skip-size" && this.#state !== "skip";
  }

  /** Passes over the bytes of a block or a skippable frame; returns how many. */
  #pass(available: number): number {
    const count = Math.min(this.#left, available);
    this.#left -= count;
    if (this.#left > 0) return count;
    if (this.#state === "skip") this.#enter("magic", 4);
    else this.#afterBlock();
    return count;
  }

  /** Collects the bytes of a field and acts on it once it is whole; returns how many were taken. */
  #collect(bytes: Uint8Array<ArrayBuffer>, at: number): number {
    const count = Math.min(this.#wanted - this.#collected, bytes.byteLength - at);
    this.#field.set(bytes.subarray(at, at + count), this.#collected);
    this.#collected += count;
    if (this.#collected === this.#wanted) this.#actOnField();
    return count;
  }

  #enter(state: State, wanted: number): void {
    this.#state = state;
    this.#wanted = wanted;
    this.#collected = 0;
  }

  #actOnField(): void {
    const field = new DataView(this.#field.buffer);
    switch (this.#state) {
      case "magic":
        if (FRAME_MAGIC.every((byte, index) => this.#field[index] === byte)) return this.#enter("descriptor", 1);
        if ((field.getUint32(0, true) & 0xfffffff0) >>> 0 === 0x184d2a50) return this.#enter("skip-size", 4);
        throw this.#error("it is not zstd data");
      case "descriptor":
        return this.#actOnDescriptor(this.#field[0] ?? 0);
      case "header":
        this.#checkWindow(field);
        return this.#enter("block", 3);
      case "block":
        return this.#actOnBlock((this.#field[0] ?? 0) | (this.#field[1] ?? 0) << 8 | (this.#field[2] ?? 0) << 16);
      case "checksum":
        return this.#enter("magic", 4);
      case "skip-size":
        this.#left = field.getUint32(0, true);
        return this.#left > 0 ? this.#enter("skip", 0) : this.#enter("magic", 4);
    }
  }

  #actOnDescriptor(descriptor: number): void {
    this.#descriptor = descriptor;
    if (descriptor & 0x08) throw this.#error("it sets a reserved bit of the zstd format");
    if (descriptor & 0x03) throw this.#error("it needs a zstd dictionary");
    const isSingleSegment = (descriptor & 0x20) !== 0;
    const contentSizeBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0;
    this.#enter("header", contentSizeBytes + (isSingleSegment ? 0 : 1));
  }

  #checkWindow(field: DataView<ArrayBuffer>): void {
    let windowBytes: number;
    if ((this.#descriptor & 0x20) === 0) {
      const base = 2 ** (10 + (field.getUint8(0) >> 3));
      windowBytes = base + base / 8 * (field.getUint8(0) & 7);
    } else {
      const flag = this.#descriptor >> 6;
      if (flag === 0) windowBytes = field.getUint8(0);
      else if (flag === 1) windowBytes = field.getUint16(0, true) + 256;
      else windowBytes = flag === 2 ? field.getUint32(0, true) : Number(field.getBigUint64(0, true));
    }
    if (windowBytes > this.#maxWindowBytes) {
      throw this.#error(`its zstd window of ${windowBytes} bytes is larger than ${this.#maxWindowBytes}`);
    }
  }

  #actOnBlock(header: number): void {
    const type = header >> 1 & 3;
    const sizeBytes = header >> 3;
    if (type === 3 || sizeBytes > MAX_BLOCK_BYTES) throw this.#error("it has a zstd block that breaks the format");
    this.#isLastBlock = (header & 1) === 1;
    this.#left = type === 1 ? 1 : sizeBytes;
    this.#blocks++;
    if (this.#left > 0) this.#enter("body", 0);
    else this.#afterBlock();
  }

  #afterBlock(): void {
    if (!this.#isLastBlock) this.#enter("block", 3);
    else if (this.#descriptor & 0x04) this.#enter("checksum", 4);
    else this.#enter("magic", 4);
  }

  #error(problem: string): ImageError {
    return new ImageError("invalid-input", `Cannot decompress ${this.#what}: ${problem}`);
  }
}
