/** Counts HTTP/1.1 requests in the bytes that a client sends over one connection. */
const LINE_END = 10;

/** Where in a request the stream is. */
type State = "head" | "body" | "chunk-size" | "chunk" | "chunk-end" | "trailer";

/** Follows one connection. Spec: RFC 9112, sections 2.1, 6 and 7.1. */
export class RequestCounter {
  readonly #onRequest: (method: string) => void;
  #state: State = "head";
  #line = "";
  #method = "";
  #bodyBytes = 0;
  #isChunked = false;
  #left = 0;

  /** `onRequest` is told of each request when its head is complete. */
  constructor(onRequest: (method: string) => void) {
    this.#onRequest = onRequest;
  }

  /** The next bytes of the stream. */
  feed(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.byteLength;) {
      if (this.#left > 0) {
        const skipped = Math.min(this.#left, bytes.byteLength - at);
        this.#left -= skipped;
        at += skipped;
        if (this.#left === 0) this.#state = this.#state === "chunk" ? "chunk-end" : "head";
        continue;
      }
      const end = bytes.indexOf(LINE_END, at);
      const stop = end < 0 ? bytes.byteLength : end;
      this.#line += new TextDecoder().decode(bytes.subarray(at, stop));
      at = stop + 1;
      if (end < 0) return;
      this.#takeLine(this.#line.replace(/\r$/, ""));
      this.#line = "";
    }
  }

  #takeLine(line: string): void {
    if (this.#state === "head") this.#takeHead(line);
    else if (this.#state === "chunk-end") this.#state = "chunk-size";
    else if (this.#state === "trailer" && line === "") this.#state = "head";
    else if (this.#state === "chunk-size") {
      this.#left = Number.parseInt(line, 16);
      this.#state = this.#left === 0 ? "trailer" : "chunk";
    }
  }

  #takeHead(line: string): void {
    const [, name = "", value = ""] = /^([^:\s]+):\s*(.*)$/.exec(line) ?? [];
    if (this.#method === "") {
      if (line === "") return; // some clients end a body with an empty line
      this.#method = line.split(" ")[0] ?? "";
      this.#bodyBytes = 0;
      this.#isChunked = false;
    } else if (name.toLowerCase() === "content-length") this.#bodyBytes = Number(value);
    else if (name.toLowerCase() === "transfer-encoding") this.#isChunked = /chunked/i.test(value);
    else if (line === "") {
      this.#onRequest(this.#method);
      this.#method = "";
      this.#left = this.#isChunked ? 0 : this.#bodyBytes;
      this.#state = this.#isChunked ? "chunk-size" : this.#left > 0 ? "body" : "head";
    }
  }
}
