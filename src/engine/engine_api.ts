import { clipped, type ErrorCode, ImageError, isImageError } from "../errors.ts";
import { HttpClient } from "../http/client.ts";
import { type HttpResponse, MAX_ERROR_BODY_BYTES, plainCause, type StreamedBody } from "../http/message.ts";
import { isObject, type JsonObject, parseJsonObject } from "../oci/json.ts";
import type { EngineConnection } from "./connection.ts";

/** The newest Engine API that s3lo speaks; an older daemon is spoken to in its own version. */
export const NEWEST_API_VERSION = "1.51";

/** Largest JSON answer read, in bytes; an inspected image with many platforms has a few hundred kilobytes. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

/** What a request asks for. */
export interface EngineRequest {
  readonly method: "GET" | "POST" | "DELETE";
  /** Path from the version on, with its query: `/images/json?all=1`. */
  readonly path: string;
  /** The version of another API on the same socket (podman's own); default: the one that was agreed on. */
  readonly version?: string | undefined;
  /** What is being done, for errors: `Cannot <action>: …`. */
  readonly action: string;
  /** What to do when the daemon refuses. */
  readonly refusalHint?: string | undefined;
  readonly body?: StreamedBody | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

/** A daemon that unpacks a large image says nothing for as long as that takes. */
const STALL_TIMEOUT_MS = 2 * 60 * 60_000;

/** Requests to one daemon, with its answers' errors made readable. Dispose it to close idle connections. */
export class EngineApi implements Disposable {
  readonly connection: EngineConnection;
  readonly #http: HttpClient;
  #prefix = "";

  /** `log` is told of every request, for `--debug`. */
  constructor(connection: EngineConnection, log?: (line: string) => void) {
    this.connection = connection;
    this.#http = new HttpClient({ ...connection.http, log, stallTimeoutMs: STALL_TIMEOUT_MS });
  }

  /** From now on, requests go to this version of the API. */
  useVersion(version: string): void {
    this.#prefix = `/v${version}`;
  }

  /**
   * Sends one request; an answer that is no success is thrown: `not-found`, `denied`, `conflict`, `invalid-input` (400),
   * or `unavailable`, with the daemon's own words.
   */
  async send(request: EngineRequest): Promise<HttpResponse> {
    const response = this.#named(await this.#reach(request), request.action);
    if (response.status >= 200 && response.status < 300) return response;
    const { action, refusalHint: hint } = request;
    throw new ImageError(codeOf(response.status), `Cannot ${action}: ${await daemonMessage(response)}`, { hint });
  }

  /** Sends one request and reads its answer as a JSON object. */
  async object(request: EngineRequest): Promise<JsonObject> {
    const response = await this.send(request);
    return parseJsonObject(await response.bytes(MAX_ANSWER_BYTES), `the daemon's answer to "${request.path}"`);
  }

  /** Closes idle connections. */
  [Symbol.dispose](): void {
    this.#http[Symbol.dispose]();
  }

  async #reach(request: EngineRequest): Promise<HttpResponse> {
    const { method, path, version, body, headers, signal, action } = request;
    const prefix = version === undefined ? this.#prefix : `/v${version}`;
    try {
      const url = `${this.connection.baseUrl}${prefix}${path}`;
      return await this.#http.send({ method, url, body, headers: headers ?? {}, signal });
    } catch (error) {
      throw this.#broken(error, action, "no answer from the daemon");
    }
  }

  /** The answer, whose body names the daemon where it breaks. */
  #named(response: HttpResponse, action: string): HttpResponse {
    const broken = (error: unknown) => this.#broken(error, action, "the connection broke to the daemon");
    return {
      status: response.status,
      headers: response.headers,
      reader() {
        const reader = response.reader();
        return {
          read: (into) => reader.read(into).catch((error) => Promise.reject(broken(error))),
          [Symbol.asyncDispose]: () => reader[Symbol.asyncDispose](),
        };
      },
      bytes: (maxBytes) => response.bytes(maxBytes).catch((error) => Promise.reject(broken(error))),
      discard: () => response.discard(),
    };
  }

  /** A lost connection, told by the daemon's address: the host of a socket's URL is made up. */
  #broken(error: unknown, action: string, what: string): unknown {
    if (!isImageError(error, "unavailable")) return error;
    const why = error.cause === undefined ? "it was silent for too long" : plainCause(error);
    return new ImageError("unavailable", `Cannot ${action}: ${what} at "${this.connection.address}" (${why})`, {
      cause: error,
    });
  }
}

/** The daemon's own words for a failure, in one line. */
async function daemonMessage(response: HttpResponse): Promise<string> {
  let text = "";
  try {
    text = new TextDecoder().decode(await response.bytes(MAX_ERROR_BODY_BYTES)).trim();
    const answer: unknown = JSON.parse(text);
    if (isObject(answer) && typeof answer["message"] === "string") text = answer["message"];
  } catch { /* not JSON, or cut off: whatever came is all there is to say */ }
  return text === "" ? `the daemon answered ${response.status}` : oneLine(text);
}

/** A daemon's text as one line of bearable length, without the full stop at its end. */
export function oneLine(text: string): string {
  return clipped(text.split(/\s*[\r\n]+\s*/).filter((part) => part !== "").join("; ").replace(/\.$/, ""), 500);
}

function codeOf(status: number): ErrorCode {
  if (status === 404) return "not-found";
  if (status === 401 || status === 403) return "denied";
  if (status === 409) return "conflict";
  return status === 400 ? "invalid-input" : "unavailable";
}
