/**
 * A fixed number of equal buffers, lent and given back, so that memory stays flat whatever the size of what flows
 * through. A buffer is made on first use.
 */
export class BufferPool {
  readonly #sizeBytes: number;
  readonly #idle: ArrayBuffer[] = [];
  readonly #waiting: ((buffer: ArrayBuffer) => void)[] = [];
  #unmade: number;

  /** `count` buffers of `sizeBytes` each. */
  constructor(count: number, sizeBytes: number) {
    this.#unmade = Math.max(1, count);
    this.#sizeBytes = sizeBytes;
  }

  /** Size of every buffer. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Lends a buffer, waiting in order until one is free. Its content is whatever was left in it. */
  async take(): Promise<Uint8Array<ArrayBuffer>> {
    const idle = this.#idle.pop();
    if (idle) return new Uint8Array(idle);
    if (this.#unmade > 0) {
      this.#unmade--;
      return new Uint8Array(this.#sizeBytes);
    }
    return new Uint8Array(await new Promise<ArrayBuffer>((resolve) => this.#waiting.push(resolve)));
  }

  /** Takes back a buffer (any view of it). One that was lost underneath (detached) is made anew when needed. */
  give(view: Uint8Array<ArrayBuffer>): void {
    const buffer = view.buffer.byteLength === this.#sizeBytes ? view.buffer : undefined;
    const next = this.#waiting.shift();
    if (next) return next(buffer ?? new ArrayBuffer(this.#sizeBytes));
    if (buffer) this.#idle.push(buffer);
    else this.#unmade++;
  }
}
