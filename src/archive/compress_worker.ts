/** What a helper thread runs: compresses one layer. Started by `threadedCompressReader` alone. */
import { messageOf } from "../errors.ts";
import type { CompressAnswer, CompressRequest } from "./compress_messages.ts";
import { StepCompressor } from "./layer_compression.ts";

/** The parts of a worker's global scope that are used here; the project is checked with those of the main thread. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<CompressRequest>) => void) | null;
  postMessage(answer: CompressAnswer, transfer: readonly ArrayBuffer[]): void;
}

const scope = globalThis as unknown as WorkerScope;
let compressor: StepCompressor | undefined;
/** Why there is none; told with the first piece, as the start is not answered. */
let failure: unknown;
let last: Promise<unknown> = Promise.resolve();

scope.onmessage = ({ data }) => {
  if (data.kind === "start") {
    try {
      compressor = new StepCompressor(data.sizeBytes, data.options);
    } catch (error) {
      failure = error;
    }
    return;
  }
  // Pieces come faster than they are worked on.
  last = last.then(async () => {
    if (!compressor) throw failure;
    const pieces = await compressor.step(data.kind === "bytes" ? data.bytes : undefined);
    const spent = data.kind === "bytes" ? data.bytes.buffer : undefined;
    scope.postMessage({ kind: "bytes", pieces, spent }, spent ? [spent] : []);
  }).catch((error) => scope.postMessage({ kind: "error", message: messageOf(error) }, []));
};
scope.postMessage({ kind: "ready" }, []);
