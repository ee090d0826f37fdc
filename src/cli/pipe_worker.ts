/** What a helper thread runs: writes archives to stdout. Started by `PipeThread` alone. */
import { isHeldBack, wholePiece } from "./pipe_pieces.ts";
import type { PipeAnswer } from "./pipe_thread.ts";

/** The parts of a worker's global scope that are used here; the project is checked with those of the main thread. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<Uint8Array>) => void) | null;
  postMessage(answer: PipeAnswer): void;
}

/** Between two tries on a full pipe that does not wait. */
const WAIT_MS = 5;

const scope = globalThis as unknown as WorkerScope;
const never = new Int32Array(new SharedArrayBuffer(4));

scope.onmessage = ({ data }) => {
  try {
    for (let written = 0; written < data.byteLength;) written += writePiece(wholePiece(data.subarray(written), false));
    scope.postMessage({ kind: "done" });
  } catch (error) {
    const { name, message, code } = error as Error & { code?: string };
    scope.postMessage({ kind: "error", name, code, message });
  }
};
scope.postMessage({ kind: "done" });

/** Writes one piece, as `ResultStream` does. */
function writePiece(piece: Uint8Array): number {
  let rest = piece;
  while (true) {
    const next = rest;
    if (isHeldBack(piece)) rest = piece.subarray(piece.byteLength);
    try {
      const count = Deno.stdout.writeSync(next);
      return isHeldBack(piece) ? piece.byteLength : count;
    } catch (error) {
      if (!(error instanceof Deno.errors.WouldBlock)) throw error;
      Atomics.wait(never, 0, 0, WAIT_MS);
    }
  }
}
