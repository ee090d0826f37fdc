const MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a50;

/**
 * Finds the end of one zstd frame in bytes that come in pieces, without decompressing.
 *
 * Throws a plain `Error` on bytes that are no frame. Spec: RFC 8878, section 3.1.
 */
export class ZstdFrameScanner {
  /** Bytes to pass over without a look. */
  #pass = 0;
  /** The part of a header that has come so far, and how long it has to be. */
  #header: number[] = [];
  #headerLength = 4;
  #stage: "magic" | "descriptor" | "length" | "block" | "tail" = "magic";
  #hasChecksum = false;
  #isSkippable = false;

  /** Whether the whole frame has been seen. */
  get isComplete(): boolean {
    return this.#stage === "tail" && this.#pass === 0;
  }

  /** Whether this is a frame of foreign data; known once its first four bytes were seen. */
  get isSkippable(): boolean {
    return this.#isSkippable;
  }

  /** Takes the next bytes; returns how many of them belong to the frame. */
  scan(bytes: Uint8Array): number {
    let position = 0;
    while (position < bytes.byteLength && !this.isComplete) {
      if (this.#pass > 0) {
        const count = Math.min(this.#pass, bytes.byteLength - position);
        this.#pass -= count;
        position += count;
        continue;
      }
      this.#header.push(bytes[position++]!);
      if (this.#header.length === this.#headerLength) this.#interpret(this.#header.splice(0));
    }
    return position;
  }

  #interpret(header: readonly number[]): void {
    const value = header.reduceRight((sum, byte) => sum * 256 + byte, 0);
    if (this.#stage === "magic") return this.#interpretMagic(value);
    if (this.#stage === "length") return this.#enter("tail", 0, value);
    if (this.#stage === "descriptor") {
      this.#hasChecksum = (value & 4) !== 0;
      const isSingleSegment = (value & 32) !== 0;
      const contentSizeBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][value >> 6]!;
      const dictionaryBytes = [0, 1, 2, 4][value & 3]!;
      return this.#enter("block", 3, (isSingleSegment ? 0 : 1) + dictionaryBytes + contentSizeBytes);
    }
    const isLast = (value & 1) !== 0;
    const type = (value >> 1) & 3;
    if (type === 3) throw new Error("reserved block type in a zstd frame");
    const length = type === 1 ? 1 : value >> 3;
    if (isLast) this.#enter("tail", 0, length + (this.#hasChecksum ? 4 : 0));
    else this.#enter("block", 3, length);
  }

  #interpretMagic(value: number): void {
    if (value === MAGIC) return this.#enter("descriptor", 1, 0);
    if (value - (value % 16) !== SKIPPABLE_MAGIC) throw new Error("bytes that are no zstd frame");
    this.#isSkippable = true;
    this.#enter("length", 4, 0);
  }

  #enter(stage: "descriptor" | "length" | "block" | "tail", headerLength: number, pass: number): void {
    this.#stage = stage;
    this.#headerLength = headerLength;
    this.#pass = pass;
  }
}
