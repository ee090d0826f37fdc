import { type BlobReader, fill } from "../bytes/blob_reader.ts";
import { BufferPool } from "../bytes/buffers.ts";
import { ImageError, isImageError } from "../errors.ts";
import { algorithmOf, type Digest } from "../oci/digest.ts";
import { exactReader, lengthMismatch } from "../bytes/exact_reader.ts";
import { SentBytes } from "../bytes/sent_bytes.ts";
import { WatchedSource } from "../bytes/watched_source.ts";
import { MAX_ERROR_BODY_BYTES } from "../http/message.ts";
import { isPermanent } from "../http/send_retrying.ts";
import { contentTypeOf } from "./keys.ts";
import type { ObjectContent, WriteCondition, WriteOptions } from "./object_store.ts";
import { answerOf } from "./s3_answer.ts";
import type { S3Connection } from "./s3_connection.ts";
import { isUnmet } from "./s3_errors.ts";
import { checksumHeaders, digestHeader, type Habit, type PartChecksum, S3Habits } from "./s3_habits.ts";

/** How objects are written to a bucket. */
export interface S3WriteSettings {
  /** Storage class for blobs. */
  readonly storageClass: string | undefined;
  /** Whether a server that does not take that class fails the write; else it stores as it does by itself. */
  readonly isClassFixed: boolean;
  /** KMS key for everything written. */
  readonly sseKmsKeyId: string | undefined;
  /** Size of a part; what is no larger goes in one request, and up to twice as much where its digest is known. */
  readonly partBytes: number;
  /** How many parts of all uploads together are in memory. */
  readonly partsInMemory: number;
  /** Told of an upload that was cut off and whose parts stay for the next run. */
  readonly onKept?: ((key: string, storedBytes: number) => void) | undefined;
}

/** Writes objects in one request each, and holds what all writes of a store share: buffers, habits, headers. */
export class S3Writer {
  readonly connection: S3Connection;
  readonly settings: S3WriteSettings;
  readonly habits: S3Habits;
  readonly buffers: BufferPool;
  /** Whether the server takes the wish to hash what it copies; learned by the first copy. */
  hashesCopies = true;
  #canStream = true;
  #hasOpaqueEtags: boolean;

  /** A writer to the connection's bucket. */
  constructor(connection: S3Connection, settings: S3WriteSettings) {
    this.connection = connection;
    this.settings = settings;
    this.habits = new S3Habits(settings, (line) => connection.log(line));
    this.#hasOpaqueEtags = settings.sseKmsKeyId !== undefined;
    this.buffers = new BufferPool(settings.partsInMemory, settings.partBytes);
  }

  /**
   * By what the parts of an upload are checked that is begun now. CRC32 costs nothing, and the ETag of a part, its MD5, is
   * what a later run knows it by; where ETags are none, SHA-256 does both.
   */
  partChecksum(habit: Habit): PartChecksum | undefined {
    return habit.checksum !== "amz" ? undefined : this.#hasOpaqueEtags ? "SHA256" : "CRC32";
  }

  /** Notes how the server said that it encrypts; whether ETags are no MD5s then. */
  noteEncryption(encryption: string | undefined): boolean {
    // AWS keeps MD5s where the keys are S3's own; what other servers do then is not known.
    const isOpaque = encryption !== undefined && (encryption !== "AES256" || !this.connection.isAws);
    this.#hasOpaqueEtags ||= isOpaque;
    return isOpaque;
  }

  /** Writes bytes in memory. Throws `conflict` when the condition does not hold. */
  async put(
    key: string,
    bytes: Uint8Array<ArrayBuffer>,
    digest: Digest | undefined,
    options: WriteOptions,
    onSent?: (sentBytes: number) => void,
  ): Promise<void> {
    let tries = 0;
    try {
      await this.habits.adapting(async (habit) => {
        const headers = {
          ...this.headers(key, options, habit),
          ...conditionHeaders(options.condition),
          ...checksumHeaders(habit.checksum, bytes, digest),
        };
        const request = { method: "PUT", key, headers, body: bytes, onSent } as const;
        const response = await this.connection.send(this.action(key), request, { onTry: () => tries++ });
        await response.bytes(MAX_ERROR_BODY_BYTES); // read to the end, so that the connection is kept
      });
    } catch (error) {
      if (!options.condition || !isUnmetError(error)) throw error;
      // An earlier try may have been carried out although its answer got lost.
      if (tries > 1 && await this.#holds(key, bytes)) return;
      throw this.conflict(key, error);
    }
  }

  /**
   * Writes a stream in one request while it is read. A failed try reads it anew.
   *
   * False, and nothing is done, unless the server is told the digest in advance: not all mind a body that is cut off, and
   * other checksums are known only at the end.
   */
  async putStreamed(key: string, content: ObjectContent, options: WriteOptions): Promise<boolean> {
    const { digest, sizeBytes } = content;
    if (!this.#canStream || sizeBytes === 0 || options.condition || !digest || algorithmOf(digest) !== "sha256") {
      return false;
    }
    const source = new WatchedSource();
    const exact = async () =>
      exactReader(await content.open(), sizeBytes, (got) => this.wrongSize(key, sizeBytes, got));
    const body = { sizeBytes, open: () => source.open(exact) };
    let sent: SentBytes | undefined;
    try {
      return await this.habits.adapting(async (habit) => {
        if (habit.checksum !== "amz") return false;
        const headers = { ...this.headers(key, options, habit), ...digestHeader(digest) };
        const counted = sent ??= new SentBytes(content.countSent?.());
        const onSent = (sentBytes: number) => counted.at(sentBytes);
        const request = { method: "PUT", key, headers, body, onSent } as const;
        const isFinal = () => source.failure !== undefined;
        await (await this.connection.send(this.action(key), request, { isFinal })).discard();
        return true;
      });
    } catch (error) {
      if (source.failure) throw source.failure.error;
      if (!isPermanent(error)) throw error;
      sent?.reset();
      // Bytes in memory go out by fetch where need be, and the runtime may trust authorities that it does not tell of.
      this.#canStream = false;
      return false;
    }
  }

  /** Writes a stream that fits into one buffer, where it is collected first. */
  async putCollected(key: string, content: ObjectContent, options: WriteOptions): Promise<void> {
    let held = await this.buffers.take();
    try {
      await using reader = await content.open();
      const { bytes } = await fill(reader, new Uint8Array(held.buffer, 0, content.sizeBytes));
      if (bytes.buffer.byteLength > 0) held = bytes;
      if (bytes.byteLength < content.sizeBytes) throw this.wrongSize(key, content.sizeBytes, bytes.byteLength);
      await this.expectEnd(key, reader, content.sizeBytes);
      const sent = new SentBytes(content.countSent?.());
      await this.put(key, bytes, content.digest, options, (sentBytes) => sent.at(sentBytes));
    } finally {
      this.buffers.give(held);
    }
  }

  /** Makes sure that a reader has ended, which is also its word that the bytes were right. */
  async expectEnd(key: string, reader: BlobReader, sizeBytes: number): Promise<void> {
    const rest = await reader.read(new Uint8Array(1));
    if (rest.byteLength > 0) throw this.wrongSize(key, sizeBytes, "more");
  }

  /** What errors call a write: reads on from "Cannot". */
  action(key: string): string {
    return `write "${key}" to "${this.connection.name}"`;
  }

  /** What an object gets besides its bytes: type, storage class, key. */
  headers(key: string, options: WriteOptions, habit: Habit): Record<string, string> {
    const storageClass = storageClassOf(options, habit);
    const { sseKmsKeyId } = this.settings;
    return {
      "content-type": options.contentType ?? contentTypeOf(key),
      ...(storageClass === undefined ? {} : { "x-amz-storage-class": storageClass }),
      ...(sseKmsKeyId === undefined ? {} : {
        "x-amz-server-side-encryption": "aws:kms",
        "x-amz-server-side-encryption-aws-kms-key-id": sseKmsKeyId,
      }),
    };
  }

  /** The error for a write whose condition did not hold. */
  conflict(key: string, cause: unknown): ImageError {
    return new ImageError("conflict", `Cannot ${this.action(key)}: somebody else wrote it meanwhile`, { cause });
  }

  /** The error for a stream of the wrong length. */
  wrongSize(key: string, sizeBytes: number, got: number | "more"): ImageError {
    return new ImageError("digest-mismatch", `Cannot ${this.action(key)}: ${lengthMismatch(sizeBytes, got)}`);
  }

  async #holds(key: string, bytes: Uint8Array): Promise<boolean> {
    try {
      const { bytes: found } = await this.connection.receive(this.action(key), key, bytes.byteLength);
      return found.byteLength === bytes.byteLength && found.every((byte, index) => byte === bytes[index]);
    } catch (error) {
      if (isImageError(error, "invalid-input") || isImageError(error, "not-found")) return false;
      throw error;
    }
  }
}

/** The storage class that an object gets; undefined for the bucket's default. */
function storageClassOf(options: WriteOptions, habit: Habit): string | undefined {
  return options.isBlob ? habit.storageClass : undefined;
}

/** Whether an error says that a conditional write's condition did not hold. */
export function isUnmetError(error: unknown): boolean {
  const answer = answerOf(error);
  return answer !== undefined && isUnmet(answer);
}

/** A condition as requests have it. */
export function conditionHeaders(condition: WriteCondition | undefined): Record<string, string> {
  if (!condition) return {};
  return "absent" in condition ? { "if-none-match": "*" } : { "if-match": condition.etag };
}
