import type { BlobReader, ByteRange } from "../bytes/blob_reader.ts";
import type { Digest } from "../oci/digest.ts";

/** What a listing or a look-up tells of an object. */
export interface ObjectInfo {
  readonly key: string;
  readonly sizeBytes: number;
  readonly modifiedAt: Date;
  /** Changes whenever the content does; an opaque text for conditional writes. */
  readonly etag: string;
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

/** How an object is copied out of another store. */
export interface CopyFromOptions extends WriteOptions {
  /** The digest that the bytes must have, where it is known. */
  readonly digest?: Digest;
  /** The ETag that the source had when the caller looked at it: another object in its place is not copied. */
  readonly sourceEtag?: string;
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
  /**
   * Asked by a store that knows how much it has sent, before it sends anything: to be told of bytes from then on, less than
   * nothing where they have to be sent again; `isHeld`: they are there from an earlier try. Absent where nobody counts.
   */
  countSent?(): (count: number, isHeld?: boolean) => void;
  /**
   * Opens what comes after the bytes that the store holds of an earlier try. Those are checked together with the rest;
   * when anything proves wrong (`digest-mismatch`) they may be to blame. Without this, nothing is kept of a failed try.
   */
  openRest?(held: HeldBytes): Promise<BlobReader>;
}

/** The first bytes of an object that a store holds of a write that was cut off. */
export interface HeldBytes {
  readonly sizeBytes: number;
  /** Opens exactly those bytes. */
  open(): Promise<BlobReader>;
}

/**
 * A flat space of keys and objects: an S3 bucket or a folder.
 *
 * Keys are relative, `/`-separated, never empty, without `.` and `..` parts; others fail with `invalid-input`. A write is
 * atomic: readers see the old object or the whole new one, and a write that fails leaves nothing visible. Of a blob that
 * can be opened in the middle (`openRest`) what has been stored may be kept, unseen, for the next try. Missing keys are
 * `undefined` or `not-found`, as each method says; other failures are `unauthorized`, `denied`, `not-found` (the bucket),
 * `unsupported` (a full disk, something the server does not do), `unavailable`, `aborted`.
 */
export interface ObjectStore {
  /** What people call it: `s3://bucket` or `local://folder`. */
  readonly name: string;
  /** Whether the objects lie on this machine, so that reading one costs no request and no transfer. */
  readonly isLocal: boolean;
  /** How many ranges of one object may be read at once with profit. */
  readonly parallelRanges: number;
  /** Whether conditional writes are known to be heeded; where that is not said, `heedsConditions()` finds out. */
  readonly isConditional?: boolean;
  /** Looks an object up; undefined when there is none, or when the identity may not know whether there is one. */
  head(key: string): Promise<ObjectInfo | undefined>;
  /**
   * Reads a small object whole, with its etag; undefined when there is none. Throws `invalid-input` when it holds more
   * than `maxBytes`, `denied` when the identity may not read it or may not know whether it exists.
   */
  read(
    key: string,
    maxBytes: number,
  ): Promise<{ readonly bytes: Uint8Array<ArrayBuffer>; readonly etag: string } | undefined>;
  /**
   * Opens an object's bytes, or a range, which ends early where the object does. Throws `not-found`, and `invalid-input`
   * for a range that starts behind the end. A reader that breaks fails with `unavailable`: open the rest as a range.
   */
  open(key: string, range?: ByteRange): Promise<BlobReader>;
  /** Writes a small object. */
  write(key: string, bytes: Uint8Array<ArrayBuffer>, options?: WriteOptions): Promise<void>;
  /**
   * Writes an object of any size from a stream. It becomes visible only after the reader said that it ended. Throws
   * `digest-mismatch` when there are fewer or more bytes than `sizeBytes`.
   */
  writeStream(key: string, content: ObjectContent, options?: WriteOptions): Promise<void>;
  /**
   * Lists the objects whose keys start with `prefix`, in order of keys, page by page. The order is by code unit; S3's, by
   * UTF-8 byte, is the same for all keys without characters beyond U+FFFF.
   */
  list(prefix: string, options?: ListOptions): AsyncIterable<readonly ObjectInfo[]>;
  /** Removes objects; keys that are not there are fine. */
  remove(keys: readonly string[]): Promise<void>;
  /**
   * Copies an object out of another store without its bytes passing through here; false when the two stores cannot, or
   * not under this condition. The new object is written as `options` say and its time is now, so copying an object onto
   * itself refreshes its time. Throws `not-found` when the source has no such object.
   *
   * Throws `digest-mismatch` when the source does not have `sizeBytes`, or not `digest` as far as the store can tell: one
   * on this machine reads what it took, before anybody can see it; an S3 server has it hashed where it can, and has only
   * the size checked where it cannot.
   */
  copyFrom(
    source: ObjectStore,
    sourceKey: string,
    key: string,
    sizeBytes: number,
    options?: CopyFromOptions,
  ): Promise<boolean>;
}

/** Which part of a listing is wanted. */
export interface ListOptions {
  /** Only keys after this one. */
  readonly startAfter?: string;
  /**
   * Which of the outermost folders hold nothing that is wanted, by name: a store that is a folder passes over those of them
   * that may not be read (`lost+found`), and fails at others.
   */
  readonly isForeign?: (folder: string) => boolean;
}
