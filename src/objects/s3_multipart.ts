import { type BlobReader, fill } from "../bytes/blob_reader.ts";
import { BufferPool } from "../bytes/buffers.ts";
import { SentBytes } from "../bytes/sent_bytes.ts";
import { isImageError, isInterruption } from "../errors.ts";
import { MAX_ERROR_BODY_BYTES } from "../http/message.ts";
import type { ObjectContent, WriteOptions } from "./object_store.ts";
import { answerOf } from "./s3_answer.ts";
import { abortUpload, headObject } from "./s3_calls.ts";
import { writeDocument } from "./s3_document.ts";
import { type Habit, type PartChecksum, partHeaders } from "./s3_habits.ts";
import { endForgotten, findUnfinished, isStored, type PartPlan, type StoredPart } from "./s3_resume.ts";
import { conditionHeaders, isUnmetError, type S3Writer } from "./s3_writer.ts";

/** S3's limit. */
const MAX_PARTS = 10_000;

/** How long giving up an upload may take when everything else has been told to stop. */
const ABORT_TIMEOUT_MS = 20_000;

/** Size of all parts but the last: at least `partBytes`, more where that would take too many parts; whole MiB. */
export function partSize(sizeBytes: number, partBytes: number): number {
  const mib = 1024 * 1024;
  return sizeBytes <= partBytes * MAX_PARTS ? partBytes : Math.ceil(sizeBytes / MAX_PARTS / mib) * mib;
}

/** An upload in parts that was begun and is not visible yet. */
export interface Upload {
  readonly key: string;
  readonly id: string;
  readonly habit: Habit;
  /** By what its parts are checked, where the server takes S3's own checksums. */
  readonly checksum: PartChecksum | undefined;
}

/** A part that was sent or copied, as the completing call names it. */
export interface CompletedPart {
  readonly number: number;
  readonly etag: string;
  readonly crc32?: string | undefined;
  readonly sha256?: string | undefined;
}

/** What an upload in parts is to become. */
export interface UploadPlan {
  readonly key: string;
  readonly sizeBytes: number;
  readonly options: WriteOptions;
  /** Whether the parts' bytes are sent, with checksums, rather than copied by the server. */
  readonly sendsBytes: boolean;
}

/** Does an upload in parts: begins it, lets `send` send the parts, completes it; gives it up when anything fails. */
export async function inParts(
  writer: S3Writer,
  plan: UploadPlan,
  send: (upload: Upload) => Promise<readonly CompletedPart[]>,
): Promise<void> {
  await writer.habits.adapting(async (habit) => {
    const { upload } = await begin(writer, plan, habit);
    try {
      await complete(writer, upload, await send(upload), plan);
    } catch (error) {
      await giveUp(writer, upload);
      throw error;
    }
  });
}

/**
 * Writes a stream of any size in equal parts, several in flight, each from a pooled buffer that it can be resent from.
 *
 * A blob goes on with the parts that an earlier, interrupted run has stored: its source is read whole, because only that
 * can prove the digest, and parts that the server holds already are not sent again.
 */
export async function uploadStream(
  writer: S3Writer,
  key: string,
  content: ObjectContent,
  options: WriteOptions,
): Promise<void> {
  const { sizeBytes } = content;
  const bytesPerPart = partSize(sizeBytes, writer.settings.partBytes);
  const buffers = bytesPerPart === writer.buffers.sizeBytes ? writer.buffers : largerBuffers(writer, bytesPerPart);
  const plan = { key, sizeBytes, options, sendsBytes: true };
  const sent = new SentBytes(content.countSent?.());
  const send: SendBytes = async (begun, onStored) => {
    sent.reset();
    await using reader = await content.open();
    return await sendParts(writer, { key, begun, sizeBytes, onStored, sent }, reader, buffers);
  };
  if (options.isBlob && !options.condition && content.digest) {
    await writer.habits.adapting((habit) => continueBlob(writer, { ...plan, bytesPerPart }, habit, send));
  } else await inParts(writer, plan, (upload) => send(Promise.resolve({ upload, stored: new Map() }), () => {}));
}

/** Parts by number. */
type StoredParts = ReadonlyMap<number, StoredPart>;

/** An upload, and what the server holds of it. */
interface BegunUpload {
  readonly upload: Upload;
  readonly stored: StoredParts;
}

/** Sends all bytes to an upload that is perhaps still being begun; `onStored` is told the size of every part sent. */
type SendBytes = (
  begun: Promise<BegunUpload>,
  onStored: (count: number) => void,
) => Promise<readonly CompletedPart[]>;

/** How often an upload that vanished (somebody ended it) is begun anew. */
const VANISHED_TRIES = 3;

/** Uploads one blob, going on with what is there of it; what is stored when this fails stays for the next run, where it can. */
async function continueBlob(
  writer: S3Writer,
  plan: UploadPlan & PartPlan,
  habit: Habit,
  send: SendBytes,
): Promise<void> {
  const { key, sizeBytes } = plan;
  for (let tries = 1;; tries++) {
    // The first part is read meanwhile.
    const finding = findOrBegin(writer, plan, habit);
    finding.catch(() => {});
    let storedBytes = 0;
    try {
      const parts = await send(finding, (count) => storedBytes += count);
      const { upload, mayBeMore } = await finding;
      await complete(writer, upload, parts, plan);
      if (mayBeMore) await endForgotten(writer, key, upload.id);
      return;
    } catch (error) {
      const found = await finding.catch(() => undefined);
      if (!found) throw error;
      // Somebody else completed or ended this very upload.
      if (answerOf(error)?.code === "NoSuchUpload") {
        if (await isThere(writer, key, sizeBytes)) return;
        if (tries < VANISHED_TRIES) continue;
      }
      storedBytes += found.storedBytes;
      const isKept = storedBytes > 0 && isInterruption(error);
      if (isKept) writer.settings.onKept?.(key, storedBytes);
      else await giveUp(writer, found.upload);
      // What was stored earlier may be the trouble.
      const mayHelp = found.storedBytes > 0 && !isKept && isImageError(error, "unsupported");
      if (mayHelp && tries < VANISHED_TRIES) continue;
      throw error;
    }
  }
}

/** The unfinished upload of a blob that lacks least, or a new one. */
async function findOrBegin(
  writer: S3Writer,
  plan: UploadPlan & PartPlan,
  habit: Habit,
): Promise<BegunUpload & { readonly storedBytes: number; readonly mayBeMore: boolean }> {
  const { best, mayBeMore } = await findUnfinished(writer, plan, habit);
  if (!best) {
    const { upload, isRepeated } = await begin(writer, plan, habit);
    // A request that had to be repeated may have begun one whose name nobody was told.
    return { upload, stored: new Map(), storedBytes: 0, mayBeMore: mayBeMore || isRepeated };
  }
  const { id, parts: stored, storedBytes, checksum } = best;
  writer.connection.log(`Going on with an upload of "${plan.key}": ${storedBytes} bytes are stored`);
  return { upload: { key: plan.key, id, habit, checksum }, stored, storedBytes, mayBeMore };
}

/** For objects beyond 10,000 ordinary parts: as much memory as the shared buffers, in fewer and larger ones. */
function largerBuffers(writer: S3Writer, bytesPerPart: number): BufferPool {
  const { partsInMemory, partBytes } = writer.settings;
  return new BufferPool(Math.max(2, Math.floor(partsInMemory * partBytes / bytesPerPart)), bytesPerPart);
}

/** What is sent, and what need not be. */
interface Sending {
  readonly key: string;
  /** Awaited once the first part is there to be sent. */
  readonly begun: Promise<BegunUpload>;
  readonly sizeBytes: number;
  /** Told of the size of every part that was sent. */
  readonly onStored: (count: number) => void;
  readonly sent: SentBytes;
}

async function sendParts(
  writer: S3Writer,
  { key, begun, sizeBytes, onStored, sent }: Sending,
  reader: BlobReader,
  buffers: BufferPool,
): Promise<CompletedPart[]> {
  const stopped = new AbortController();
  const signal = writer.connection.signal
    ? AbortSignal.any([writer.connection.signal, stopped.signal])
    : stopped.signal;
  const parts: CompletedPart[] = [];
  const sending = new Set<Promise<void>>();
  const failures: unknown[] = [];
  const fail = (error: unknown) => {
    failures.push(error);
    stopped.abort(error);
  };
  for (let number = 1, left = sizeBytes; left > 0 && failures.length === 0; number++) {
    let buffer = await buffers.take();
    const wanted = Math.min(left, buffers.sizeBytes);
    try {
      if (failures.length > 0) throw failures[0];
      const { bytes } = await fill(reader, new Uint8Array(buffer.buffer, 0, wanted));
      if (bytes.buffer.byteLength > 0) buffer = bytes;
      if (bytes.byteLength < wanted) throw writer.wrongSize(key, sizeBytes, sizeBytes - left + bytes.byteLength);
      left -= wanted;
      if (left === 0) await writer.expectEnd(key, reader, sizeBytes);
      const { upload, stored } = await begun;
      const held = stored.get(number);
      if (isStored(held, bytes)) {
        sent.hold(bytes.byteLength);
        parts[number - 1] = completedPart(number, held.etag, held);
        buffers.give(bytes);
        continue;
      }
      const task = sendPart(writer, upload, { number, bytes, onSent: sent.ofBody() }, signal)
        .then((part) => {
          parts[number - 1] = part;
          onStored(bytes.byteLength);
        }, fail)
        .finally(() => {
          buffers.give(bytes);
          sending.delete(task);
        });
      sending.add(task);
    } catch (error) {
      buffers.give(buffer);
      fail(error);
    }
  }
  await Promise.all(sending);
  if (failures.length > 0) throw failures[0];
  return parts;
}

async function sendPart(
  writer: S3Writer,
  upload: Upload,
  { number, bytes, onSent }: {
    readonly number: number;
    readonly bytes: Uint8Array<ArrayBuffer>;
    readonly onSent: (sentBytes: number) => void;
  },
  signal: AbortSignal,
): Promise<CompletedPart> {
  const headers = partHeaders(upload.habit.checksum, upload.checksum, bytes);
  const response = await writer.connection.send(writer.action(upload.key), {
    method: "PUT",
    key: upload.key,
    query: { partNumber: String(number), uploadId: upload.id },
    headers,
    body: bytes,
    onSent,
  }, { signal });
  const etag = response.headers.get("etag") ?? "";
  await response.bytes(MAX_ERROR_BODY_BYTES); // read to the end, so that the connection is kept
  const told = { crc32: headers["x-amz-checksum-crc32"], sha256: headers["x-amz-checksum-sha256"] };
  return completedPart(number, etag, told);
}

/** A part as the completing call names it: whoever replaced it meanwhile makes that call fail. */
function completedPart(number: number, etag: string, { sha256, crc32 }: Partial<StoredPart>): CompletedPart {
  return { number, etag, crc32, sha256 };
}

/** Begins an upload; `isRepeated`: the request had to be sent more than once. */
async function begin(
  writer: S3Writer,
  plan: UploadPlan,
  habit: Habit,
): Promise<{ readonly upload: Upload; readonly isRepeated: boolean }> {
  const { key, options, sendsBytes } = plan;
  const { connection } = writer;
  const checksum = sendsBytes ? writer.partChecksum(habit) : undefined;
  const headers = {
    ...writer.headers(key, options, habit),
    ...(checksum === undefined ? {} : { "x-amz-checksum-algorithm": checksum }),
  };
  let tries = 0;
  // Whoever stops everything now waits for the answer: without the upload's name it could not be given up.
  using answering = delayedAbort(connection.signal, ABORT_TIMEOUT_MS);
  const step = { onTry: () => tries++, signal: answering.signal };
  const begun = await connection.call(
    writer.action(key),
    { method: "POST", key, query: { uploads: "" }, headers },
    ({ document, header }) => ({
      id: document.text("UploadId") ?? "",
      encryption: header("x-amz-server-side-encryption"),
    }),
    step,
  );
  const upload = { key, id: begun.id, habit, checksum };
  if (writer.noteEncryption(begun.encryption) && checksum === "CRC32") {
    // At the first uploads of a store: what a later run finds of this one would prove nothing.
    await giveUp(writer, upload);
    return await begin(writer, plan, habit);
  }
  return { upload, isRepeated: tries > 1 };
}

/** A signal that fires some time after another one. */
function delayedAbort(signal: AbortSignal | undefined, delayMs: number): Disposable & { readonly signal: AbortSignal } {
  const delayed = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const start = () => timer = setTimeout(() => delayed.abort(signal?.reason), delayMs);
  if (signal?.aborted) delayed.abort(signal.reason);
  else signal?.addEventListener("abort", start, { once: true });
  return {
    signal: delayed.signal,
    [Symbol.dispose]() {
      signal?.removeEventListener("abort", start);
      clearTimeout(timer);
    },
  };
}

async function complete(
  writer: S3Writer,
  upload: Upload,
  parts: readonly CompletedPart[],
  plan: UploadPlan,
): Promise<void> {
  const { connection } = writer;
  const { sizeBytes, options: { condition } } = plan;
  const body = writeDocument(
    "CompleteMultipartUpload",
    "Part",
    parts.map(({ number, etag, crc32, sha256 }) => ({
      ETag: etag,
      ChecksumCRC32: crc32,
      ChecksumSHA256: sha256,
      PartNumber: number,
    })),
  );
  const request = {
    method: "POST",
    key: upload.key,
    query: { uploadId: upload.id },
    headers: { "content-type": "application/xml", ...conditionHeaders(condition) },
    body,
  } as const;
  let tries = 0;
  try {
    await connection.call(writer.action(upload.key), request, () => {}, { onTry: () => tries++ });
  } catch (error) {
    if (condition && isUnmetError(error)) throw writer.conflict(upload.key, error);
    // An earlier try may have been carried out although its answer got lost; then the upload is gone and the object there.
    const lost = tries > 1 && !condition && answerOf(error)?.code === "NoSuchUpload";
    if (!lost || !await isThere(writer, upload.key, sizeBytes)) throw error;
  }
}

async function isThere(writer: S3Writer, key: string, sizeBytes: number): Promise<boolean> {
  try {
    const found = await headObject(writer.connection, key, { action: writer.action(key) });
    return found.sizeBytes === sizeBytes;
  } catch (error) {
    if (answerOf(error)?.status === 404) return false;
    throw error;
  }
}

/** Frees the parts on the server, also when the user has stopped everything; a failure is noted and no more. */
async function giveUp(writer: S3Writer, upload: Upload): Promise<void> {
  const { connection } = writer;
  try {
    await abortUpload(connection, `give up writing "${upload.key}"`, upload, {
      signal: AbortSignal.timeout(ABORT_TIMEOUT_MS),
      tries: 3,
    });
  } catch (error) {
    if (answerOf(error)?.code !== "NoSuchUpload") {
      connection.log(`The upload of "${upload.key}" was left behind: ${error}`);
    }
  }
}
