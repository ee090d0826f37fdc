import { ImageError, messageOf } from "../errors.ts";
import { type FrameSegment, ZstdSplitter } from "./zstd_frames.ts";
import { type ZstdRuntime, zstdRuntime } from "./zstd_runtime.ts";

/** More frames than any writer makes of a chunk; each costs the set-up of a decoder. */
const MAX_FRAMES = 16_384;

/** What is known of a small zstd stream before it is unpacked. */
export interface UnzstdOptions {
  /** Names the bytes in errors, for example `chunk "sha256:…"`. */
  readonly what: string;
  /** How many bytes it must unpack to. Nothing beyond that is ever allocated. */
  readonly sizeBytes: number;
  /** Largest window accepted. */
  readonly maxWindowBytes?: number;
}

/**
 * Unpacks any sequence of zstd frames held in memory, to exactly `sizeBytes`.
 *
 * Throws `invalid-input` when the bytes are no whole frames, `digest-mismatch` when they unpack to another size.
 */
export function unzstd(bytes: Uint8Array<ArrayBuffer>, options: UnzstdOptions): Uint8Array<ArrayBuffer> {
  const { zstdDecompressSync } = zstdRuntime(options.what);
  const splitter = new ZstdSplitter(options);
  let result = new Uint8Array(0);
  let filled = 0;
  let frames = 0;
  for (const segment of splitter.split(bytes)) {
    if (!segment.endsFrame) break;
    if (++frames > MAX_FRAMES) {
      throw new ImageError(
        "invalid-input",
        `Cannot decompress ${options.what}: it has more than ${MAX_FRAMES} zstd frames`,
      );
    }
    const frame = unpackFrame(segment, zstdDecompressSync, options, options.sizeBytes - filled);
    if (filled === 0) {
      result = frame;
    } else {
      if (result.byteLength < options.sizeBytes) result = grown(result, options.sizeBytes);
      result.set(frame, filled);
    }
    filled += frame.byteLength;
  }
  splitter.end();
  if (filled !== options.sizeBytes) {
    throw new ImageError(
      "digest-mismatch",
      `Cannot use ${options.what}: it unpacks to ${filled} bytes, not ${options.sizeBytes}`,
    );
  }
  return result;
}

function grown(bytes: Uint8Array<ArrayBuffer>, sizeBytes: number): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(sizeBytes);
  larger.set(bytes);
  return larger;
}

function unpackFrame(
  frame: FrameSegment,
  zstdDecompressSync: ZstdRuntime["zstdDecompressSync"],
  options: UnzstdOptions,
  leftBytes: number,
): Uint8Array<ArrayBuffer> {
  try {
    // One buffer of the right size from the start: neither growth nor a copy afterwards.
    const chunkSize = Math.max(64, Math.min(leftBytes, frame.maxOutputBytes));
    const unpacked = zstdDecompressSync(frame.bytes, { maxOutputLength: Math.max(1, leftBytes), chunkSize });
    if (unpacked.byteLength <= leftBytes) return plain(unpacked);
  } catch (cause) {
    if ((cause as { code?: unknown }).code !== "ERR_BUFFER_TOO_LARGE") {
      throw new ImageError("invalid-input", `Cannot decompress ${options.what}: ${messageOf(cause)}`, { cause });
    }
  }
  throw new ImageError(
    "digest-mismatch",
    `Cannot use ${options.what}: it unpacks to more than ${options.sizeBytes} bytes`,
  );
}

/** The same bytes without the runtime's `Buffer`, whose `slice` shares memory where that of others copies. */
function plain(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength);
}
