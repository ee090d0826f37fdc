import type { BlobReader } from "../bytes/blob_reader.ts";

/** A step that takes long before any bytes of an image can move. */
export interface Phase {
  /** `exporting`: a daemon writes an image out; `reading`: an archive comes by a pipe; the others say what becomes of it. */
  readonly kind: "exporting" | "reading" | "unpacking" | "compressing";
  /** What is worked on, as the user knows it. */
  readonly name: string;
  readonly doneBytes: number;
  /** Where that is known. */
  readonly totalBytes?: number;
}

/** Told of a step, again and again while it goes on. */
export type OnPhase = (phase: Phase) => void;

/** Tells of a step by the bytes that it reads. */
export function phaseReader(
  source: BlobReader,
  phase: Omit<Phase, "doneBytes">,
  onPhase: OnPhase | undefined,
): BlobReader {
  if (!onPhase) return source;
  let doneBytes = 0;
  onPhase({ ...phase, doneBytes });
  return {
    async read(into) {
      const piece = await source.read(into);
      doneBytes += piece.byteLength;
      onPhase({ ...phase, doneBytes });
      return piece;
    },
    [Symbol.asyncDispose]: () => source[Symbol.asyncDispose](),
  };
}
