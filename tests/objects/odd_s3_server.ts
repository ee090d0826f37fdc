import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { HttpClient } from "../../src/http/client.ts";
import { openS3Store, type S3StoreOptions } from "../../src/objects/open_s3_store.ts";
import type { S3Store } from "../../src/objects/s3_store.ts";
import { type ScriptedServer, serveScript } from "../support/scripted_server.ts";
import { withEnvironment } from "./s3_kit.ts";

/** One request to the server, taken apart. */
export interface OddRequest {
  /** The operation's name in S3's documentation. */
  readonly operation: string;
  readonly bucket: string;
  readonly key: string;
  readonly query: URLSearchParams;
  readonly headers: Headers;
  readonly body: Uint8Array<ArrayBuffer>;
  /** How many requests of this operation came before. */
  readonly earlier: number;
  /** Carries it out as a well-behaved server does. */
  readonly proceed: () => Response;
}

/** What a server does otherwise than S3; undefined where it does not. */
export type Quirk = (request: OddRequest) => Response | undefined;

/** An object as the server holds it. */
export interface StoredObject {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly headers: Readonly<Record<string, string>>;
  /** Sizes of its parts, in order, if it came in parts. */
  readonly partSizes: readonly number[];
}

interface PendingUpload {
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly parts: Map<number, Uint8Array<ArrayBuffer>>;
}

/** A small S3 in memory, which a test makes misbehave, and a store over its bucket. */
export interface OddS3 extends AsyncDisposable {
  readonly server: ScriptedServer;
  readonly store: S3Store;
  readonly objects: Map<string, StoredObject>;
  readonly uploads: ReadonlyMap<string, unknown>;
  /** Every request so far. */
  readonly requests: OddRequest[];
  /** The operations of all requests so far. */
  operations(): string[];
  /** The debug log. */
  readonly lines: string[];
  /** Another store over a bucket of this server. */
  open(options?: Partial<S3StoreOptions>): Promise<S3Store>;
}

/** An S3 error answer. */
export function refuse(status: number, code: string, message = "", headers: Record<string, string> = {}): Response {
  const body = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`;
  return new Response(body, { status, headers: { "content-type": "application/xml", ...headers } });
}

/** Starts the server with its quirks. Credentials are in the environment for as long as it runs. */
export async function oddS3(quirk: Quirk = () => undefined, options: Partial<S3StoreOptions> = {}): Promise<OddS3> {
  const objects = new Map<string, StoredObject>();
  const uploads = new Map<string, PendingUpload>();
  const requests: OddRequest[] = [];
  const server = serveScript(({ method, path, headers: sent, body }) => {
    // A quirk may overlook some of them.
    const headers = new Headers(sent);
    const url = new URL(path, "http://odd");
    const [bucket = "", ...rest] = url.pathname.slice(1).split("/").map(decodeURIComponent);
    const operation = operationOf(method, rest.length > 0 && rest[0] !== "", url.searchParams, headers);
    const request: OddRequest = {
      operation,
      bucket,
      key: rest.join("/"),
      query: url.searchParams,
      headers,
      body,
      earlier: requests.filter((one) => one.operation === operation).length,
      proceed: () => wrongChecksum(headers, body) ?? carryOut(request, objects, uploads),
    };
    requests.push(request);
    return quirk(request) ?? request.proceed();
  });
  const environment = withEnvironment({
    AWS_ACCESS_KEY_ID: "AKIAODDSERVERTEST",
    AWS_SECRET_ACCESS_KEY: "very-secret-text",
    AWS_SESSION_TOKEN: undefined,
    AWS_PROFILE: undefined,
    AWS_REGION: undefined,
    AWS_DEFAULT_REGION: undefined,
    AWS_EC2_METADATA_DISABLED: "true",
  });
  const lines: string[] = [];
  const http = new HttpClient({ log: (line) => lines.push(line) });
  const open = (more: Partial<S3StoreOptions> = {}) =>
    openS3Store({
      bucket: "odd",
      endpoint: server.origin,
      http,
      log: (line) => lines.push(line),
      partBytes: 1000,
      concurrency: 3,
      retryDelayMs: 1,
      ...options,
      ...more,
    });
  return {
    server,
    store: await open(),
    objects,
    uploads,
    requests,
    operations: () => requests.map(({ operation }) => operation),
    lines,
    open,
    async [Symbol.asyncDispose]() {
      http[Symbol.dispose]();
      await server[Symbol.asyncDispose]();
      environment[Symbol.dispose]();
    },
  };
}

function operationOf(method: string, hasKey: boolean, query: URLSearchParams, headers: Headers): string {
  const copies = headers.has("x-amz-copy-source");
  if (!hasKey) return method === "POST" ? "DeleteObjects" : method === "HEAD" ? "HeadBucket" : "ListObjectsV2";
  switch (method) {
    case "GET":
      return "GetObject";
    case "HEAD":
      return "HeadObject";
    case "PUT":
      return query.has("partNumber") ? copies ? "UploadPartCopy" : "UploadPart" : copies ? "CopyObject" : "PutObject";
    case "POST":
      return query.has("uploads") ? "CreateMultipartUpload" : "CompleteMultipartUpload";
    default:
      return query.has("uploadId") ? "AbortMultipartUpload" : "DeleteObject";
  }
}

/** Checks every checksum that a request carries. */
function wrongChecksum(headers: Headers, body: Uint8Array<ArrayBuffer>): Response | undefined {
  const real: Record<string, () => string> = {
    "content-md5": () => createHash("md5").update(body).digest("base64"),
    "x-amz-checksum-sha256": () => createHash("sha256").update(body).digest("base64"),
    "x-amz-checksum-crc32": () => {
      const bytes = new Uint8Array(4);
      new DataView(bytes.buffer).setUint32(0, crc32(body));
      return bytes.toBase64();
    },
  };
  for (const [name, compute] of Object.entries(real)) {
    const given = headers.get(name);
    if (given !== null && given !== compute()) return refuse(400, "BadDigest", `${name} does not match`);
  }
  return undefined;
}

function etagOf(bytes: Uint8Array): string {
  return `"${createHash("md5").update(bytes).digest("hex")}"`;
}

function xml(text: string, headers: Record<string, string> = {}): Response {
  return new Response(`<?xml version="1.0"?>${text}`, { headers: { "content-type": "application/xml", ...headers } });
}

function kept(headers: Headers): Record<string, string> {
  const names = ["content-type", "x-amz-storage-class", "x-amz-server-side-encryption-aws-kms-key-id"];
  return Object.fromEntries(names.flatMap((name) => headers.has(name) ? [[name, headers.get(name) ?? ""]] : []));
}

function unmet(headers: Headers, found: StoredObject | undefined): Response | undefined {
  const [first, unchanged] = [headers.get("if-none-match"), headers.get("if-match")];
  const holds = first ? !found : unchanged ? found && etagOf(found.bytes) === unchanged : true;
  return holds ? undefined : refuse(412, "PreconditionFailed", "At least one of the pre-conditions did not hold");
}

function carryOut(
  request: OddRequest,
  objects: Map<string, StoredObject>,
  uploads: Map<string, PendingUpload>,
): Response {
  const { operation, key, query, headers, body } = request;
  const found = objects.get(key);
  const upload = uploads.get(query.get("uploadId") ?? "");
  const source = objects.get(decodeURIComponent(headers.get("x-amz-copy-source") ?? "").replace(/^[^/]*\//, ""));
  switch (operation) {
    case "PutObject":
      objects.set(key, { bytes: body, headers: kept(headers), partSizes: [] });
      return unmetOr(unmet(headers, found), () => new Response(null, { headers: { etag: etagOf(body) } }), () => {
        if (found) objects.set(key, found);
        else objects.delete(key);
      });
    case "CopyObject":
      if (!source) return refuse(404, "NoSuchKey");
      objects.set(key, { bytes: source.bytes, headers: kept(headers), partSizes: [] });
      return xml(`<CopyObjectResult><ETag>${etagOf(source.bytes)}</ETag></CopyObjectResult>`);
    case "HeadObject":
    case "GetObject":
      return found ? bodyOf(found, headers, operation === "HeadObject") : refuse(404, "NoSuchKey", "No such key");
    case "DeleteObject":
      objects.delete(key);
      return new Response(null, { status: 204 });
    case "DeleteObjects":
      for (const [, name] of new TextDecoder().decode(body).matchAll(/<Key>([^<]*)<\/Key>/g)) {
        objects.delete(name ?? "");
      }
      return xml("<DeleteResult></DeleteResult>");
    case "CreateMultipartUpload": {
      const id = `upload-${request.earlier}`;
      uploads.set(id, { key, headers: kept(headers), parts: new Map() });
      return xml(`<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`);
    }
    case "UploadPart":
      if (!upload) return refuse(404, "NoSuchUpload");
      upload.parts.set(Number(query.get("partNumber")), body);
      return new Response(null, { headers: { etag: etagOf(body) } });
    case "UploadPartCopy": {
      if (!upload) return refuse(404, "NoSuchUpload");
      if (!source) return refuse(404, "NoSuchKey");
      const [start = 0, end = 0] = (headers.get("x-amz-copy-source-range") ?? "").slice(6).split("-").map(Number);
      const part = source.bytes.slice(start, end + 1);
      upload.parts.set(Number(query.get("partNumber")), part);
      return xml(`<CopyPartResult><ETag>${etagOf(part)}</ETag></CopyPartResult>`);
    }
    case "CompleteMultipartUpload": {
      if (!upload) return refuse(404, "NoSuchUpload");
      const failed = unmet(headers, found);
      if (failed) return failed;
      const parts = [...upload.parts].sort(([left], [right]) => left - right).map(([, part]) => part);
      const bytes = new Uint8Array(parts.flatMap((part) => [...part]));
      objects.set(upload.key, { bytes, headers: upload.headers, partSizes: parts.map((part) => part.byteLength) });
      uploads.delete(query.get("uploadId") ?? "");
      return xml(`<CompleteMultipartUploadResult><ETag>"x"</ETag></CompleteMultipartUploadResult>`);
    }
    case "AbortMultipartUpload":
      uploads.delete(query.get("uploadId") ?? "");
      return new Response(null, { status: 204 });
    default:
      return xml(
        `<ListBucketResult>${
          [...objects.keys()].sort().map((name) => `<Contents><Key>${name}</Key><Size>1</Size></Contents>`).join("")
        }</ListBucketResult>`,
      );
  }
}

function unmetOr(failed: Response | undefined, answer: () => Response, undo: () => void): Response {
  if (!failed) return answer();
  undo();
  return failed;
}

function bodyOf(found: StoredObject, headers: Headers, headOnly: boolean): Response {
  const common = { etag: etagOf(found.bytes), "last-modified": new Date().toUTCString(), ...found.headers };
  const range = /^bytes=(\d+)-(\d*)$/.exec(headers.get("range") ?? "");
  const size = found.bytes.byteLength;
  if (headOnly) return new Response(null, { headers: { ...common, "content-length": String(size) } });
  if (!range) return new Response(found.bytes, { headers: common });
  const start = Number(range[1]);
  if (start >= size) return refuse(416, "InvalidRange");
  const end = range[2] ? Math.min(Number(range[2]), size - 1) : size - 1;
  const told = { ...common, "content-range": `bytes ${start}-${end}/${size}` };
  return new Response(found.bytes.slice(start, end + 1), { status: 206, headers: told });
}
