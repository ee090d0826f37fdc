import { type BlobReader, type ByteRange, bytesReader } from "../bytes/blob_reader.ts";
import { ImageError, isImageError } from "../errors.ts";
import { digestOf } from "../oci/digest.ts";
import { checkKey } from "./keys.ts";
import type {
  CopyFromOptions,
  ListOptions,
  ObjectContent,
  ObjectInfo,
  ObjectStore,
  WriteOptions,
} from "./object_store.ts";
import { answerOf } from "./s3_answer.ts";
import { headObject } from "./s3_calls.ts";
import type { S3Connection } from "./s3_connection.ts";
import { copyObject } from "./s3_copy.ts";
import { listObjects } from "./s3_list.ts";
import { uploadStream } from "./s3_multipart.ts";
import { S3Remover } from "./s3_remove.ts";
import { S3Writer, type S3WriteSettings } from "./s3_writer.ts";

/** Up to how many parts' worth a stream goes in one request where it can: then nothing of it is kept for a next run. */
const STREAMED_PARTS = 2;

/** How a bucket's store works, beyond its connection. */
export interface S3StoreSettings extends S3WriteSettings {
  /** Largest object copied in one request. */
  readonly copyLimitBytes: number;
  /** Size of the parts in which larger ones are copied. */
  readonly copyPartBytes: number;
}

/** A bucket of S3, or of a server that speaks its language, as an object store. Opened by `openS3Store()`. */
export class S3Store implements ObjectStore, AsyncDisposable {
  readonly isLocal = false;
  readonly parallelRanges = 8;
  readonly #connection: S3Connection;
  readonly #settings: S3StoreSettings;
  readonly #writer: S3Writer;
  readonly #remover: S3Remover;

  /** Takes the connection over. */
  constructor(connection: S3Connection, settings: S3StoreSettings) {
    this.#connection = connection;
    this.#settings = settings;
    this.#writer = new S3Writer(connection, settings);
    this.#remover = new S3Remover(connection);
  }

  get name(): string {
    return this.#connection.name;
  }

  /** AWS itself heeds conditions; of other servers it is not known. */
  get isConditional(): boolean {
    return this.#connection.isAws;
  }

  async head(key: string): Promise<ObjectInfo | undefined> {
    checkKey(key);
    const connection = this.#connection;
    const action = `look up "${key}" in "${connection.name}"`;
    try {
      const { sizeBytes, modifiedAt, etag = "" } = await headObject(connection, key, { action });
      return { key, sizeBytes, modifiedAt, etag };
    } catch (error) {
      const status = answerOf(error)?.status;
      if (status === 404) return undefined;
      // Answers to HEAD carry no code: a denial may be a missing object as well as wrong keys.
      if (status === 403 || status === 400) return await this.#probe(key, action, { range: "bytes=0-0" });
      throw error;
    }
  }

  async read(
    key: string,
    maxBytes: number,
  ): Promise<{ readonly bytes: Uint8Array<ArrayBuffer>; readonly etag: string } | undefined> {
    checkKey(key);
    try {
      return await this.#connection.receive(this.#reading(key), key, maxBytes);
    } catch (error) {
      if (isMissingKey(error)) return undefined;
      throw error;
    }
  }

  async open(key: string, range?: ByteRange): Promise<BlobReader> {
    checkKey(key);
    if (range?.length === 0) return bytesReader(new Uint8Array(0));
    const wanted = rangeHeader(range);
    try {
      const response = await this.#connection.send(this.#reading(key), {
        method: "GET",
        key,
        headers: wanted === undefined ? {} : { range: wanted },
      });
      if (wanted !== undefined && !startsAt(response.status, response.headers, range?.start ?? 0)) {
        await response.discard();
        throw new ImageError("unsupported", `Cannot ${this.#reading(key)}: the server does not honour ranges`);
      }
      return response.reader();
    } catch (error) {
      if (answerOf(error)?.status !== 416) throw error;
      throw new ImageError("invalid-input", `Cannot ${this.#reading(key)}: it ends before byte ${range?.start ?? 0}`, {
        cause: error,
      });
    }
  }

  async write(key: string, bytes: Uint8Array<ArrayBuffer>, options: WriteOptions = {}): Promise<void> {
    checkKey(key);
    await this.#writer.put(key, bytes, digestOf(bytes), options);
  }

  async writeStream(key: string, content: ObjectContent, options: WriteOptions = {}): Promise<void> {
    checkKey(key);
    const { partBytes } = this.#settings;
    if (content.sizeBytes <= STREAMED_PARTS * partBytes && await this.#writer.putStreamed(key, content, options)) {
      return;
    }
    if (content.sizeBytes <= partBytes) await this.#writer.putCollected(key, content, options);
    else await uploadStream(this.#writer, key, content, options);
  }

  list(prefix: string, options: ListOptions = {}): AsyncIterable<readonly ObjectInfo[]> {
    return listObjects(this.#connection, prefix, options);
  }

  async remove(keys: readonly string[]): Promise<void> {
    keys.forEach(checkKey);
    await this.#remover.remove(keys);
  }

  async copyFrom(
    source: ObjectStore,
    sourceKey: string,
    key: string,
    sizeBytes: number,
    options: CopyFromOptions = {},
  ): Promise<boolean> {
    checkKey(key);
    checkKey(sourceKey);
    if (!(source instanceof S3Store) || !await this.#connection.isAlike(source.#connection)) return false;
    const from = { connection: source.#connection, key: sourceKey, sizeBytes };
    const limits = { limitBytes: this.#settings.copyLimitBytes, partBytes: this.#settings.copyPartBytes };
    return await copyObject(this.#writer, from, key, options, limits);
  }

  /** Lets idle resources go. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#connection.close();
    return Promise.resolve();
  }

  /** Finds out by GET what an answer to HEAD left open; an object that may not be read counts as absent. */
  async #probe(key: string, action: string, headers: Record<string, string>): Promise<ObjectInfo | undefined> {
    try {
      const response = await this.#connection.send(action, { method: "GET", key, headers });
      await response.discard();
      const told = (name: string) => response.headers.get(name) ?? undefined;
      return {
        key,
        sizeBytes: Number(told("content-range")?.split("/")[1] ?? told("content-length") ?? 0),
        modifiedAt: new Date(told("last-modified") ?? 0),
        etag: told("etag") ?? "",
      };
    } catch (error) {
      if (isMissingKey(error) || isImageError(error, "denied")) return undefined;
      // An empty object has no first byte.
      if (answerOf(error)?.status === 416 && headers.range) return await this.#probe(key, action, {});
      throw error;
    }
  }

  #reading(key: string): string {
    return `read "${key}" from "${this.name}"`;
  }
}

function isMissingKey(error: unknown): boolean {
  const answer = answerOf(error);
  return answer?.status === 404 && answer.code !== "NoSuchBucket";
}

function rangeHeader(range: ByteRange | undefined): string | undefined {
  if (!range || (range.start === 0 && range.length === undefined)) return undefined;
  return `bytes=${range.start}-${range.length === undefined ? "" : range.start + range.length - 1}`;
}

/** Whether an answer to a range request really begins where it should. */
function startsAt(status: number, headers: Headers, start: number): boolean {
  const given = /^bytes (\d+)-/.exec(headers.get("content-range") ?? "")?.[1];
  return status === 206 && (given === undefined || Number(given) === start);
}
