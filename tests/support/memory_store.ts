/** An object store in memory: the contract of `ObjectStore`, with counters and with hooks to make it fail or lie. */
import { createHash } from "node:crypto";
import { type BlobReader, type ByteRange, bytesReader, fill } from "../../src/bytes/blob_reader.ts";
import { lengthMismatch } from "../../src/bytes/exact_reader.ts";
import { ImageError } from "../../src/errors.ts";
import type {
  ListOptions,
  ObjectContent,
  ObjectInfo,
  ObjectStore,
  WriteOptions,
} from "../../src/objects/object_store.ts";
import { checkKey } from "../../src/objects/keys.ts";
import { digestOf } from "../../src/oci/digest.ts";

/** Every kind of request that a store answers. */
export type StoreRequest = "head" | "read" | "open" | "write" | "writeStream" | "list" | "remove" | "copyFrom";

/** An object whose bytes are made when they are read, for layers that must not lie in memory. */
export interface LazyObject {
  readonly sizeBytes: number;
  bytes(): Uint8Array<ArrayBuffer>;
}

/** What a test may change about a store. */
export interface MemoryStoreHooks {
  /** Called before every request; throw to make it fail. */
  before?: (request: StoreRequest, key: string) => void | Promise<void>;
  /** Gives other bytes for an object than those stored; what a look-up tells stays as it was. */
  lie?: (key: string, bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>;
  /** Told how many bytes of objects are being read or written right now, after every change. */
  onInFlight?: (bytes: number) => void;
  /** Whether other memory stores' objects can be copied without their bytes passing through. Default true. */
  copiesOnServer?: boolean;
  /** Objects per page of a listing. Default 1000. */
  pageObjects?: number;
}

interface StoredObject {
  readonly content: Uint8Array<ArrayBuffer> | LazyObject;
  readonly modifiedAt: Date;
  readonly etag: string;
}

/** A store in memory. */
export class MemoryStore implements ObjectStore {
  readonly name: string;
  readonly isLocal = false;
  readonly parallelRanges = 4;
  readonly hooks: MemoryStoreHooks;
  /** How often each request was made. */
  readonly requests: Record<StoreRequest, number> = {
    head: 0,
    read: 0,
    open: 0,
    write: 0,
    writeStream: 0,
    list: 0,
    remove: 0,
    copyFrom: 0,
  };
  /** Every request in order, with its key. */
  readonly log: string[] = [];
  /** Bytes handed out and taken in so far; server-side copies count for neither. */
  bytesOut = 0;
  bytesIn = 0;
  readonly #objects = new Map<string, StoredObject>();
  #inFlight = 0;
  #clock = 0;

  constructor(name = "s3://memory", hooks: MemoryStoreHooks = {}) {
    this.name = name;
    this.hooks = hooks;
  }

  /** A store with everything that lies in a folder. */
  static async fromFolder(path: string, name?: string): Promise<MemoryStore> {
    const store = new MemoryStore(name);
    const walk = async (folder: string, prefix: string) => {
      for await (const entry of Deno.readDir(folder)) {
        const inner = `${folder}/${entry.name}`;
        if (entry.isDirectory) await walk(inner, `${prefix}${entry.name}/`);
        else store.set(`${prefix}${entry.name}`, await Deno.readFile(inner));
      }
    };
    await walk(path, "");
    return store;
  }

  /** All keys, sorted. */
  get keys(): string[] {
    return [...this.#objects.keys()].sort();
  }

  /** The bytes of an object, uncounted. */
  get(key: string): Uint8Array<ArrayBuffer> | undefined {
    const content = this.#objects.get(key)?.content;
    return content instanceof Uint8Array ? content : content?.bytes();
  }

  /** Puts an object there, uncounted. */
  set(key: string, content: Uint8Array<ArrayBuffer> | LazyObject): void {
    const etag = content instanceof Uint8Array ? createHash("md5").update(content).digest("hex") : `lazy-${key}`;
    this.#clock = Math.max(Date.now(), this.#clock + 1);
    this.#objects.set(key, { content, etag, modifiedAt: new Date(this.#clock) });
  }

  /** Makes an object so many milliseconds old, uncounted. */
  age(key: string, ms: number): void {
    const object = this.#objects.get(key);
    if (object) this.#objects.set(key, { ...object, modifiedAt: new Date(Date.now() - ms) });
  }

  /** When an object was written, uncounted. */
  timeOf(key: string): number {
    return this.#objects.get(key)?.modifiedAt.getTime() ?? 0;
  }

  /** Takes an object away, uncounted. */
  delete(key: string): void {
    this.#objects.delete(key);
  }

  async head(key: string): Promise<ObjectInfo | undefined> {
    await this.#request("head", key);
    const object = this.#objects.get(key);
    return object && infoOf(key, object);
  }

  async read(key: string, maxBytes: number): Promise<{ bytes: Uint8Array<ArrayBuffer>; etag: string } | undefined> {
    await this.#request("read", key);
    const object = this.#objects.get(key);
    if (!object) return undefined;
    const bytes = this.#content(key);
    if (bytes.byteLength > maxBytes) {
      throw new ImageError("invalid-input", `Cannot read "${key}": it has more than ${maxBytes} bytes`);
    }
    this.bytesOut += bytes.byteLength;
    return { bytes: bytes.slice(), etag: object.etag };
  }

  async open(key: string, range: ByteRange = { start: 0 }): Promise<BlobReader> {
    await this.#request("open", key);
    if (!this.#objects.has(key)) throw new ImageError("not-found", `Cannot read "${key}" of "${this.name}"`);
    const bytes = this.#content(key);
    if (range.start > 0 && range.start >= bytes.byteLength) {
      throw new ImageError("invalid-input", `Cannot read "${key}" from byte ${range.start}: it ends before`);
    }
    const end = range.length === undefined ? undefined : range.start + range.length;
    const part = bytes.subarray(range.start, end);
    const inner = bytesReader(part);
    let held = part.byteLength;
    this.#fly(held);
    return {
      read: async (into) => {
        const piece = await inner.read(into);
        this.bytesOut += piece.byteLength;
        return piece;
      },
      [Symbol.asyncDispose]: () => {
        this.#fly(-held);
        held = 0;
        return Promise.resolve();
      },
    };
  }

  async write(key: string, bytes: Uint8Array<ArrayBuffer>, options: WriteOptions = {}): Promise<void> {
    await this.#request("write", key);
    this.#checkCondition(key, options);
    this.bytesIn += bytes.byteLength;
    this.set(key, bytes.slice());
  }

  async writeStream(key: string, content: ObjectContent, options: WriteOptions = {}): Promise<void> {
    await this.#request("writeStream", key);
    await using reader = await content.open();
    const { bytes } = await fill(reader, new Uint8Array(content.sizeBytes));
    const isLong = (await reader.read(new Uint8Array(1))).byteLength > 0;
    if (isLong || bytes.byteLength !== content.sizeBytes) {
      const length = lengthMismatch(content.sizeBytes, isLong ? "more" : bytes.byteLength);
      throw new ImageError("digest-mismatch", `Cannot write "${key}": ${length}`);
    }
    if (content.digest !== undefined && digestOf(bytes) !== content.digest) {
      throw new ImageError("digest-mismatch", `Cannot write "${key}": its bytes have another digest`);
    }
    this.#checkCondition(key, options);
    this.bytesIn += bytes.byteLength;
    this.set(key, bytes);
  }

  async *list(prefix: string, options: ListOptions = {}): AsyncIterable<readonly ObjectInfo[]> {
    const { startAfter = "" } = options;
    const { pageObjects = 1000 } = this.hooks;
    const keys = this.keys.filter((key) => key.startsWith(prefix) && key > startAfter);
    for (let at = 0; at === 0 || at < keys.length; at += pageObjects) {
      await this.#request("list", prefix);
      yield keys.slice(at, at + pageObjects).flatMap((key) => {
        const object = this.#objects.get(key);
        return object ? [infoOf(key, object)] : [];
      });
    }
  }

  async remove(keys: readonly string[]): Promise<void> {
    for (const key of keys) {
      await this.#request("remove", key);
      this.#objects.delete(key);
    }
  }

  async copyFrom(
    source: ObjectStore,
    sourceKey: string,
    key: string,
    sizeBytes: number,
    options: WriteOptions = {},
  ): Promise<boolean> {
    if (!(source instanceof MemoryStore) || this.hooks.copiesOnServer === false) return false;
    await this.#request("copyFrom", key);
    const object = source.#objects.get(sourceKey);
    if (!object) throw new ImageError("not-found", `Cannot read "${sourceKey}" of "${source.name}"`);
    if (sizeOf(object) !== sizeBytes) {
      throw new ImageError("digest-mismatch", `Cannot copy "${sourceKey}": it does not have ${sizeBytes} bytes`);
    }
    this.#checkCondition(key, options);
    this.set(key, object.content);
    return true;
  }

  async #request(request: StoreRequest, key: string): Promise<void> {
    if (request !== "list") checkKey(key);
    this.requests[request]++;
    this.log.push(`${request} ${key}`);
    await this.hooks.before?.(request, key);
  }

  #content(key: string): Uint8Array<ArrayBuffer> {
    const bytes = this.get(key) ?? new Uint8Array(0);
    return this.hooks.lie?.(key, bytes) ?? bytes;
  }

  #checkCondition(key: string, { condition }: WriteOptions): void {
    if (!condition) return;
    const object = this.#objects.get(key);
    const holds = "absent" in condition ? object === undefined : object?.etag === condition.etag;
    if (!holds) throw new ImageError("conflict", `Cannot write "${key}": something else is there`);
  }

  #fly(bytes: number): void {
    this.#inFlight += bytes;
    this.hooks.onInFlight?.(this.#inFlight);
  }
}

function sizeOf(object: StoredObject): number {
  return object.content instanceof Uint8Array ? object.content.byteLength : object.content.sizeBytes;
}

function infoOf(key: string, object: StoredObject): ObjectInfo {
  return { key, sizeBytes: sizeOf(object), modifiedAt: object.modifiedAt, etag: object.etag };
}
