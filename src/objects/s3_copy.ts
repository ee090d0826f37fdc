import type { CompletedPart, StorageClass } from "@aws-sdk/client-s3";
import { mapPool } from "../bytes/pool.ts";
import { isImageError } from "../errors.ts";
import { contentTypeOf } from "./keys.ts";
import type { WriteOptions } from "./object_store.ts";
import type { S3Connection } from "./s3_connection.ts";
import { escapeUri } from "./s3_handler.ts";
import { inParts, partSize, type Upload } from "./s3_multipart.ts";
import type { S3Writer } from "./s3_writer.ts";

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
 * when the source is not there.
 */
export async function copyObject(
  writer: S3Writer,
  source: CopySource,
  key: string,
  options: WriteOptions,
  limits: CopyLimits,
): Promise<boolean> {
  try {
    if (source.sizeBytes <= limits.limitBytes) await copyWhole(writer, source, key, options);
    else await copyParts(writer, source, key, options, limits.partBytes);
    return true;
  } catch (error) {
    // Denied across accounts, or not implemented.
    if (!isImageError(error, "denied") && !isImageError(error, "unsupported")) throw error;
    writer.connection.log(`${error.message}; the bytes will be carried`);
    return false;
  }
}

async function copyWhole(writer: S3Writer, source: CopySource, key: string, options: WriteOptions): Promise<void> {
  const { connection, settings: { sseKmsKeyId } } = writer;
  await writer.habits.adapting(async (habit) => {
    const storageClass = writer.storageClass(options, habit);
    const command = new connection.modules.sdk.CopyObjectCommand({
      Bucket: connection.bucket,
      Key: key,
      CopySource: copySource(source),
      MetadataDirective: "REPLACE",
      ContentType: options.contentType ?? contentTypeOf(key),
      ...(storageClass === undefined ? {} : { StorageClass: storageClass as StorageClass }),
      ...(sseKmsKeyId === undefined ? {} : { ServerSideEncryption: "aws:kms" as const, SSEKMSKeyId: sseKmsKeyId }),
    });
    await connection.call(actionOf(writer, source, key), (client, http) => client.send(command, http));
  });
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
  await inParts(writer, key, source.sizeBytes, options, async (upload) =>
    await mapPool(
      numbers,
      PARTS_AT_ONCE,
      (number, signal) => copyPart(writer, source, upload, number, bytesPerPart, signal),
      writer.connection.signal,
    ));
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
  const checksum = CopyPartResult?.ChecksumCRC32;
  return {
    PartNumber: number,
    ETag: CopyPartResult?.ETag ?? "",
    ...(checksum === undefined ? {} : { ChecksumCRC32: checksum }),
  };
}

function copySource(source: CopySource): string {
  return `${escapeUri(source.connection.bucket)}/${source.key.split("/").map(escapeUri).join("/")}`;
}

function actionOf(writer: S3Writer, source: CopySource, key: string): string {
  return `copy "${source.key}" of "${source.connection.name}" to "${key}" of "${writer.connection.name}"`;
}
