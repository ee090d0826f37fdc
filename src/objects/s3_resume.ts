import { createHash } from "node:crypto";
import { isImageError } from "../errors.ts";
import { answerOf } from "./s3_answer.ts";
import { abortUpload } from "./s3_calls.ts";
import type { S3Element } from "./s3_document.ts";
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
      await abortUpload(connection, `end an old upload of "${key}"`, { key, id });
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
  const action = `list unfinished uploads of "${key}" in "${connection.name}"`;
  const question = { method: "GET", query: { uploads: "", prefix: key } } as const;
  return await connection.call(action, question, ({ document }) =>
    document.all("Upload").flatMap((upload) => {
      const [id, begunAt] = [upload.text("UploadId"), upload.time("Initiated") ?? new Date(0)];
      return upload.text("Key") === key && id !== undefined ? [{ id, begunAt }] : [];
    }), { tries: 4 });
}

/** A part as the server's list has it. */
interface ListedPart extends StoredPart {
  readonly number: number;
}

function partOf(listed: S3Element): ListedPart {
  return {
    number: listed.count("PartNumber") ?? 0,
    sizeBytes: listed.count("Size") ?? 0,
    etag: listed.text("ETag") ?? "",
    sha256: listed.text("ChecksumSHA256"),
    crc32: listed.text("ChecksumCRC32"),
  };
}

/** The parts of an upload; undefined where the server's list cannot be that of one, or does not end. */
async function listParts(writer: S3Writer, key: string, id: string): Promise<readonly ListedPart[] | undefined> {
  const { connection } = writer;
  const parts: ListedPart[] = [];
  let after: number | undefined;
  do {
    const action = `list the parts of an unfinished upload of "${key}" in "${connection.name}"`;
    const query = { uploadId: id, ...(after === undefined ? {} : { "part-number-marker": String(after) }) };
    const page = await connection.call(action, { method: "GET", key, query }, ({ document }) => ({
      parts: document.all("Part").map(partOf),
      next: document.is("IsTruncated") ? document.count("NextPartNumberMarker") : undefined,
    }), { tries: 4 });
    parts.push(...page.parts);
    const { next } = page;
    const goesOn = next === undefined || next > (after ?? 0);
    if (!goesOn || parts.length > MAX_PARTS || (next !== undefined && page.parts.length === 0)) {
      connection.log(`The parts of an upload of "${key}" cannot be listed to an end; it is left alone`);
      return undefined;
    }
    after = next;
  } while (after !== undefined);
  return parts;
}

function usable(
  id: string,
  listed: readonly ListedPart[],
  plan: PartPlan,
  habit: Habit,
): UnfinishedUpload | undefined {
  const count = Math.ceil(plan.sizeBytes / plan.bytesPerPart);
  const sizeOf = (number: number) =>
    number < count ? plan.bytesPerPart : plan.sizeBytes - (count - 1) * plan.bytesPerPart;
  const parts = new Map<number, StoredPart>();
  let storedBytes = 0;
  const checksum = listed[0]?.sha256 ? "SHA256" : listed[0]?.crc32 ? "CRC32" : undefined;
  if ((checksum !== undefined) !== (habit.checksum === "amz")) return undefined;
  for (const part of listed) {
    const { number, sizeBytes, etag, crc32, sha256 } = part;
    const isAlike = number >= 1 && number <= count && sizeBytes === sizeOf(number) && !parts.has(number) &&
      (crc32 !== undefined) === (checksum === "CRC32") && (sha256 !== undefined) === (checksum === "SHA256");
    if (!isAlike) return undefined;
    parts.set(number, { sizeBytes, etag, crc32, sha256 });
    storedBytes += sizeBytes;
  }
  return parts.size > 0 ? { id, parts, storedBytes, checksum } : undefined;
}
