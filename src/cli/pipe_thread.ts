import { isThreadModule } from "../bytes/thread_module.ts";

/** What the thread answers: that it is there or has written everything, or why it could not. */
export type PipeAnswer = { readonly kind: "done" } | {
  readonly kind: "error";
  readonly name: string;
  readonly code: string | undefined;
  readonly message: string;
};

/** Writes to stdout from a thread of its own, which may wait for a slow reader as long as it takes. */
export class PipeThread {
  readonly #worker: Worker;
  #answer = Promise.withResolvers<PipeAnswer>();

  private constructor(worker: Worker) {
    this.#worker = worker;
    worker.onmessage = (event: MessageEvent<PipeAnswer>) => this.#answer.resolve(event.data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.#answer.resolve({ kind: "error", name: "Error", code: undefined, message: event.message });
    };
  }

  /** Starts the thread; undefined where none can be started. */
  static async start(): Promise<PipeThread | undefined> {
    const module = new URL("./pipe_worker.ts", import.meta.url);
    if (!await isThreadModule(module)) return undefined;
    const thread = new PipeThread(new Worker(module, { type: "module" }));
    const { kind } = await thread.#answer.promise;
    if (kind === "done") return thread;
    thread.#worker.terminate();
    return undefined;
  }

  /** Writes all of it, one call after the other, and gives its length. Throws as stdout does. */
  async write(bytes: Uint8Array): Promise<number> {
    this.#answer = Promise.withResolvers();
    this.#worker.postMessage(bytes.slice());
    const answer = await this.#answer.promise;
    if (answer.kind === "done") return bytes.byteLength;
    const Known = (Deno.errors as unknown as Record<string, ErrorConstructor | undefined>)[answer.name] ?? Error;
    throw Object.assign(new Known(answer.message), answer.code === undefined ? {} : { code: answer.code });
  }
}
