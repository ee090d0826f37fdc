/** What a pipe takes whole or not at all, on an operating system as `Deno.build.os` names it. Spec: POSIX, PIPE_BUF. */
export function pipeBytes(os: string): number {
  return os === "linux" ? 4096 : 512;
}

const PIPE_BYTES = pipeBytes(Deno.build.os);

/** Size of the buffer that the runtime has before stdout, for what comes after the last line break of a write. */
const LINE_BUFFER_BYTES = 1024;

const LINE_BREAK = 10;

/** The longest beginning that is taken whole or not at all. */
export function wholePiece(bytes: Uint8Array, isTerminal: boolean): Uint8Array {
  if (isTerminal) {
    // It may take a part of anything but a single byte.
    const end = bytes.subarray(0, LINE_BUFFER_BYTES - 1).indexOf(LINE_BREAK);
    return bytes.subarray(0, end < 0 ? LINE_BUFFER_BYTES - 1 : Math.max(end, 1));
  }
  const piece = bytes.subarray(0, PIPE_BYTES);
  return piece.subarray(0, piece.lastIndexOf(LINE_BREAK) + 1 || piece.byteLength);
}

/**
 * Whether the runtime holds the piece back where it cannot write it at once: then it has taken it for certain, and only whether
 * it is out is not.
 */
export function isHeldBack(piece: Uint8Array): boolean {
  return piece.byteLength < LINE_BUFFER_BYTES && !piece.includes(LINE_BREAK);
}
