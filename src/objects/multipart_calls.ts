import type { CompletedPart } from "@aws-sdk/client-s3";
import { ImageError } from "../errors.ts";
import { answerOfText, type S3Answer, unescapeXml } from "./s3_answer.ts";
import type { S3Connection, StepOptions } from "./s3_connection.ts";
import { LONG_CALL_LIMIT_MS } from "./s3_limits.ts";

/** Largest answer to one of these calls; a page of 1000 unfinished uploads stays below. */
const MAX_ANSWER_BYTES = 8 * 1024 * 1024;

/** An upload in parts that was begun and neither completed nor given up. */
export interface PendingUpload {
  readonly key: string;
  readonly id: string;
  readonly begunAt: Date;
}

/**
 * The calls around an upload in parts, sent straight over HTTP: a blob that is larger than a part is no reason to load the SDK.
 * Spec: Amazon S3 API, CreateMultipartUpload, CompleteMultipartUpload, AbortMultipartUpload, ListMultipartUploads.
 */
export class MultipartCalls {
  readonly #connection: S3Connection;

  /** For the connection's bucket. */
  constructor(connection: S3Connection) {
    this.#connection = connection;
  }

  /** Begins an upload and gives its id. */
  async create(action: string, key: string, headers: Readonly<Record<string, string>>): Promise<string> {
    const text = await this.#text(action, { method: "POST", key, query: { uploads: "" }, headers });
    const id = elementOf(text, "UploadId");
    if (id === undefined) throw new ImageError("invalid-input", `Cannot ${action}: the server gave the upload no id`);
    return id;
  }

  /** Makes an object of the parts. */
  async complete(
    action: string,
    upload: { readonly key: string; readonly id: string },
    parts: readonly CompletedPart[],
    options: StepOptions & { readonly headers?: Readonly<Record<string, string>> },
  ): Promise<void> {
    const listed = parts.map(({ PartNumber, ETag = "", ChecksumCRC32 }) => {
      const checksum = ChecksumCRC32 === undefined ? "" : `<ChecksumCRC32>${ChecksumCRC32}</ChecksumCRC32>`;
      return `<Part><PartNumber>${PartNumber}</PartNumber><ETag>${escapeXml(ETag)}</ETag>${checksum}</Part>`;
    });
    const xmlns = "http://s3.amazonaws.com/doc/2006-03-01/";
    const xml = `<CompleteMultipartUpload xmlns="${xmlns}">${listed.join("")}</CompleteMultipartUpload>`;
    const request = {
      method: "POST",
      key: upload.key,
      query: { uploadId: upload.id },
      headers: { "content-type": "application/xml", ...options.headers },
      body: new TextEncoder().encode(xml) as Uint8Array<ArrayBuffer>,
      stallTimeoutMs: LONG_CALL_LIMIT_MS,
      maxAnswerBytes: MAX_ANSWER_BYTES,
      check: refusalInside,
    } as const;
    await this.#connection.receiveAnswer(action, request, options);
  }

  /** Gives an upload up; its parts are freed. */
  async abort(
    action: string,
    upload: { readonly key: string; readonly id: string },
    options: StepOptions,
  ): Promise<void> {
    await this.#text(action, { method: "DELETE", key: upload.key, query: { uploadId: upload.id } }, options);
  }

  /** The unfinished uploads of keys that begin with a key. */
  async list(action: string, key: string, options: StepOptions): Promise<readonly PendingUpload[]> {
    const text = await this.#text(action, { method: "GET", key: "", query: { uploads: "", prefix: key } }, options);
    return [...text.matchAll(/<Upload>([\s\S]*?)<\/Upload>/g)].map(([, body = ""]) => ({
      key: elementOf(body, "Key") ?? "",
      id: elementOf(body, "UploadId") ?? "",
      begunAt: new Date(elementOf(body, "Initiated") ?? 0),
    }));
  }

  async #text(
    action: string,
    request: {
      readonly method: "GET" | "POST" | "DELETE";
      readonly key: string;
      readonly query: Readonly<Record<string, string>>;
      readonly headers?: Readonly<Record<string, string>>;
    },
    options: StepOptions = {},
  ): Promise<string> {
    const { bytes } = await this.#connection.receiveAnswer(action, {
      ...request,
      maxAnswerBytes: MAX_ANSWER_BYTES,
    }, options);
    return new TextDecoder().decode(bytes);
  }
}

/** A server that began to answer "200" while it worked says in the body that it failed; that may pass. */
function refusalInside(bytes: Uint8Array): S3Answer | undefined {
  const text = new TextDecoder().decode(bytes);
  return /<Error>[\s\S]*<\/Error>\s*$/.test(text) ? answerOfText(503, text, () => undefined) : undefined;
}

function elementOf(xml: string, name: string): string | undefined {
  const text = new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1];
  return text === undefined ? undefined : unescapeXml(text);
}

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
