import { ImageError } from "../errors.ts";
import type { BlobReader } from "../bytes/blob_reader.ts";
import { isObject } from "../oci/json.ts";
import { oneLine } from "./engine_api.ts";

/** Longest line of a reply that is kept, in bytes. */
const MAX_LINE_BYTES = 1024 * 1024;

/**
 * How Docker's containerd store tells that it keeps an image that no container can be made of: among its news, after
 * "Loaded image", and without the member that other failures have. There is nothing but the words to know it by.
 */
const UNPACKING_FAILED = /^Error unpacking image \S+: (.+)$/ms;

/**
 * Reads the reply of `POST /images/load`: JSON objects, one a line, in which a failure can come after status 200.
 *
 * Returns the names or IDs that the daemon says it loaded. Throws `invalid-input` with the daemon's words when it reports
 * an error, or that it could not unpack what it loaded.
 */
export async function readLoadReply(reply: BlobReader, action: string): Promise<string[]> {
  const loaded: string[] = [];
  // The reply is read to its end also after a failure: one that is left half-read ends the process on older runtimes.
  let failure: ImageError | undefined;
  try {
    for await (const line of lines(reply)) {
      const message = parseLine(line);
      const text = typeof message["stream"] === "string" ? message["stream"] : "";
      const words = failureOf(message) ?? unpackingFailureOf(text);
      if (words !== undefined) failure ??= new ImageError("invalid-input", `Cannot ${action}: ${words}`);
      for (const match of text.matchAll(/^Loaded image(?:\(s\))?(?: ID)?: (.+)$/gm)) {
        loaded.push(...(match[1] ?? "").split(",").map((name) => name.trim()));
      }
    }
  } catch (error) {
    throw failure ?? error;
  }
  if (failure) throw failure;
  return loaded;
}

function unpackingFailureOf(text: string): string | undefined {
  const [, words] = UNPACKING_FAILED.exec(text) ?? [];
  return words === undefined ? undefined : `it cannot unpack the image: ${oneLine(words)}`;
}

function failureOf(message: Readonly<Record<string, unknown>>): string | undefined {
  const detail = message["errorDetail"];
  if (isObject(detail) && typeof detail["message"] === "string") return oneLine(detail["message"]);
  return typeof message["error"] === "string" ? oneLine(message["error"]) : undefined;
}

function parseLine(line: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(line);
    return isObject(value) ? value : {};
  } catch {
    return {}; // plain text, as old daemons and proxies send it, reports no failure
  }
}

async function* lines(reader: BlobReader): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  while (true) {
    const piece = await reader.read(new Uint8Array(16 * 1024));
    rest += decoder.decode(piece, { stream: piece.byteLength > 0 });
    const complete = rest.split("\n");
    rest = piece.byteLength === 0 ? "" : complete.pop() ?? "";
    yield* complete.map((line) => line.trim()).filter((line) => line !== "");
    if (piece.byteLength === 0) return;
    if (rest.length > MAX_LINE_BYTES) rest = "";
  }
}
