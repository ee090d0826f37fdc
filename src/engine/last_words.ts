import type { BlobReader } from "../bytes/blob_reader.ts";
import { isObject } from "../oci/json.ts";
import { oneLine } from "./engine_api.ts";

/** How much of the end of a stream is kept, and how far it is read on for the rest of a message, in bytes. */
const TAIL_BYTES = 8 * 1024;

/** How a message begins that Docker appends to a stream which it cannot go on with. */
const OPENING = `{"errorDetail":`;

/**
 * Remembers the end of a stream that a daemon sends after status 200: where it fails in the middle it has no other place for
 * its words than right there, behind the bytes that came before.
 */
export class LastWords {
  /** The stream; to be read in place of the one that was given. */
  readonly reader: BlobReader;
  readonly #inner: BlobReader;
  #tail = new Uint8Array(0);

  /** `inner` stays the caller's to close. */
  constructor(inner: BlobReader) {
    this.#inner = inner;
    this.reader = {
      read: (into) => this.#read(into),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }

  /** The daemon's words, where the stream ends with any; to be asked for once it turned out to be broken. */
  async find(): Promise<string | undefined> {
    for (let left = TAIL_BYTES; left > 0;) {
      const piece = await this.#read(new Uint8Array(left)).catch(() => undefined);
      if (!piece || piece.byteLength === 0) break;
      left -= piece.byteLength;
    }
    const text = new TextDecoder().decode(this.#tail);
    const start = text.lastIndexOf(OPENING);
    if (start < 0) return undefined;
    try {
      const message: unknown = JSON.parse(text.slice(start).split(/[\r\n]/)[0] ?? "");
      const detail = isObject(message) ? message["errorDetail"] : undefined;
      return isObject(detail) && typeof detail["message"] === "string" ? oneLine(detail["message"]) : undefined;
    } catch {
      return undefined;
    }
  }

  async #read(into: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
    const piece = await this.#inner.read(into);
    const kept = this.#tail.subarray(Math.max(0, this.#tail.byteLength + piece.byteLength - TAIL_BYTES));
    const added = piece.subarray(Math.max(0, piece.byteLength - TAIL_BYTES));
    const tail = new Uint8Array(kept.byteLength + added.byteLength);
    tail.set(kept);
    tail.set(added, kept.byteLength);
    this.#tail = tail;
    return piece;
  }
}
