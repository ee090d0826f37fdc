import { mapPool } from "../bytes/pool.ts";
import { ImageError, isImageError } from "../errors.ts";
import { algorithmOf, type Digest } from "../oci/digest.ts";
import { answerOf, type S3Reply } from "./s3_answer.ts";
import { headObject, type ObjectHead, removeObject } from "./s3_calls.ts";
import type { CopyFromOptions, WriteOptions } from "./object_store.ts";
import type { S3Connection } from "./s3_connection.ts";
import { foreignOf } from "./s3_foreign.ts";
import { digestHeader } from "./s3_habits.ts";
import { type CompletedPart, inParts, partSize, type Upload } from "./s3_multipart.ts";
import { escapeKey, escapeUri } from "./s3_sign.ts";
import { conditionHeaders, isUnmetError, type S3Writer } from "./s3_writer.ts";

/** How many parts the server copies at once. */
const PARTS_AT_ONCE = 8;

/** What is copied inside of one server. */
export interface CopySource {
  readonly connection: S3Connection;
  readonly key: string;
  readonly sizeBytes: number;
}

/** When and in which parts a copy is made. */
export interface CopyLimits {
  /** Largest object copied in one request. */
  readonly limitBytes: number;
  readonly partBytes: number;
}

/**
 * Has the server copy an object; false when it may not or cannot, or when another object is in the source's place by now,
 * so that the bytes have to be carried. Throws `not-found` when the source is not there, `conflict` when the condition does
 * not hold.
 *
 * The source must have the size that is expected, and only the object that was looked at is copied. Where a digest is
 * expected too, the source's stored SHA-256 must be it, where the server keeps that of the whole object; and the server is
 * asked to hash what it copies: an object that then proves to be another is removed. Throws `digest-mismatch`. A CRC says
 * only that the server has kept what somebody wrote, and a SHA-256 made of parts has no relation to the digest: neither
 * counts.
 */
export async function copyObject(
  writer: S3Writer,
  source: CopySource,
  key: string,
  options: CopyFromOptions,
  limits: CopyLimits,
): Promise<boolean> {
  const inOne = source.sizeBytes <= limits.limitBytes;
  // Only AWS is known to heed conditions on a copy; all that heed any do so when an upload in parts is completed.
  const byParts = !inOne || (options.condition !== undefined && !writer.connection.isAws);
  if (byParts && source.sizeBytes === 0) return false;
  try {
    const isLookedAt = options.sourceEtag !== undefined && options.digest === undefined;
    const found = isLookedAt ? undefined : await lookAt(source, options);
    const etag = options.sourceEtag ?? found?.etag;
    if (found && options.sourceEtag !== undefined && found.etag !== options.sourceEtag) throw swapped(source);
    const copied = { ...source, etag, sha256: wholeSha256(found) };
    if (!byParts) return await copyWhole(writer, copied, key, options);
    await copyParts(writer, copied, key, options, inOne ? source.sizeBytes : limits.partBytes);
    return true;
  } catch (error) {
    // Denied across accounts, or not implemented.
    const isRefused = isImageError(error, "denied") || isImageError(error, "unsupported");
    if (!isRefused || foreignOf(error)) throw error;
    writer.connection.log(`${error.message}; the bytes will be carried`);
    return false;
  }
}

/** The source as it was looked at. */
type SeenSource = CopySource & { readonly etag: string | undefined; readonly sha256: string | undefined };

/** What the server knows of the source. Throws `digest-mismatch` where that is not what it must be. */
async function lookAt(source: CopySource, { digest }: CopyFromOptions): Promise<ObjectHead> {
  const found = await headObject(source.connection, source.key, { asksHash: digest !== undefined });
  if (found.sizeBytes !== source.sizeBytes) {
    throw damaged(source, `it has ${found.sizeBytes} bytes, not ${source.sizeBytes}`);
  }
  expectSha256(source, wholeSha256(found), digest);
  return found;
}

/** The SHA-256 of all bytes of an object, where the server has it: of one that came in parts it is made of theirs. */
function wholeSha256(
  told: Pick<ObjectHead, "sha256" | "checksumType"> | undefined,
): string | undefined {
  const sha256 = told?.sha256;
  return told?.checksumType === "COMPOSITE" || sha256?.includes("-") ? undefined : sha256;
}

function expectSha256(source: CopySource, sha256: string | undefined, digest: Digest | undefined): void {
  const wanted = digest && algorithmOf(digest) === "sha256" && digestHeader(digest)["x-amz-checksum-sha256"];
  if (sha256 !== undefined && wanted && sha256 !== wanted) {
    throw damaged(source, "its bytes have another SHA-256 than its name says");
  }
}

function damaged(source: CopySource, how: string): ImageError {
  return new ImageError("digest-mismatch", `Cannot copy "${source.key}" of "${source.connection.name}": ${how}`, {
    hint: "Write the image to the source again, after removing that object",
  });
}

/** The bytes are carried then, and checked on the way. */
function swapped(source: CopySource, cause?: unknown): ImageError {
  const what = `"${source.key}" of "${source.connection.name}"`;
  return new ImageError("unsupported", `Cannot copy ${what} on the server: it has been replaced meanwhile`, { cause });
}

/** False when an object was copied onto itself and the server kept its time: such a copy is of no use. */
async function copyWhole(
  writer: S3Writer,
  source: SeenSource,
  key: string,
  options: CopyFromOptions,
): Promise<boolean> {
  const { connection } = writer;
  const { condition } = options;
  const onItself = source.connection.bucket === connection.bucket && source.key === key;
  const before = onItself ? await headObject(connection, key) : undefined;
  // What came in parts gets one hash of the whole by this; AWS, MinIO and others reckon it while they copy.
  const digest = options.digest && algorithmOf(options.digest) === "sha256" ? options.digest : undefined;
  const copy = (asksHash: boolean) =>
    writer.habits.adapting((habit) => {
      const headers = {
        ...sourceHeaders(source),
        "x-amz-metadata-directive": "REPLACE",
        ...writer.headers(key, options, habit),
        ...conditionHeaders(condition),
        ...(asksHash ? { "x-amz-checksum-algorithm": "SHA256" } : {}),
      };
      return connection.call(actionOf(writer, source, key), { method: "PUT", key, headers }, ({ document }) => ({
        sha256: document.text("ChecksumSHA256"),
        checksumType: document.text("ChecksumType"),
        modifiedAt: document.time("LastModified"),
      }));
    });
  try {
    const copied = await hashing(writer, digest !== undefined, copy);
    if (digest) await expectCopy(writer, source, key, digest, wholeSha256(copied));
    return !before || (copied.modifiedAt ?? new Date(0)) > before.modifiedAt;
  } catch (error) {
    // A missing source, too, is answered with 404.
    if (!isUnmetError(error) || answerOf(error)?.status === 404) throw error;
    throw condition ? writer.conflict(key, error) : swapped(source, error);
  }
}

/** Has a copy hashed on the way, unless the server is known, or found out, not to take such a wish. */
async function hashing<T>(writer: S3Writer, isWanted: boolean, copy: (asksHash: boolean) => Promise<T>): Promise<T> {
  if (!isWanted || !writer.hashesCopies) return await copy(false);
  try {
    return await copy(true);
  } catch (error) {
    if (!isImageError(error, "unsupported") || foreignOf(error)) throw error;
    const copied = await copy(false);
    writer.hashesCopies = false;
    return copied;
  }
}

/** Makes sure that the copy has the digest, as far as the server tells; one that has not is removed. */
async function expectCopy(
  writer: S3Writer,
  source: SeenSource,
  key: string,
  digest: Digest,
  told: string | undefined,
): Promise<void> {
  const { connection } = writer;
  // Some tell it only when they are asked for the object. One whose source was known by its hash need not be asked.
  const isAsked = told === undefined && source.sha256 === undefined;
  const sha256 = isAsked ? wholeSha256(await headObject(connection, key, { asksHash: true })) : told;
  try {
    expectSha256(source, sha256, digest);
  } catch (error) {
    await removeObject(connection, key)
      .catch((failure) => connection.log(`A damaged copy stays: ${failure}`));
    throw error;
  }
  if (sha256 === undefined && source.sha256 === undefined) {
    connection.log(`"${connection.name}" tells no SHA-256 of "${key}": its size alone was checked`);
  }
}

async function copyParts(
  writer: S3Writer,
  source: SeenSource,
  key: string,
  options: WriteOptions,
  partBytes: number,
): Promise<void> {
  const bytesPerPart = partSize(source.sizeBytes, partBytes);
  const count = Math.ceil(source.sizeBytes / bytesPerPart);
  const numbers = Array.from({ length: count }, (_, index) => index + 1);
  await inParts(
    writer,
    { key, sizeBytes: source.sizeBytes, options, sendsBytes: false },
    async (upload) =>
      await mapPool(
        numbers,
        PARTS_AT_ONCE,
        (number, signal) => copyPart(writer, source, upload, number, bytesPerPart, signal),
        writer.connection.signal,
      ),
  );
}

async function copyPart(
  writer: S3Writer,
  source: SeenSource,
  upload: Upload,
  number: number,
  bytesPerPart: number,
  signal: AbortSignal,
): Promise<CompletedPart> {
  const { connection } = writer;
  const start = (number - 1) * bytesPerPart;
  const request = {
    method: "PUT",
    key: upload.key,
    query: { partNumber: String(number), uploadId: upload.id },
    headers: {
      ...sourceHeaders(source),
      "x-amz-copy-source-range": `bytes=${start}-${Math.min(start + bytesPerPart, source.sizeBytes) - 1}`,
    },
  } as const;
  try {
    const read = ({ document }: S3Reply) => document.text("ETag") ?? "";
    const etag = await connection.call(actionOf(writer, source, upload.key), request, read, { signal });
    return { number, etag };
  } catch (error) {
    throw answerOf(error)?.status === 412 ? swapped(source, error) : error;
  }
}

/** The headers by which a server is told what to copy, and that it must be the object that was looked at. */
function sourceHeaders({ connection, key, etag }: SeenSource): Record<string, string> {
  return {
    "x-amz-copy-source": `${escapeUri(connection.bucket)}/${escapeKey(key)}`,
    ...(etag ? { "x-amz-copy-source-if-match": etag } : {}),
  };
}

function actionOf(writer: S3Writer, source: CopySource, key: string): string {
  return `copy "${source.key}" of "${source.connection.name}" to "${key}" of "${writer.connection.name}"`;
}
