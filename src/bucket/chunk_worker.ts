/** What a helper thread runs: unpacks chunks and checks them, one after another. Started by `ChunkWorkers` alone. */
import { release } from "../bytes/release.ts";
import { ImageError } from "../errors.ts";
import { decodeChunk } from "./chunk_object.ts";
import type { ChunkAnswer, ChunkJob } from "./chunk_workers.ts";

/** The parts of a worker's global scope that are used here; the project is checked with those of the main thread. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<ChunkJob>) => void) | null;
  postMessage(message: ChunkAnswer, transfer: readonly ArrayBuffer[]): void;
}

const scope = globalThis as unknown as WorkerScope;

scope.onmessage = ({ data }) => {
  try {
    const raw = decodeChunk(data.stored, data.chunk, data.what);
    release(data.stored);
    scope.postMessage({ kind: "raw", raw }, [raw.buffer]);
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    scope.postMessage({ kind: "error", code: error.code, message: error.message, hint: error.hint }, []);
  }
};
scope.postMessage({ kind: "ready" }, []);
