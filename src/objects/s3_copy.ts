import type { CompletedPart, HeadObjectCommandOutput } from "@aws-sdk/client-s3";
import { mapPool } from "../bytes/pool.ts";
import { isImageError } from "../errors.ts";
import { answerOf } from "./s3_answer.ts";
import type { WriteOptions } from "./object_store.ts";
import type { S3Connection } from "./s3_connection.ts";
import { foreignOf } from "./s3_foreign.ts";
import { escapeUri } from "./s3_handler.ts";
import { conditionMembers, inParts, partSize, type Upload } from "./s3_multipart.ts";
import { isUnmetError, type S3Writer } from "./s3_writer.ts";

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
 * Has the server copy an object; false when it may not or cannot, so that the bytes have to be carried. Throws `not-found`
 * when the source is not there, `conflict` when the condition does not hold.
 */
export async function copyObject(
  writer: S3Writer,
  source: CopySource,
  key: string,
  options: WriteOptions,
  limits: CopyLimits,
): Promise<boolean> {
  const inOne = source.sizeBytes <= limits.limitBytes;
  // Only AWS is known to heed conditions on a copy; all that heed any do so when an upload in parts is completed.
  const byParts = !inOne || (options.condition !== undefined && !writer.connection.isAws);
  if (byParts && source.sizeBytes === 0) return false;
  try {
    if (!byParts) return await copyWhole(writer, source, key, options);
    await copyParts(writer, source, key, options, inOne ? source.sizeBytes : limits.partBytes);
    return true;
  } catch (error) {
    // Denied across accounts, or not implemented.
    const isRefused = isImageError(error, "denied") || isImageError(error, "unsupported");
    if (!isRefused || foreignOf(error)) throw error;
    writer.connection.log(`${error.message}; the bytes will be carried`);
    return false;
  }
}

/** False when an object was copied onto itself and the server kept its time: such a copy is of no use. */
async function copyWhole(writer: S3Writer, source: CopySource, key: string, options: WriteOptions): Promise<boolean> {
  const { connection } = writer;
  const { condition } = options;
  const onItself = source.connection.bucket === connection.bucket && source.key === key;
  const before = onItself ? await headObject(connection, key) : undefined;
  try {
    const { CopyObjectResult } = await writer.habits.adapting((habit) => {
      const command = new connection.modules.sdk.CopyObjectCommand({
        Bucket: connection.bucket,
        Key: key,
        CopySource: copySource(source),
        MetadataDirective: "REPLACE",
        ...writer.members(key, options, habit),
        ...conditionMembers(condition),
      });
      return connection.call(actionOf(writer, source, key), (client, http) => client.send(command, http));
    });
    return !before || (CopyObjectResult?.LastModified ?? 0) > (before.LastModified ?? 0);
  } catch (error) {
    // A missing source, too, is answered with 404.
    if (condition && isUnmetError(error) && answerOf(error)?.status !== 404) throw writer.conflict(key, error);
    throw error;
  }
}

async function headObject(connection: S3Connection, key: string): Promise<HeadObjectCommandOutput> {
  const command = new connection.modules.sdk.HeadObjectCommand({ Bucket: connection.bucket, Key: key });
  return await connection.call(
    `look up "${key}" in "${connection.name}"`,
    (client, http) => client.send(command, http),
  );
}

async function copyParts(
  writer: S3Writer,
  source: CopySource,
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
  source: CopySource,
  upload: Upload,
  number: number,
  bytesPerPart: number,
  signal: AbortSignal,
): Promise<CompletedPart> {
  const { connection } = writer;
  const start = (number - 1) * bytesPerPart;
  const command = new connection.modules.sdk.UploadPartCopyCommand({
    Bucket: connection.bucket,
    Key: upload.key,
    UploadId: upload.id,
    PartNumber: number,
    CopySource: copySource(source),
    CopySourceRange: `bytes=${start}-${Math.min(start + bytesPerPart, source.sizeBytes) - 1}`,
  });
  const { CopyPartResult } = await connection.call(
    actionOf(writer, source, upload.key),
    (client, http) => client.send(command, http),
    { signal },
  );
  return { PartNumber: number, ETag: CopyPartResult?.ETag ?? "" };
}

function copySource(source: CopySource): string {
  return `${escapeUri(source.connection.bucket)}/${source.key.split("/").map(escapeUri).join("/")}`;
}

function actionOf(writer: S3Writer, source: CopySource, key: string): string {
  return `copy "${source.key}" of "${source.connection.name}" to "${key}" of "${writer.connection.name}"`;
}
