import { redact } from "../http/redact.ts";
import { ImageError, messageOf } from "../errors.ts";
import { sleep } from "../bytes/retry.ts";
import { isHeldBack, wholePiece } from "./pipe_pieces.ts";
import { PipeThread } from "./pipe_thread.ts";

/** A stream of the process, as far as writing goes. */
export interface StandardStream {
  write(bytes: Uint8Array): Promise<number>;
  writeSync(bytes: Uint8Array): number;
  isTerminal(): boolean;
}

/** Longest wait between two tries on a pipe that is not ready and would not wait by itself. */
const MAX_WAIT_MS = 50;

/** So much at once is an archive: its many small pieces are written by a thread, for a third of the work. */
const THREAD_BYTES = 64 * 1024;

/** Most text that waits for the reader of stderr; beyond it the oldest is dropped, since the newest says how it ended. */
const MAX_WAITING_BYTES = 1024 * 1024;

/**
 * Standard output, for results and archives. A pipe that somebody else has made non-blocking is waited for as any other; a
 * reader that goes away (`s3lo list … | head`) is no failure of a result.
 */
export class ResultStream {
  readonly #stream: StandardStream;
  #isRead = true;
  #isFile: boolean | undefined;
  #thread: Promise<PipeThread | undefined> | undefined;

  /** Writes to `stream`. */
  constructor(stream: StandardStream) {
    this.#stream = stream;
  }

  /**
   * Writes all of it. False when nobody reads it any more; what is written after that goes nowhere.
   *
   * Throws `unsupported`, saying why, when the stream takes nothing (a full disk).
   */
  async write(content: string | Uint8Array): Promise<boolean> {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    for (let written = 0; this.#isRead && written < bytes.byteLength;) {
      try {
        written += await this.writeSome(bytes.subarray(written));
      } catch (error) {
        if (!(error instanceof Deno.errors.BrokenPipe)) throw await outputError(error);
        this.#isRead = false;
      }
    }
    return this.#isRead;
  }

  /**
   * Writes some of it, at least a byte, and gives its length. Throws as the stream does.
   *
   * Where a pipe is full and does not wait, the runtime says that, and not what it has taken before: lines that went out, and
   * what comes after the last line break, which it holds. So a pipe gets pieces of which it takes all or nothing.
   */
  async writeSome(bytes: Uint8Array): Promise<number> {
    // Asking costs as much as a small command's start, and matters to what is large alone.
    if (bytes.byteLength >= THREAD_BYTES) this.#isFile ??= await isFile();
    if (this.#isFile) return await this.#stream.write(bytes);
    if (bytes.byteLength >= THREAD_BYTES) this.#thread ??= PipeThread.start();
    const thread = await this.#thread;
    if (thread) return await thread.write(bytes);
    const piece = wholePiece(bytes, this.#stream.isTerminal());
    if (!isHeldBack(piece)) return await whenReady(() => this.#stream.write(piece));
    let rest: Uint8Array = piece;
    let tries = 0;
    const taken = await whenReady(() => {
      const next = rest;
      rest = rest.subarray(rest.byteLength);
      tries++;
      return this.#stream.write(next);
    });
    // What took it at once may be a file on a disk that is full now, which has taken a part.
    return tries === 1 ? taken : piece.byteLength;
  }
}

/** Whether stdout is a file, which always waits. */
async function isFile(): Promise<boolean> {
  const { fstatSync } = await import("node:fs");
  try {
    return fstatSync(1).isFile();
  } catch {
    return false;
  }
}

/** Reads or writes once the stream is ready for it, also where somebody has told it not to wait by itself. */
export async function whenReady<T>(step: () => Promise<T>): Promise<T> {
  for (let waitMs = 1;; waitMs = Math.min(2 * waitMs, MAX_WAIT_MS)) {
    try {
      return await step();
    } catch (error) {
      if (!(error instanceof Deno.errors.WouldBlock)) throw error;
      await sleep(waitMs);
    }
  }
}

/**
 * Standard error, for notes, progress and errors. Whatever becomes of its reader or its disk, writing here never throws and
 * never ends the work: nobody is left to be told.
 */
export class NoteStream {
  readonly #stream: StandardStream;
  #waiting: Uint8Array[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Writes to `stream`. */
  constructor(stream: StandardStream) {
    this.#stream = stream;
  }

  /** Whether text still waits for a pipe that is full. */
  get isBehind(): boolean {
    return this.#waiting.length > 0;
  }

  /** Writes the text without the secrets in it, now or once there is room for it. */
  write(text: string): void {
    this.#waiting.push(new TextEncoder().encode(redact(text)));
    this.#drain();
    let waitingBytes = this.#waiting.reduce((sum, bytes) => sum + bytes.byteLength, 0);
    while (waitingBytes > MAX_WAITING_BYTES) waitingBytes -= this.#waiting.shift()!.byteLength;
  }

  /** Waits until everything is written. */
  async flush(): Promise<void> {
    for (let waitMs = 1; this.isBehind; waitMs = Math.min(2 * waitMs, MAX_WAIT_MS)) {
      this.#drain();
      if (this.isBehind) await sleep(waitMs);
    }
    clearTimeout(this.#timer);
  }

  #drain(): void {
    clearTimeout(this.#timer);
    try {
      for (let first = this.#waiting[0]; first; first = this.#waiting[0]) {
        const rest = first.subarray(this.#stream.writeSync(first));
        if (rest.byteLength > 0) this.#waiting[0] = rest;
        else this.#waiting.shift();
      }
    } catch (error) {
      // A full disk may have room again for the next line; a reader that went away costs a failed call and no more.
      if (!(error instanceof Deno.errors.WouldBlock)) this.#waiting = [];
      else this.#timer = setTimeout(() => this.#drain(), MAX_WAIT_MS);
    }
  }
}

/** What it means that a result cannot be written. */
async function outputError(cause: unknown): Promise<unknown> {
  const { writeError } = await import("../archive/archive_output.ts");
  const known = writeError(cause, "the result to standard output");
  if (known instanceof ImageError) return known;
  return new ImageError("unsupported", `Cannot write the result to standard output: ${messageOf(cause)}`, { cause });
}
