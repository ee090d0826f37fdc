import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { concat } from "../support/concat.ts";

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

/** An object as the server holds it. */
export interface StoredObject {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly headers: Readonly<Record<string, string>>;
  /** Sizes of its parts, in order, if it came in parts. */
  readonly partSizes: readonly number[];
  /** The SHA-256 of all of it in base64, where it was written with one. */
  readonly sha256?: string | undefined;
}

/** A part of an upload that is not complete yet. */
export interface PendingPart {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The checksums that it came with, as an answer names them. */
  readonly checksums: Readonly<Record<string, string>>;
  /** Told instead of the MD5, where the server encrypts with a key. */
  readonly etag?: string;
}

/** An upload that is not complete yet. */
export interface PendingUpload {
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly parts: Map<number, PendingPart>;
}

/** What the server holds. Objects of the bucket `odd` are under their keys, those of others under `bucket/key`. */
export interface OddState {
  readonly objects: Map<string, StoredObject>;
  readonly uploads: Map<string, PendingUpload>;
}

/** An S3 error answer. */
export function refuse(status: number, code: string, message = "", headers: Record<string, string> = {}): Response {
  const body = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`;
  return new Response(body, { status, headers: { "content-type": "application/xml", ...headers } });
}

/** The operation's name in S3's documentation. */
export function operationOf(method: string, hasKey: boolean, query: URLSearchParams, headers: Headers): string {
  const copies = headers.has("x-amz-copy-source");
  if (!hasKey) {
    if (method === "GET" && query.has("uploads")) return "ListMultipartUploads";
    return method === "POST" ? "DeleteObjects" : method === "HEAD" ? "HeadBucket" : "ListObjectsV2";
  }
  switch (method) {
    case "GET":
      return query.has("uploadId") ? "ListParts" : "GetObject";
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

/** Refuses a body that is not what one of its checksums, or its signature, says. */
export function wrongChecksum(headers: Headers, body: Uint8Array<ArrayBuffer>): Response | undefined {
  const real: Record<string, () => string> = {
    "content-md5": () => createHash("md5").update(body).digest("base64"),
    "x-amz-checksum-sha256": () => sha256Of(body),
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
  const signed = headers.get("x-amz-content-sha256") ?? "";
  const isOther = /^[0-9a-f]{64}$/.test(signed) && signed !== createHash("sha256").update(body).digest("hex");
  return isOther ? refuse(400, "XAmzContentSHA256Mismatch", "The body is not what was signed") : undefined;
}

/** The ETag of bytes: their MD5. */
export function etagOf(bytes: Uint8Array): string {
  return `"${createHash("md5").update(bytes).digest("hex")}"`;
}

/** The SHA-256 of bytes, as S3 writes it. */
export function sha256Of(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("base64");
}

/** An answer of XML. */
export function xml(text: string, headers: Record<string, string> = {}): Response {
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

/** Whether the source of a copy is another one by now than the one that was meant. */
function isSwapped(headers: Headers, source: StoredObject): boolean {
  const wanted = headers.get("x-amz-copy-source-if-match");
  return wanted !== null && wanted !== etagOf(source.bytes);
}

const SWAPPED = () => refuse(412, "PreconditionFailed", "At least one of the pre-conditions did not hold");

/** Where an object is held. */
export function placeOf(bucket: string, key: string): string {
  return bucket === "odd" ? key : `${bucket}/${key}`;
}

/** Does what a request asks for, as a well-behaved server does. */
export function carryOut(request: OddRequest, { objects, uploads }: OddState): Response {
  const { operation, bucket, query, headers, body } = request;
  const key = placeOf(bucket, request.key);
  const found = objects.get(key);
  const upload = uploads.get(query.get("uploadId") ?? "");
  const [, from = "", name = ""] = /^\/?([^/]*)\/(.*)$/.exec(
    decodeURIComponent(headers.get("x-amz-copy-source") ?? ""),
  ) ?? [];
  const source = objects.get(placeOf(from, name));
  switch (operation) {
    case "PutObject": {
      const failed = unmet(headers, found);
      if (failed) return failed;
      const sha256 = headers.get("x-amz-checksum-sha256") ?? undefined;
      objects.set(key, { bytes: body, headers: kept(headers), partSizes: [], sha256 });
      return new Response(null, { headers: { etag: etagOf(body) } });
    }
    case "CopyObject": {
      if (!source) return refuse(404, "NoSuchKey");
      if (isSwapped(headers, source)) return SWAPPED();
      const asksHash = headers.get("x-amz-checksum-algorithm") === "SHA256";
      const sha256 = asksHash || source.sha256 !== undefined ? sha256Of(source.bytes) : undefined;
      objects.set(key, { bytes: source.bytes, headers: kept(headers), partSizes: [], sha256 });
      const told = sha256 === undefined ? "" : `<ChecksumSHA256>${sha256}</ChecksumSHA256>`;
      return xml(`<CopyObjectResult><ETag>${etagOf(source.bytes)}</ETag>${told}</CopyObjectResult>`);
    }
    case "HeadObject":
    case "GetObject":
      return found ? bodyOf(found, headers, operation === "HeadObject") : refuse(404, "NoSuchKey", "No such key");
    case "DeleteObject":
      objects.delete(key);
      return new Response(null, { status: 204 });
    case "DeleteObjects":
      for (const [, each] of new TextDecoder().decode(body).matchAll(/<Key>([^<]*)<\/Key>/g)) {
        objects.delete(placeOf(bucket, each ?? ""));
      }
      return xml("<DeleteResult></DeleteResult>");
    case "CreateMultipartUpload": {
      const id = `upload-${request.earlier}`;
      uploads.set(id, { key, headers: kept(headers), parts: new Map() });
      return xml(`<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`);
    }
    case "UploadPart":
      if (!upload) return refuse(404, "NoSuchUpload");
      upload.parts.set(Number(query.get("partNumber")), { bytes: body, checksums: checksumsOf(headers) });
      return new Response(null, { headers: { etag: etagOf(body) } });
    case "UploadPartCopy": {
      if (!upload) return refuse(404, "NoSuchUpload");
      if (!source) return refuse(404, "NoSuchKey");
      if (isSwapped(headers, source)) return SWAPPED();
      const [start = 0, end = 0] = (headers.get("x-amz-copy-source-range") ?? "").slice(6).split("-").map(Number);
      const bytes = source.bytes.slice(start, end + 1);
      upload.parts.set(Number(query.get("partNumber")), { bytes, checksums: {} });
      return xml(`<CopyPartResult><ETag>${etagOf(bytes)}</ETag></CopyPartResult>`);
    }
    case "CompleteMultipartUpload": {
      if (!upload) return refuse(404, "NoSuchUpload");
      const failed = unmet(headers, found);
      if (failed) return failed;
      const parts = [...upload.parts].sort(([left], [right]) => left - right).map(([, { bytes }]) => bytes);
      const partSizes = parts.map((part) => part.byteLength);
      objects.set(upload.key, { bytes: concat(parts), headers: upload.headers, partSizes });
      uploads.delete(query.get("uploadId") ?? "");
      return xml(`<CompleteMultipartUploadResult><ETag>"x"</ETag></CompleteMultipartUploadResult>`);
    }
    case "AbortMultipartUpload":
      uploads.delete(query.get("uploadId") ?? "");
      return new Response(null, { status: 204 });
    case "ListMultipartUploads":
      return xml(
        `<ListMultipartUploadsResult>${
          [...uploads].map(([id, { key }]) =>
            `<Upload><Key>${key}</Key><UploadId>${id}</UploadId><Initiated>${
              new Date().toISOString()
            }</Initiated></Upload>`
          ).join("")
        }</ListMultipartUploadsResult>`,
      );
    case "ListParts":
      return upload ? xml(`<ListPartsResult>${partList(upload)}</ListPartsResult>`) : refuse(404, "NoSuchUpload");
    default:
      return xml(`<ListBucketResult>${objectList(objects, placeOf(bucket, ""), query)}</ListBucketResult>`);
  }
}

function checksumsOf(headers: Headers): Record<string, string> {
  const names = { "x-amz-checksum-sha256": "ChecksumSHA256", "x-amz-checksum-crc32": "ChecksumCRC32" };
  return Object.fromEntries(
    Object.entries(names).flatMap(([header, name]) => headers.has(header) ? [[name, headers.get(header) ?? ""]] : []),
  );
}

function partList(upload: PendingUpload): string {
  return [...upload.parts].sort(([left], [right]) => left - right).map(([number, { bytes, checksums, etag }]) => {
    const sums = Object.entries(checksums).map(([name, value]) => `<${name}>${value}</${name}>`).join("");
    return `<Part><PartNumber>${number}</PartNumber><Size>${bytes.byteLength}</Size><ETag>${
      etag ?? etagOf(bytes)
    }</ETag>${sums}</Part>`;
  }).join("");
}

function objectList(objects: Map<string, StoredObject>, folder: string, query: URLSearchParams): string {
  const prefix = folder + (query.get("prefix") ?? "");
  const after = folder + (query.get("start-after") ?? "");
  return [...objects].filter(([place]) => place.startsWith(prefix) && place > after).sort(([left], [right]) =>
    left < right ? -1 : 1
  ).map(([place, { bytes }]) =>
    `<Contents><Key>${place.slice(folder.length)}</Key><Size>${bytes.byteLength}</Size><ETag>${etagOf(bytes)}</ETag>` +
    `<LastModified>${new Date().toISOString()}</LastModified></Contents>`
  ).join("");
}

function bodyOf(found: StoredObject, headers: Headers, headOnly: boolean): Response {
  const hash: Record<string, string> = headers.get("x-amz-checksum-mode") === "ENABLED" && found.sha256 !== undefined
    ? { "x-amz-checksum-sha256": found.sha256, "x-amz-checksum-type": "FULL_OBJECT" }
    : {};
  const common = { etag: etagOf(found.bytes), "last-modified": new Date().toUTCString(), ...found.headers, ...hash };
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
