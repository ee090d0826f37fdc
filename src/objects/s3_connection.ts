import { retrying, type Wait } from "../bytes/retry.ts";
import { readAll } from "../bytes/blob_reader.ts";
import { ImageError, messageOf } from "../errors.ts";
import type { HttpClient } from "../http/client.ts";
import type { HttpRequest, HttpResponse } from "../http/message.ts";
import { keepSecret } from "../http/redact.ts";
import { isPermanent } from "../http/send_retrying.ts";
import type { ObjectContent } from "./object_store.ts";
import { answerOf, expectBytes, readReply, type S3Answer, type S3Reply } from "./s3_answer.ts";
import type { S3Keys } from "./s3_credentials.ts";
import type { AddressQuestion, S3Address } from "./s3_endpoint.ts";
import { isExpired, isWrongRegion, otherError, refusalError } from "./s3_errors.ts";
import { foreignOf } from "./s3_foreign.ts";
import { sha256Hex, signedPayload, UNSIGNED_PAYLOAD } from "./s3_habits.ts";
import { CALL_LIMIT_MS, LONG_CALL_LIMIT_MS, SEND_LIMIT_MS } from "./s3_limits.ts";
import { escapeKey, queryText, signedHeaders } from "./s3_sign.ts";

/** How to reach one bucket. */
export interface S3ConnectionOptions {
  readonly bucket: string;
  /** The endpoint that was named; undefined for the one that AWS has for the region. */
  readonly endpoint: string | undefined;
  /** Whether AWS itself answers, at whatever endpoint. */
  readonly isAws: boolean;
  readonly region: string;
  readonly profile: string | undefined;
  /** Who asks. */
  readonly credentials: { get(): Promise<S3Keys>; refresh(): Promise<void> };
  /** Where a bucket is reached, by its region. */
  readonly addressOf: (question: AddressQuestion) => Promise<S3Address>;
  /** Lets go what was used for that. */
  readonly close: () => void;
  readonly http: HttpClient;
  readonly log: ((line: string) => void) | undefined;
  readonly signal: AbortSignal | undefined;
  /** Wait before the first retry. */
  readonly retryDelayMs: number | undefined;
  /** Told of every wait before another try. */
  readonly onWait?: ((wait: Wait) => void) | undefined;
}

/** One request whose body or answer is an object's bytes. */
export interface S3Request {
  readonly method: "GET" | "PUT";
  readonly key: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** A stream is opened for every try anew. */
  readonly body?: Uint8Array<ArrayBuffer> | Pick<ObjectContent, "sizeBytes" | "open">;
  /** See `HttpRequest`. */
  readonly onSent?: ((sentBytes: number) => void) | undefined;
}

/** A small call: what it says and what it is answered goes through memory. */
export interface S3Call {
  readonly method: "GET" | "HEAD" | "PUT" | "POST" | "DELETE";
  /** Absent where it is about the bucket. */
  readonly key?: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array<ArrayBuffer>;
}

/** A small object that was read whole. */
export interface Received {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly etag: string;
}

/** How one step is done. */
export interface StepOptions {
  /** Replaces the connection's signal, for what must be done even after that has fired. */
  readonly signal?: AbortSignal | undefined;
  /** Tries in all. Default 5. */
  readonly tries?: number;
  /** Told before every try, the first included. */
  readonly onTry?: () => void;
  /** Whether a failure was such that trying again cannot help. */
  readonly isFinal?: () => boolean;
}

/**
 * A signed connection to one bucket, for small calls and for bytes. A step that fails in passing is tried again; one that
 * fails because the bucket is elsewhere, credentials have run out or the clock is off is repeated once with that mended.
 */
export class S3Connection {
  readonly bucket: string;
  /** The endpoint that was named; undefined for the one that AWS has for the region. */
  readonly endpoint: string | undefined;
  /** Whether AWS itself answers, at whatever endpoint. */
  readonly isAws: boolean;
  readonly #options: S3ConnectionOptions;
  #region: string;
  #clockOffsetMs = 0;
  #address: Promise<S3Address> | undefined;

  /** Sends nothing yet. */
  constructor(options: S3ConnectionOptions) {
    this.bucket = options.bucket;
    this.endpoint = options.endpoint;
    this.isAws = options.isAws;
    this.#options = options;
    this.#region = options.region;
  }

  /** `s3://bucket`. */
  get name(): string {
    return `s3://${this.bucket}`;
  }

  /** The region in use. */
  get region(): string {
    return this.#region;
  }

  /** Stops everything when it fires. */
  get signal(): AbortSignal | undefined {
    return this.#options.signal;
  }

  /** Whether the same identity asks the same server as over another connection. */
  async isAlike(other: S3Connection): Promise<boolean> {
    if (this.endpoint !== other.endpoint) return false;
    try {
      const [own, others] = await Promise.all([this, other].map((each) => each.#options.credentials.get()));
      // Of one profile two connections may hold two sets of passing keys.
      const isPassing = own?.sessionToken !== undefined && others?.sessionToken !== undefined;
      return own?.accessKeyId === others?.accessKeyId ||
        (isPassing && this.#options.profile === other.#options.profile);
    } catch {
      return false; // carrying the bytes will say what is wrong with the credentials
    }
  }

  /** Writes a line to the debug log. */
  log(line: string): void {
    this.#options.log?.(line);
  }

  /**
   * Makes a small call and reads the answer. `action` reads on from "Cannot". Throws as `refusalError()` and `otherError()`
   * say, also for what `read` throws.
   */
  async call<T>(
    action: string,
    call: S3Call,
    read: (reply: S3Reply) => T,
    options: StepOptions = {},
  ): Promise<T> {
    const { method, body, headers = {} } = call;
    const isCopy = "x-amz-copy-source" in headers;
    // Listings, what is begun, put together or copied, and many removals are answered with a document.
    const asked = {
      method,
      expectsDocument: method === "GET" || method === "POST" || isCopy,
      expectsEtag: method === "HEAD",
    };
    const isLong = isCopy || (method === "POST" && call.query?.uploadId !== undefined);
    return await this.#repeating(action, options, async () => {
      const response = await this.#options.http.send({
        ...await this.#sign(call, sha256Hex(body ?? new Uint8Array(0))),
        method,
        body,
        signal: options.signal ?? this.signal,
        stallTimeoutMs: isLong ? LONG_CALL_LIMIT_MS : CALL_LIMIT_MS,
      });
      return read(await readReply(response, asked));
    });
  }

  /** Sends a request for bytes and gives the answer when it is a success; its body is not read yet. */
  async send(action: string, request: S3Request, options: StepOptions = {}): Promise<HttpResponse> {
    let asksFirst = false;
    return await this.#repeating(action, options, async () => {
      try {
        return await this.#sendOnce(request, options, asksFirst);
      } catch (error) {
        // A connection that breaks while bytes go out may have been closed by a refusal, whose answer is lost then.
        const isAnswer = answerOf(error) !== undefined || foreignOf(error) !== undefined;
        const mayBeRefusal = request.body !== undefined && !isAnswer && !options.isFinal?.();
        if (mayBeRefusal && !asksFirst) await this.#findRefusal(action, options);
        asksFirst = mayBeRefusal;
        throw error;
      }
    });
  }

  /** Reads a whole small object, from the start again when the connection breaks. Throws `invalid-input` beyond `maxBytes`. */
  async receive(action: string, key: string, maxBytes: number): Promise<Received> {
    return await this.#repeating(action, {}, async () => {
      const response = await this.#sendOnce({ method: "GET", key }, {});
      await using body = response.reader();
      const bytes = await readAll(body, maxBytes, `"${key}" of "${this.name}"`);
      return { bytes, etag: response.headers.get("etag") ?? "" };
    });
  }

  /** Lets go what finds credentials. */
  close(): void {
    this.#options.close();
  }

  /** Throws what the server says to a small question, where that is a refusal too. */
  async #findRefusal(action: string, options: StepOptions): Promise<void> {
    const question = { method: "GET", query: { "list-type": "2", "max-keys": "1" } } as const;
    try {
      await this.call(action, question, () => {}, { signal: options.signal, tries: 1 });
    } catch (error) {
      if (answerOf(error)) throw error;
    }
  }

  async #sendOnce(request: S3Request, options: StepOptions, asksFirst = false): Promise<HttpResponse> {
    const { body } = request;
    if (body === undefined || body instanceof Uint8Array) {
      return await this.#sendBody(request, options, { body, asksFirst });
    }
    await using content = await body.open();
    return await this.#sendBody(request, options, { body: { sizeBytes: body.sizeBytes, content }, asksFirst });
  }

  async #sendBody(
    request: S3Request,
    options: StepOptions,
    body: Pick<HttpRequest, "body" | "asksFirst">,
  ): Promise<HttpResponse> {
    const { method } = request;
    const response = await this.#options.http.send({
      ...await this.#sign(request, undefined),
      method,
      ...body,
      onSent: request.onSent,
      signal: options.signal ?? this.signal,
      stallTimeoutMs: method === "PUT" ? SEND_LIMIT_MS : CALL_LIMIT_MS,
    });
    await expectBytes(response, method);
    if (isAnswerTo(request, response)) return response;
    await response.discard();
    throw new ImageError("unavailable", `Cannot trust "${this.name}": its answer belongs to another request`);
  }

  async #repeating<T>(action: string, options: StepOptions, step: () => Promise<T>): Promise<T> {
    const signal = options.signal ?? this.signal;
    const outcome = await retrying<{ readonly value: T } | { readonly failure: ImageError }>(async () => {
      const mended = new Set<string>();
      while (true) {
        try {
          options.onTry?.();
          return { value: await step() };
        } catch (error) {
          const known = await this.#describe(error, action, signal);
          const answer = answerOf(known);
          const mend = answer && await this.#mend(answer);
          if (mend && !mended.has(mend)) mended.add(mend);
          else if (isPermanent(error) || options.isFinal?.()) return { failure: known };
          else throw known;
        }
      }
    }, {
      signal,
      ...(options.tries === undefined ? {} : { tries: options.tries }),
      ...(this.#options.retryDelayMs === undefined ? {} : { baseDelayMs: this.#options.retryDelayMs }),
      host: this.name,
      onWait: this.#options.onWait,
      onRetry: (error, delayMs) => this.log(`${messageOf(error)}; trying again in ${Math.round(delayMs)} ms`),
    });
    if ("failure" in outcome) throw outcome.failure;
    return outcome.value;
  }

  /** Changes what made the step fail, if that is in our hands; says what it was. */
  async #mend(answer: S3Answer): Promise<string | undefined> {
    if (isWrongRegion(answer) && answer.region && answer.region !== this.#region) {
      this.log(`Bucket "${this.bucket}" is in region ${answer.region}, not ${this.#region}`);
      this.#region = answer.region;
      this.#address = undefined;
      return "region";
    }
    if (isExpired(answer)) {
      await this.#options.credentials.refresh();
      return "credentials";
    }
    if (answer.code === "RequestTimeTooSkewed" && answer.date) {
      this.#clockOffsetMs = answer.date.getTime() - Date.now();
      return "clock";
    }
    return undefined;
  }

  async #describe(error: unknown, action: string, signal: AbortSignal | undefined): Promise<ImageError> {
    if (signal?.aborted) return new ImageError("aborted", "Stopped", { cause: signal.reason });
    const answer = answerOf(error);
    const { bucket, endpoint } = this;
    const context = { bucket, action, endpoint, region: this.#region };
    if (!answer) return otherError(error, { ...context, identity: "" }, this.#options.profile);
    return refusalError(answer, { ...context, identity: await this.#identity() });
  }

  /** Who asks: the start of the access key's id and where it was found; nothing that grants anything. */
  async #identity(): Promise<string> {
    try {
      const { accessKeyId, source } = await this.#options.credentials.get();
      return `access key ${accessKeyId.slice(0, 6)}…${source === "" ? "" : ` from ${source}`}`;
    } catch {
      return "no credentials";
    }
  }

  /** Addresses and signs a request; `payload` is the SHA-256 of its body, where that is to be part of the signature. */
  async #sign(
    request: S3Call | S3Request,
    payload: string | undefined,
  ): Promise<{ readonly url: string; readonly headers: Record<string, string> }> {
    const base = await this.#base();
    const folder = base.url.pathname.replace(/\/$/, "");
    const path = request.key === undefined ? folder : `${folder}/${escapeKey(request.key)}`;
    const url = new URL(`${base.url.origin}${path}${queryText(request.query ?? {})}`);
    const keys = await this.#options.credentials.get();
    for (const secret of [keys.secretAccessKey, keys.sessionToken]) keepSecret(secret);
    // TLS keeps the bytes whole; over plain http a server that will have no checksum must not make them anybody's.
    const isPlain = base.url.protocol === "http:";
    const hash = payload ?? (isPlain ? signedPayload(request.headers ?? {}, request.body) : UNSIGNED_PAYLOAD);
    const headers = signedHeaders(
      { method: request.method, url, headers: { ...request.headers, "x-amz-content-sha256": hash } },
      keys,
      { region: base.region, service: base.service, date: new Date(Date.now() + this.#clockOffsetMs) },
    );
    return { url: url.href, headers };
  }

  /** The bucket's address, and what requests to it are signed for. */
  async #base(): Promise<S3Address> {
    const { bucket, isAws, endpoint } = this;
    this.#address ??= this.#options.addressOf({ bucket, endpoint, region: this.#region, isPathStyle: !isAws });
    try {
      return await this.#address;
    } catch (error) {
      this.#address = undefined;
      throw error;
    }
  }
}

/** Whether a server that says what it has stored has stored what was sent: proxies have been seen to mix answers up. */
function isAnswerTo({ headers = {} }: S3Request, response: HttpResponse): boolean {
  return ["x-amz-checksum-sha256", "x-amz-checksum-crc32"].every((name) => {
    const [sent, stored] = [headers[name], response.headers.get(name)];
    return sent === undefined || stored === null || stored === sent;
  });
}
