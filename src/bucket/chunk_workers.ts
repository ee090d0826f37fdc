import { isThreadModule } from "../bytes/thread_module.ts";
import { type ErrorCode, ImageError } from "../errors.ts";
import { decodeChunk } from "./chunk_object.ts";
import type { RecipeChunk } from "./recipe.ts";

/** What a helper thread is asked to unpack. */
export interface ChunkJob {
  readonly stored: Uint8Array<ArrayBuffer>;
  readonly chunk: RecipeChunk;
  readonly what: string;
}

/** What it answers: that it has started, then one answer to each job. */
export type ChunkAnswer =
  | { readonly kind: "ready" }
  | { readonly kind: "raw"; readonly raw: Uint8Array<ArrayBuffer> }
  | { readonly kind: "error"; readonly code: ErrorCode; readonly message: string; readonly hint?: string | undefined };

/**
 * Unpacks and checks chunks on other cores. The runtime's own decoder works on the thread that calls it, also where it is
 * called asynchronously.
 *
 * Threads start with the first chunk, as many as are busy at once, `count` at most, and end when this is closed. Where none
 * can be started the work is done here. One takes 50 to 80 MiB of memory and pays where cores are idle: on a machine of two
 * that also runs the daemon which takes the layer, unpacking here is as fast.
 */
export class ChunkWorkers implements AsyncDisposable {
  readonly #count: number;
  readonly #idle: HelperThread[] = [];
  readonly #all: HelperThread[] = [];
  readonly #waiting: ((thread: HelperThread) => void)[] = [];
  #isClosed = false;

  /** `count`: how many threads at most. */
  constructor(count: number) {
    this.#count = count;
  }

  /** Unpacks one chunk and checks it; `stored` is lost by that. Throws as {@linkcode decodeChunk} does. */
  async decode(stored: Uint8Array<ArrayBuffer>, chunk: RecipeChunk, what: string): Promise<Uint8Array<ArrayBuffer>> {
    if (this.#isClosed) throw stopped({ stored, chunk, what });
    const thread = await this.#take();
    try {
      return await thread.run({ stored, chunk, what });
    } finally {
      const next = this.#waiting.shift();
      if (next) next(thread);
      else this.#idle.push(thread);
    }
  }

  /** Ends the threads, whatever they are doing. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    for (const thread of this.#all.splice(0)) thread.end();
    this.#idle.length = 0;
    return Promise.resolve();
  }

  async #take(): Promise<HelperThread> {
    const idle = this.#idle.pop();
    if (idle) return idle;
    if (this.#all.length >= Math.max(1, this.#count)) {
      return await new Promise((resolve) => this.#waiting.push(resolve));
    }
    const thread = new HelperThread();
    this.#all.push(thread);
    return thread;
  }
}

/** One thread and the job that it is doing. */
class HelperThread {
  #worker: Worker | undefined;
  #settle: ((answer: ChunkAnswer | undefined) => void) | undefined;
  #isEnded = false;
  readonly #started: Promise<boolean>;

  constructor() {
    this.#started = this.#start();
  }

  async run(job: ChunkJob): Promise<Uint8Array<ArrayBuffer>> {
    if (!await this.#started || !this.#worker) {
      if (this.#isEnded) throw stopped(job);
      return decodeChunk(job.stored, job.chunk, job.what);
    }
    const answered = this.#answer();
    this.#worker.postMessage(job, [job.stored.buffer]);
    const answer = await answered;
    if (answer?.kind === "raw") return answer.raw;
    if (answer?.kind === "error") {
      throw new ImageError(answer.code, answer.message, { hint: answer.hint });
    }
    if (this.#isEnded) throw stopped(job);
    throw new ImageError("unavailable", `Cannot unpack chunk "${job.chunk.digest}" of ${job.what}: its thread failed`);
  }

  end(): void {
    this.#isEnded = true;
    this.#worker?.terminate();
    this.#worker = undefined;
    this.#settle?.(undefined);
  }

  async #start(): Promise<boolean> {
    const module = new URL("./chunk_worker.ts", import.meta.url);
    if (!await isThreadModule(module) || this.#isEnded) return false;
    const answered = this.#answer();
    this.#worker = new Worker(module, { type: "module" });
    this.#worker.onmessage = (event: MessageEvent<ChunkAnswer>) => this.#settle?.(event.data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#worker = undefined;
      this.#settle?.(undefined);
    };
    return (await answered)?.kind === "ready";
  }

  #answer(): Promise<ChunkAnswer | undefined> {
    return new Promise((resolve) => this.#settle = resolve);
  }
}

function stopped(job: ChunkJob): ImageError {
  return new ImageError("aborted", `Stopped unpacking chunk "${job.chunk.digest}" of ${job.what}`);
}
