/** One side of a connection that speaks HTTP/1.1: heads and bodies as bytes, nothing interpreted that need not be. */

import { concat } from "./concat.ts";

/** The head of a request, as far as a proxy needs to know it. */
export interface RequestHead {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  /** By lower-case name. */
  readonly headers: ReadonlyMap<string, string>;
  /** Length of the body. */
  readonly bodyBytes: number;
  /** All of it, with the empty line at its end. */
  readonly text: string;
}

const decoder = new TextDecoder("latin1");

/** Reads heads and bodies off a connection. */
export class HttpWire {
  readonly connection: Deno.Conn;
  #rest: Uint8Array<ArrayBuffer> = new Uint8Array(0);

  constructor(connection: Deno.Conn) {
    this.connection = connection;
  }

  /** The next head, with its empty line; undefined at the end of the connection. */
  async readHead(): Promise<string | undefined> {
    for (let scanned = 0;;) {
      const text = decoder.decode(this.#rest);
      const end = text.indexOf("\r\n\r\n", Math.max(0, scanned - 3));
      if (end >= 0) {
        this.#rest = this.#rest.slice(end + 4);
        return text.slice(0, end + 4);
      }
      scanned = text.length;
      const more = await this.#receive();
      if (!more) return undefined;
      this.#rest = concat([this.#rest, more]);
    }
  }

  /** At most `limit` bytes of a body; undefined at the end of the connection. */
  async readSome(limit: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
    if (this.#rest.byteLength === 0) {
      const more = await this.#receive();
      if (!more) return undefined;
      this.#rest = more;
    }
    const piece = this.#rest.slice(0, limit);
    this.#rest = this.#rest.slice(limit);
    return piece;
  }

  /** Writes all of it. */
  async write(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.byteLength;) done += await this.connection.write(bytes.subarray(done));
  }

  async #receive(): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const buffer = new Uint8Array(64 * 1024);
    const count = await this.connection.read(buffer);
    return count === null ? undefined : buffer.subarray(0, count);
  }
}

/** Takes a request's head apart. */
export function parseRequestHead(text: string): RequestHead {
  const [line = "", ...lines] = text.trimEnd().split("\r\n");
  const [method = "", path = ""] = line.split(" ");
  const headers = new Map(lines.map((each) => {
    const colon = each.indexOf(":");
    return [each.slice(0, colon).toLowerCase(), each.slice(colon + 1).trim()] as const;
  }));
  if (headers.has("transfer-encoding")) throw new Error("A body of unknown length cannot be followed");
  return { method, path, headers, bodyBytes: Number(headers.get("content-length") ?? 0), text };
}

/** A head with one header set, or (undefined) taken out. */
export function withHeader(head: string, name: string, value: string | undefined): string {
  const lines = head.slice(0, -4).split("\r\n").filter((line) => !line.toLowerCase().startsWith(`${name}:`));
  if (value !== undefined) lines.push(`${name}: ${value}`);
  return `${lines.join("\r\n")}\r\n\r\n`;
}

/** The value of a header in a head. */
export function headerOf(head: string, name: string): string | undefined {
  return new RegExp(`^${name}:[ \\t]*(.*?)[ \\t]*$`, "im").exec(head)?.[1];
}

/** Text as bytes, one for each character. */
export function latin1(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
