import type { BlobReader, ByteRange } from "../bytes/blob_reader.ts";
import type { Digest } from "../oci/digest.ts";

/** What a listing or a look-up tells of an object. */
export interface ObjectInfo {
  readonly key: string;
  readonly sizeBytes: number;
  readonly modifiedAt: Date;
  /** Changes whenever the content does; an opaque text for conditional writes. */
  readonly etag: string;
  /** S3's storage class; undefined where there is none or it is the default. */
  readonly storageClass?: string;
}

/** A condition under which a write takes place; otherwise it fails with `conflict` and changes nothing. */
export type WriteCondition = { readonly absent: true } | { readonly etag: string };

/** How an object is written. */
export interface WriteOptions {
  readonly contentType?: string;
  /** Whether the object is large and immutable, so that the store may choose a class for such data. */
  readonly isBlob?: boolean;
  readonly condition?: WriteCondition;
}

/** What an object's bytes are and where they come from. */
export interface ObjectContent {
  readonly sizeBytes: number;
  /** The digest of the bytes where it is known, for the server to check too. */
  readonly digest?: Digest;
  /**
   * Opens the bytes. The reader fails instead of handing out the last of them when they are not what they should be; the
   * object must then stay invisible. May be called again after a failed try.
   */
  open(): Promise<BlobReader>;
}

/**
 * A flat space of keys and objects: an S3 bucket or a folder.
 *
 * Keys are relative, `/`-separated, never empty, without `.` and `..` parts. A write is atomic: readers see the old
 * object or the whole new one. Missing keys are `undefined` or `not-found`, as each method says; other failures are
 * `unauthorized`, `denied`, `not-found` (the bucket), `unavailable`.
 */
export interface ObjectStore {
  /** What people call it: `s3://bucket` or `local://folder`. */
  readonly name: string;
  /** Whether the objects lie on this machine, so that reading one costs no request and no transfer. */
  readonly isLocal: boolean;
  /** How many ranges of one object may be read at once with profit. */
  readonly parallelRanges: number;
  /** Looks an object up; undefined when there is none. */
  head(key: string): Promise<ObjectInfo | undefined>;
  /** Reads a small object whole, `maxBytes` at most, with its etag; undefined when there is none. */
  read(
    key: string,
    maxBytes: number,
  ): Promise<{ readonly bytes: Uint8Array<ArrayBuffer>; readonly etag: string } | undefined>;
  /** Opens an object's bytes, or a range. Throws `not-found`. */
  open(key: string, range?: ByteRange): Promise<BlobReader>;
  /** Writes a small object. */
  write(key: string, bytes: Uint8Array<ArrayBuffer>, options?: WriteOptions): Promise<void>;
  /** Writes an object of any size from a stream. */
  writeStream(key: string, content: ObjectContent, options?: WriteOptions): Promise<void>;
  /** Lists the objects whose keys start with `prefix`, in order of keys (by code unit), page by page. */
  list(prefix: string, options?: ListOptions): AsyncIterable<readonly ObjectInfo[]>;
  /** Removes objects; keys that are not there are fine. */
  remove(keys: readonly string[]): Promise<void>;
  /**
   * Copies an object out of another store without its bytes passing through here; false when the two stores cannot. The
   * new object is written as `options` say.
   */
  copyFrom(
    source: ObjectStore,
    sourceKey: string,
    key: string,
    sizeBytes: number,
    options?: WriteOptions,
  ): Promise<boolean>;
}

/** Which part of a listing is wanted. */
export interface ListOptions {
  /** Only keys after this one. */
  readonly startAfter?: string;
}
