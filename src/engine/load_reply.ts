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
  for await (const line of lines(reply)) {
    const message = parseLine(line);
    const failure = failureOf(message);
    if (failure !== undefined) throw new ImageError("invalid-input", `Cannot ${action}: ${oneLine(failure)}`);
    const text = typeof message["stream"] === "string" ? message["stream"] : "";
    const [, unpacking] = UNPACKING_FAILED.exec(text) ?? [];
    if (unpacking !== undefined) {
      throw new ImageError("invalid-input", `Cannot ${action}: it cannot unpack the image: ${oneLine(unpacking)}`);
    }
    for (const match of text.matchAll(/^Loaded image(?:\(s\))?(?: ID)?: (.+)$/gm)) {
      loaded.push(...(match[1] ?? "").split(",").map((name) => name.trim()));
    }
  }
  return loaded;
}

function failureOf(message: Readonly<Record<string, unknown>>): string | undefined {
  const detail = message["errorDetail"];
  if (isObject(detail) && typeof detail["message"] === "string") return detail["message"];
  return typeof message["error"] === "string" ? message["error"] : undefined;
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
