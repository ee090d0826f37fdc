import { createHash } from "node:crypto";
import type { Part } from "@aws-sdk/client-s3";
import { isImageError } from "../errors.ts";
import { answerOf } from "./s3_answer.ts";
import { crc32Base64, type Habit, type PartChecksum, sha256Base64 } from "./s3_habits.ts";
import type { S3Writer } from "./s3_writer.ts";

/** Age from which an unfinished upload of a blob that is there by now is nobody's work any more. */
const FORGOTTEN_MS = 60 * 60 * 1000;

/** How many unfinished uploads of one object are looked into. */
const MAX_LOOKED_INTO = 4;

/** How many uploads of one object are looked at to end those that are forgotten; the next run comes to the others. */
const MAX_ENDED = 100;

/** S3's limit. */
const MAX_PARTS = 10_000;

/** A part that the server holds of an unfinished upload. */
export interface StoredPart {
  readonly sizeBytes: number;
  readonly etag: string;
  readonly sha256: string | undefined;
  readonly crc32: string | undefined;
}

/** An unfinished upload that can be gone on with. */
export interface UnfinishedUpload {
  readonly id: string;
  /** By number, from 1. */
  readonly parts: ReadonlyMap<number, StoredPart>;
  readonly storedBytes: number;
  /** By what all of its parts were checked. */
  readonly checksum: PartChecksum | undefined;
}

/** What is known of the unfinished uploads of one object. */
export interface Unfinished {
  /** The one that lacks least. */
  readonly best: UnfinishedUpload | undefined;
  /** Whether there may be others, to be ended once the object is there. */
  readonly mayBeMore: boolean;
}

/** How the object that is to be written is cut into parts. */
export interface PartPlan {
  readonly key: string;
  readonly sizeBytes: number;
  readonly bytesPerPart: number;
}

/**
 * Looks for uploads of the same object that an earlier run left unfinished. A server that does not tell, or does not let
 * one ask, has none.
 *
 * Only those count whose parts are cut alike and carry checksums as this run's would: servers want equal parts, and put
 * parts with and without checksums together badly.
 */
export async function findUnfinished(writer: S3Writer, plan: PartPlan, habit: Habit): Promise<Unfinished> {
  try {
    let best: UnfinishedUpload | undefined;
    const listed = await listUploads(writer, plan.key);
    for (const { id } of listed.slice(0, MAX_LOOKED_INTO)) {
      const parts = await listParts(writer, plan.key, id);
      const found = parts && usable(id, parts, plan, habit);
      if (found && found.storedBytes > (best?.storedBytes ?? 0)) best = found;
    }
    return { best, mayBeMore: listed.length > 0 };
  } catch (error) {
    if (isImageError(error, "aborted")) throw error;
    writer.connection.log(`Cannot look for unfinished uploads of "${plan.key}": ${error}`);
    // What failed in passing may work once the object is there.
    return { best: undefined, mayBeMore: isImageError(error, "unavailable") };
  }
}

/**
 * Whether the server holds exactly these bytes as a part. Only a SHA-256 or the MD5 of an ETag proves it: whoever may write
 * to the bucket can put an upload there whose CRC32 is the wanted one and whose bytes are others. With some kinds of
 * encryption an ETag is no MD5, whatever it looks like; it is then none of these bytes either, and they are sent again.
 */
export function isStored(part: StoredPart | undefined, bytes: Uint8Array): part is StoredPart {
  if (part?.sizeBytes !== bytes.byteLength) return false;
  if (part.sha256 !== undefined) return part.sha256 === sha256Base64(bytes);
  // Told apart cheaply first.
  if (part.crc32 !== undefined && part.crc32 !== crc32Base64(bytes)) return false;
  return part.etag.replaceAll('"', "").toLowerCase() === createHash("md5").update(bytes).digest("hex");
}

/**
 * Ends the unfinished uploads of an object that is there now: those that nobody has worked at for long, and those without
 * any part (they stay where the answer to the request that begins one is lost). One who should be at such an upload all
 * the same finds the object in its place.
 */
export async function endForgotten(writer: S3Writer, key: string, own: string): Promise<void> {
  const { connection } = writer;
  try {
    for (const { id, begunAt } of (await listUploads(writer, key)).slice(0, MAX_ENDED)) {
      if (id === own) continue;
      const isOld = Date.now() - begunAt.getTime() >= FORGOTTEN_MS;
      if (!isOld && (await listParts(writer, key, id))?.length !== 0) continue;
      const command = new connection.modules.sdk.AbortMultipartUploadCommand({
        Bucket: connection.bucket,
        Key: key,
        UploadId: id,
      });
      await connection.call(`end an old upload of "${key}"`, (client, http) => client.send(command, http));
      connection.log(`Ended an unfinished upload of "${key}" from ${begunAt.toISOString()}`);
    }
  } catch (error) {
    if (isImageError(error, "aborted")) throw error;
    if (answerOf(error)?.code !== "NoSuchUpload") connection.log(`An old upload of "${key}" stays: ${error}`);
  }
}

/** An upload as the server's list has it. */
interface ListedUpload {
  readonly id: string;
  readonly begunAt: Date;
}

/** The unfinished uploads of one object; the server is asked by prefix and tells of other objects too. */
async function listUploads(writer: S3Writer, key: string): Promise<readonly ListedUpload[]> {
  const { connection } = writer;
  const command = new connection.modules.sdk.ListMultipartUploadsCommand({ Bucket: connection.bucket, Prefix: key });
  const action = `list unfinished uploads of "${key}" in "${connection.name}"`;
  const { Uploads = [] } = await connection.call(action, (client, http) => client.send(command, http), { tries: 4 });
  return Uploads.flatMap(({ Key, UploadId: id, Initiated: begunAt = new Date(0) }) =>
    Key === key && id !== undefined ? [{ id, begunAt }] : []
  );
}

/** The parts of an upload; undefined where the server's list cannot be that of one, or does not end. */
async function listParts(writer: S3Writer, key: string, id: string): Promise<readonly Part[] | undefined> {
  const { connection } = writer;
  const parts: Part[] = [];
  let after: string | undefined;
  do {
    const command = new connection.modules.sdk.ListPartsCommand({
      Bucket: connection.bucket,
      Key: key,
      UploadId: id,
      ...(after === undefined ? {} : { PartNumberMarker: after }),
    });
    const action = `list the parts of an unfinished upload of "${key}" in "${connection.name}"`;
    const page = await connection.call(action, (client, http) => client.send(command, http), { tries: 4 });
    parts.push(...page.Parts ?? []);
    const next = page.IsTruncated ? page.NextPartNumberMarker : undefined;
    const goesOn = next === undefined || Number(next) > Number(after ?? 0);
    if (!goesOn || parts.length > MAX_PARTS || (next !== undefined && (page.Parts ?? []).length === 0)) {
      connection.log(`The parts of an upload of "${key}" cannot be listed to an end; it is left alone`);
      return undefined;
    }
    after = next;
  } while (after !== undefined);
  return parts;
}

function usable(
  id: string,
  listed: readonly Part[],
  plan: PartPlan,
  habit: Habit,
): UnfinishedUpload | undefined {
  const count = Math.ceil(plan.sizeBytes / plan.bytesPerPart);
  const sizeOf = (number: number) =>
    number < count ? plan.bytesPerPart : plan.sizeBytes - (count - 1) * plan.bytesPerPart;
  const parts = new Map<number, StoredPart>();
  let storedBytes = 0;
  const checksum = listed[0]?.ChecksumSHA256 ? "SHA256" : listed[0]?.ChecksumCRC32 ? "CRC32" : undefined;
  if ((checksum !== undefined) !== (habit.checksum === "amz")) return undefined;
  for (const part of listed) {
    const { PartNumber: number = 0, Size: sizeBytes = 0, ETag: etag = "" } = part;
    const { ChecksumCRC32: crc32, ChecksumSHA256: sha256 } = part;
    const isAlike = number >= 1 && number <= count && sizeBytes === sizeOf(number) && !parts.has(number) &&
      (crc32 !== undefined) === (checksum === "CRC32") && (sha256 !== undefined) === (checksum === "SHA256");
    if (!isAlike) return undefined;
    parts.set(number, { sizeBytes, etag, crc32, sha256 });
    storedBytes += sizeBytes;
  }
  return parts.size > 0 ? { id, parts, storedBytes, checksum } : undefined;
}
