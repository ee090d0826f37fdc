import type { StreamCompression } from "./layer_compression.ts";

/** What a compressing thread is asked: one start, then pieces, then the end; it answers all but the start. */
export type CompressRequest =
  | { readonly kind: "start"; readonly sizeBytes: number; readonly options: StreamCompression }
  | { readonly kind: "bytes"; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: "end" };

/** What it answers: that it is there, and to each piece and to the end what came out since. */
export type CompressAnswer =
  | { readonly kind: "ready" }
  | {
    readonly kind: "bytes";
    readonly pieces: readonly Uint8Array[];
    /** The buffer of the piece, given back to be filled again. */
    readonly spent?: ArrayBuffer | undefined;
  }
  | { readonly kind: "error"; readonly message: string };
