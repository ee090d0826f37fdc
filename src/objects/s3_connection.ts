import type { S3Client } from "@aws-sdk/client-s3";
import type { SignatureV4 } from "@smithy/signature-v4";
import { retrying, type Wait } from "../bytes/retry.ts";
import { readAll } from "../bytes/blob_reader.ts";
import { ImageError, messageOf } from "../errors.ts";
import type { HttpClient } from "../http/client.ts";
import type { HttpRequest, HttpResponse } from "../http/message.ts";
import { keepSecret } from "../http/redact.ts";
import { isPermanent } from "../http/send_retrying.ts";
import type { ObjectContent } from "./object_store.ts";
import { answerOf, readAnswer, type S3Answer, sdkAnswer, unreadableAnswer } from "./s3_answer.ts";
import { signedPayload, UNSIGNED_PAYLOAD } from "./s3_habits.ts";
import { isExpired, isWrongRegion, otherError, refusalError } from "./s3_errors.ts";
import { foreignAnswer, foreignError, foreignOf } from "./s3_foreign.ts";
import { escapeUri } from "./s3_handler.ts";
import { CALL_LIMIT_MS, SEND_LIMIT_MS } from "./s3_limits.ts";

/** The modules of the SDK, which are loaded only when a bucket is used. */
export interface S3Modules {
  readonly sdk: typeof import("@aws-sdk/client-s3");
  readonly signing: typeof import("@smithy/signature-v4");
}

/** How to reach one bucket. */
export interface S3ConnectionOptions {
  readonly bucket: string;
  /** The endpoint that was named; undefined for the one that AWS has for the region. */
  readonly endpoint: string | undefined;
  /** Whether AWS itself answers, at whatever endpoint. */
  readonly isAws: boolean;
  readonly region: string;
  readonly profile: string | undefined;
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
 * A signed connection to one bucket: small calls go through the SDK's client, bytes straight over HTTP with the same
 * credentials. A step that fails in passing is tried again; one that fails because the bucket is elsewhere, credentials
 * have run out or the clock is off is repeated once with that mended.
 */
export class S3Connection {
  readonly bucket: string;
  readonly modules: S3Modules;
  /** The endpoint that was named; undefined for the one that AWS has for the region. */
  readonly endpoint: string | undefined;
  /** Whether AWS itself answers, at whatever endpoint. */
  readonly isAws: boolean;
  readonly #options: S3ConnectionOptions;
  readonly #client: S3Client;
  #region: string;
  #clockOffsetMs = 0;
  #signer: SignatureV4 | undefined;

  /** Takes over a client whose region is a function that gives this connection's `region`. */
  constructor(
    options: S3ConnectionOptions,
    modules: S3Modules,
    makeClient: (region: () => Promise<string>) => S3Client,
  ) {
    this.bucket = options.bucket;
    this.endpoint = options.endpoint;
    this.isAws = options.isAws;
    this.modules = modules;
    this.#options = options;
    this.#region = options.region;
    this.#client = makeClient(() => Promise.resolve(this.#region));
  }

  /** `s3://bucket`. */
  get name(): string {
    return `s3://${this.bucket}`;
  }

  /** Stops everything when it fires. */
  get signal(): AbortSignal | undefined {
    return this.#options.signal;
  }

  /** Whether the same identity asks the same server as over another connection. */
  async isAlike(other: S3Connection): Promise<boolean> {
    if (this.endpoint !== other.endpoint) return false;
    try {
      const [own, others] = await Promise.all([this, other].map((each) => each.#client.config.credentials()));
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

  /** Makes a small call. `action` reads on from "Cannot". Throws as `refusalError()` and `otherError()` say. */
  async call<T>(
    action: string,
    step: (client: S3Client, options: { abortSignal?: AbortSignal }) => Promise<T>,
    options: StepOptions = {},
  ): Promise<T> {
    const signal = options.signal ?? this.signal;
    return await this.#repeating(action, options, () => step(this.#client, signal ? { abortSignal: signal } : {}));
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

  /** Lets the SDK's client go. */
  close(): void {
    this.#client.destroy();
  }

  /** Throws what the server says to a small question, where that is a refusal too. */
  async #findRefusal(action: string, options: StepOptions): Promise<void> {
    const command = new this.modules.sdk.ListObjectsV2Command({ Bucket: this.bucket, MaxKeys: 1 });
    try {
      await this.call(action, (client, http) => client.send(command, http), { signal: options.signal, tries: 1 });
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
    const { url, headers } = await this.#sign(request);
    const { method } = request;
    const response = await this.#options.http.send({
      method,
      url,
      headers,
      ...body,
      onSent: request.onSent,
      signal: options.signal ?? this.signal,
      stallTimeoutMs: method === "PUT" ? SEND_LIMIT_MS : CALL_LIMIT_MS,
    });
    if (response.status >= 200 && response.status < 300) {
      const foreign = foreignAnswer({
        method,
        expectsDocument: false,
        expectsEtag: true,
        status: response.status,
        header: (name) => response.headers.get(name) ?? undefined,
        body: undefined,
      });
      if (foreign) {
        await response.discard();
        throw foreignError(foreign);
      }
      if (isAnswerTo(request, response)) return response;
      await response.discard();
      throw new ImageError("unavailable", `Cannot trust "${this.name}": its answer belongs to another request`);
    }
    const answer = await readAnswer(response);
    throw new ImageError("unavailable", answer.code, { cause: answer });
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
      this.#signer = undefined;
      return "region";
    }
    if (isExpired(answer)) {
      const refreshed = this.#client.config.credentials as (options: { forceRefresh: boolean }) => Promise<unknown>;
      await refreshed({ forceRefresh: true }).catch(() => {});
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
    const foreign = foreignOf(error) ?? unreadableAnswer(error);
    const answer = foreign ? undefined : answerOf(error) ?? sdkAnswer(error);
    const { bucket, endpoint } = this;
    const context = { bucket, action, endpoint, region: this.#region };
    if (!answer) {
      return otherError(foreign ? foreignError(foreign) : error, { ...context, identity: "" }, this.#options.profile);
    }
    return refusalError(answer, { ...context, identity: await this.#identity() });
  }

  /** Who asks: the start of the access key's id and where the SDK found it; nothing that grants anything. */
  async #identity(): Promise<string> {
    try {
      const found = await this.#client.config.credentials() as {
        accessKeyId: string;
        $source?: Record<string, string>;
      };
      const source = Object.keys(found.$source ?? {}).filter((name) => name.startsWith("CREDENTIALS_"))
        .map((name) => name.slice("CREDENTIALS_".length).toLowerCase().replaceAll("_", " ")).join(", ");
      return `access key ${found.accessKeyId.slice(0, 6)}…${source === "" ? "" : ` from ${source}`}`;
    } catch {
      return "no credentials";
    }
  }

  async #sign(request: S3Request): Promise<{ readonly url: string; readonly headers: Record<string, string> }> {
    const base = await this.#base();
    const path = `${base.url.pathname.replace(/\/$/, "")}/${request.key.split("/").map(escapeUri).join("/")}`;
    const query = request.query ?? {};
    // TLS keeps the bytes whole; over plain http a server that will have no checksum must not make them anybody's.
    const isPlain = base.url.protocol === "http:";
    const payload = isPlain ? signedPayload(request.headers ?? {}, request.body) : UNSIGNED_PAYLOAD;
    this.#signer ??= new this.modules.signing.SignatureV4({
      service: base.service,
      region: base.region,
      credentials: async () => {
        const found = await this.#client.config.credentials();
        for (const secret of [found.secretAccessKey, found.sessionToken]) keepSecret(secret);
        return found;
      },
      sha256: this.#client.config.sha256,
      uriEscapePath: false,
      applyChecksum: false,
    });
    const signed = await this.#signer.sign({
      method: request.method,
      protocol: base.url.protocol,
      hostname: base.url.hostname,
      path,
      query,
      // Only what is set here gets signed: proxies and some servers rewrite others, like Accept-Encoding.
      headers: { ...request.headers, host: base.url.host, "x-amz-content-sha256": payload },
    }, { signingDate: new Date(Date.now() + this.#clockOffsetMs) });
    const { host: _host, ...headers } = signed.headers;
    const members = Object.entries(query).map(([name, value]) => `${escapeUri(name)}=${escapeUri(value)}`);
    return { url: `${base.url.origin}${path}${members.length > 0 ? `?${members.join("&")}` : ""}`, headers };
  }

  /** The bucket's address, and what requests to it are signed for. */
  async #base(): Promise<{ readonly url: URL; readonly region: string; readonly service: string }> {
    const { config } = this.#client;
    const { url, properties } = config.endpointProvider({
      Bucket: this.bucket,
      Region: this.#region,
      ForcePathStyle: !this.isAws,
      UseFIPS: await config.useFipsEndpoint(),
      UseDualStack: await config.useDualstackEndpoint(),
      ...(this.endpoint === undefined ? {} : { Endpoint: this.endpoint }),
    });
    const schemes = properties?.authSchemes as readonly { signingRegion?: string; signingName?: string }[] | undefined;
    return { url, region: schemes?.[0]?.signingRegion ?? this.#region, service: schemes?.[0]?.signingName ?? "s3" };
  }
}

/** Whether a server that says what it has stored has stored what was sent: proxies have been seen to mix answers up. */
function isAnswerTo({ headers = {} }: S3Request, response: HttpResponse): boolean {
  return ["x-amz-checksum-sha256", "x-amz-checksum-crc32"].every((name) => {
    const [sent, stored] = [headers[name], response.headers.get(name)];
    return sent === undefined || stored === null || stored === sent;
  });
}
