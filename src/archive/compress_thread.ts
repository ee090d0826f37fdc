import { ImageError } from "../errors.ts";
import { type BlobReader, fill } from "../bytes/blob_reader.ts";
import { isThreadModule } from "../bytes/thread_module.ts";
import type { CompressAnswer, CompressRequest } from "./compress_messages.ts";
import { compressReader, PIECE_BYTES, type StreamCompression } from "./layer_compression.ts";

/** Pieces on their way to the thread: it works on one while the next is read and hashed here. */
const PIECES_AHEAD = 3;

/** Below this a thread costs more than it saves. */
const MIN_BYTES = 4 * 1024 * 1024;

/**
 * The same bytes as those of `compressReader`, made on another core: the runtime's own compressors work on the thread that
 * calls them, also where they are called asynchronously. Where no thread can be started the work is done here.
 */
export async function threadedCompressReader(
  source: BlobReader,
  sizeBytes: number,
  options: StreamCompression,
): Promise<BlobReader> {
  const thread = sizeBytes < MIN_BYTES ? undefined : await CompressThread.start();
  if (!thread) return compressReader(source, sizeBytes, options);
  return new ThreadedReader(thread, source, sizeBytes, options);
}

/** A thread and the answers that it owes, in order. */
class CompressThread {
  readonly #worker: Worker;
  readonly #owed: PromiseWithResolvers<CompressAnswer>[] = [];
  /** Why it answers nothing any more. */
  #failure: string | undefined;

  constructor(worker: Worker) {
    this.#worker = worker;
    worker.onmessage = (event: MessageEvent<CompressAnswer>) => this.#owed.shift()?.resolve(event.data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.#fail(event.message);
    };
  }

  /** Starts a thread; undefined when that is not possible. */
  static async start(): Promise<CompressThread | undefined> {
    const module = new URL("./compress_worker.ts", import.meta.url);
    if (!await isThreadModule(module)) return undefined;
    const thread = new CompressThread(new Worker(module, { type: "module" }));
    const { kind } = await thread.#answer();
    if (kind === "ready") return thread;
    thread.end();
    return undefined;
  }

  begin(sizeBytes: number, options: StreamCompression): void {
    this.#post({ kind: "start", sizeBytes, options });
  }

  ask(bytes: Uint8Array<ArrayBuffer> | undefined): Promise<CompressAnswer> {
    const answer = this.#answer();
    if (bytes) this.#post({ kind: "bytes", bytes }, [bytes.buffer]);
    else this.#post({ kind: "end" });
    return answer;
  }

  end(): void {
    this.#worker.terminate();
    this.#fail("it was stopped");
  }

  #answer(): Promise<CompressAnswer> {
    if (this.#failure !== undefined) return Promise.resolve({ kind: "error", message: this.#failure });
    const answer = Promise.withResolvers<CompressAnswer>();
    this.#owed.push(answer);
    return answer.promise;
  }

  #post(request: CompressRequest, transfer: Transferable[] = []): void {
    this.#worker.postMessage(request, transfer);
  }

  #fail(message: string): void {
    this.#failure ??= message;
    for (const owed of this.#owed.splice(0)) owed.resolve({ kind: "error", message });
  }
}

class ThreadedReader implements BlobReader {
  readonly #thread: CompressThread;
  readonly #source: BlobReader;
  readonly #answers: Promise<CompressAnswer>[] = [];
  readonly #pieces: Uint8Array[] = [];
  /** Buffers that went to the thread and came back: fresh ones would pile up until garbage is collected. */
  readonly #spent: ArrayBuffer[] = [];
  #isSourceEnded = false;

  constructor(thread: CompressThread, source: BlobReader, sizeBytes: number, options: StreamCompression) {
    this.#thread = thread;
    this.#source = source;
    thread.begin(sizeBytes, options);
  }

  async read(into: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
    while (this.#pieces.length === 0 && into.byteLength > 0) {
      await this.#feed();
      const answer = await this.#answers.shift();
      if (!answer) return into.subarray(0, 0);
      if (answer.kind !== "bytes") throw new ImageError("unavailable", `Cannot compress a layer: ${reasonOf(answer)}`);
      if (answer.spent) this.#spent.push(answer.spent);
      this.#pieces.push(...answer.pieces.filter((piece) => piece.byteLength > 0));
    }
    const [piece] = this.#pieces;
    if (!piece) return into.subarray(0, 0);
    const count = Math.min(piece.byteLength, into.byteLength);
    into.set(piece.subarray(0, count));
    if (count === piece.byteLength) this.#pieces.shift();
    else this.#pieces[0] = piece.subarray(count);
    return into.subarray(0, count);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#thread.end();
    await this.#source[Symbol.asyncDispose]();
  }

  /** Keeps the thread busy. */
  async #feed(): Promise<void> {
    while (this.#answers.length < PIECES_AHEAD && !this.#isSourceEnded) {
      const { bytes, ended } = await fill(
        this.#source,
        new Uint8Array(this.#spent.pop() ?? new ArrayBuffer(PIECE_BYTES)),
      );
      if (bytes.byteLength > 0) this.#answers.push(this.#thread.ask(bytes));
      if (!ended) continue;
      this.#isSourceEnded = true;
      this.#answers.push(this.#thread.ask(undefined));
    }
  }
}

function reasonOf(answer: CompressAnswer): string {
  return answer.kind === "error" ? answer.message : "its helper thread has lost its place";
}
