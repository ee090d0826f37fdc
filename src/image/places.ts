import type { BlobReader, ByteRange } from "../bytes/blob_reader.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import type { Manifest } from "../oci/manifest.ts";

/**
 * A place that one image is read from, opened for one reference.
 *
 * A source gives bytes as they are stored and promises nothing about them: the copier checks sizes and digests.
 */
export interface ImageSource extends AsyncDisposable {
  /** The reference as the user wrote it, without secrets. */
  readonly name: string;
  /** How many ranges of one large blob may be read at once; 1 where ranges are not to be had. */
  readonly parallelRanges: number;
  /** The manifest or index that the reference resolves to. Throws `not-found`. */
  root(): Promise<Manifest>;
  /** A manifest that an index (or a referrer's descriptor) names. Throws `not-found`. */
  manifest(child: Descriptor): Promise<Manifest>;
  /** Opens a blob's bytes as stored, or a range of them. Throws `not-found`. */
  openBlob(blob: Descriptor, range?: ByteRange): Promise<BlobReader>;
  /**
   * Opens a range as {@linkcode openBlob} does, for whoever reads several at once; undefined where the place turns out to
   * give no ranges. Absent where it always does.
   */
  openRange?(blob: Descriptor, range: ByteRange): Promise<BlobReader | undefined>;
  /**
   * Opens a compressed layer as the raw tar of its diff id, where the place keeps it in a form that gives one more cheaply
   * than unpacking the whole; undefined for any other layer. Absent where there is no such form.
   */
  openRawLayer?(layer: Descriptor, diffId: Digest, signal?: AbortSignal): Promise<RawLayer | undefined>;
  /** How the place holds each of these layers; absent where that is nobody's business. */
  storedLayers?(layers: readonly Descriptor[]): Promise<ReadonlyMap<Digest, LayerState>>;
  /**
   * Whether a blob is there, for places whose indexes may name more than they hold (archives); see `wholePart`. Absent
   * where all that an index names must be there.
   */
  holds?(blob: Descriptor): Promise<boolean>;
  /** Entries of an index that the place does not hold whole and that its root does not name any more; absent for none. */
  readonly leftOut?: readonly LeftOutEntry[];
  /** The manifests that refer to a subject (signatures, SBOMs); absent where the place cannot hold any. */
  referrers?(subject: Digest): Promise<readonly Descriptor[]>;
  /** What another tag of the same repository means; undefined when there is none. Absent where there are no tags beside. */
  tagged?(tag: string): Promise<Manifest | undefined>;
  /** The signature records that a bucket keeps beside the tag; absent elsewhere. They are bound to their place. */
  signatures?(): Promise<readonly SignatureRecord[]>;
  /** What was asked for and the place would not tell, for want of rights: the answer then was that there is none. */
  readonly withheld?: ReadonlySet<Withheld>;
}

/** An entry of an index that is not taken, since not all of it is there. */
export interface LeftOutEntry {
  /** Its platform, `attestation of` one, or its digest where the index names neither. */
  readonly label: string;
  readonly isAttestation: boolean;
}

/** What is only told beside an image, and may be withheld. */
export type Withheld = "signatures" | "referrers";

/** A layer without its compression. */
export interface RawLayer {
  /** Length of the tar. */
  readonly sizeBytes: number;
  /**
   * The tar, checked as {@linkcode BlobContent.open}'s bytes are: the last of them are handed out only when the whole is
   * what was asked for. To be closed by whoever opened it.
   */
  readonly content: BlobReader;
}

/** How a place holds a layer. */
export interface LayerState {
  /** `damaged`: there is something, and it cannot be this layer. */
  readonly stored: "whole" | "chunks" | "missing" | "damaged";
  /** Number of chunks; for `chunks` only. */
  readonly chunks?: number;
  /** Length of the tar, where that is known without unpacking anything. */
  readonly rawSizeBytes?: number;
  /** What is wrong, for `damaged`. */
  readonly problem?: string;
}

/** A signature record beside a tag, as far as a reader without the key can tell. */
export interface SignatureRecord {
  /** The key as its signer named it. */
  readonly key_ref: string;
  /** The first 16 hex digits of the public key's SHA-256. */
  readonly key_id: string;
  /** When it was signed: RFC 3339. */
  readonly signed_at: string;
  /** The manifest that was signed. */
  readonly digest: string;
  /** Whether that is still what the tag means. */
  readonly current: boolean;
}

/** The first bytes of a blob as a target holds them from an earlier try; nobody has checked them yet. */
export interface HeldPrefix {
  readonly sizeBytes: number;
  /** Opens exactly those bytes. */
  open(): Promise<BlobReader>;
}

/** The bytes of one blob, checked while they are read. */
export interface BlobContent {
  readonly blob: Descriptor;
  /**
   * Opens the bytes from `offset` (default 0; no further than has been read before) to the end.
   *
   * The reader throws `digest-mismatch` instead of handing out the last bytes when size or digest are wrong, so a target
   * that needs the whole never gets it. May be called again after a failed write.
   *
   * `held`: bytes that are read from there instead of from the source. They are hashed like all others, so `offset` may
   * go as far as they do, and a mismatch can be their fault: drop them and open again without.
   */
  open(offset?: number, held?: HeldPrefix): Promise<BlobReader>;
  /**
   * Asked by a target that sends bytes and knows how many the receiver has taken, before it sends any: it tells of them from
   * then on, less than nothing where they have to be sent again; `isHeld`: they are there from an earlier try. Without this
   * the bytes count when they are read. Absent where nobody counts.
   */
  countSent?(): (count: number, isHeld?: boolean) => void;
  /**
   * Opens a compressed layer as the raw tar of its diff id, where the source has a better way to it than {@linkcode open}
   * and unpacking; undefined where it has none. A target that needs tars asks this first.
   */
  openRaw?(diffId: Digest): Promise<RawLayer | undefined>;
}

/** What a target can take; read before the first byte moves. */
export interface TargetLimits {
  /** How many blobs may be written at once. */
  readonly concurrentBlobs: number;
  /** Whether it takes the bytes of one blob after the other, in the planned order, and lets the others wait. Default no. */
  readonly takesInOrder?: boolean;
  /** Whether it holds an index; otherwise one platform must be chosen. */
  readonly acceptsIndex: boolean;
  /** Whether what refers to the image (signatures, SBOMs) can be found there afterwards. Default yes. */
  readonly holdsReferrers?: boolean;
}

/**
 * What became of a blob that the target was to take over by itself: done without its bytes passing through here (`linked`)
 * or with them (`moved`: a layer in chunks, of which only the missing ones move), found to be there already (`present`), or
 * (false) not possible for this pair of places.
 */
export type LinkResult = "linked" | "moved" | "present" | false;

/**
 * A place that one image is written to, opened for one reference. Leaving its scope removes what was half-written.
 *
 * Order of calls: `plan`, `findBlobs`, blobs in any order, then child manifests before their parents, then `writeTagged`,
 * then `publish` last.
 */
export interface ImageTarget extends AsyncDisposable {
  /** The reference as the user wrote it, without secrets. */
  readonly name: string;
  readonly limits: TargetLimits;
  /**
   * Told once, before anything moves, what will be written: manifests from the root down (depth first, the root first) and
   * the blobs in their order. Where order matters (archives) it follows this one. May refuse, with `conflict` when the tag
   * is protected.
   */
  plan?(manifests: readonly Manifest[], blobs: readonly Descriptor[]): Promise<void>;
  /** Which of these blobs the target holds already, whole: they need not be written. Asked for all at once, to save requests. */
  findBlobs(blobs: readonly Descriptor[]): Promise<ReadonlySet<Digest>>;
  /**
   * Takes a blob over from the source without its bytes passing through here (server-side copy, mount).
   *
   * `content`: the blob, for a target that checks it first where that is cheap.
   */
  linkBlob(content: BlobContent, source: ImageSource): Promise<LinkResult>;
  /** Writes one blob; it is visible only after all of it was accepted. Writing one that is there is fine. */
  writeBlob(content: BlobContent): Promise<void>;
  /** Writes a manifest under its digest. */
  writeManifest(manifest: Manifest): Promise<void>;
  /**
   * Makes another tag of the same repository mean this manifest, which belongs to the image by that tag's name. Throws
   * `conflict` when the tag is protected. Absent where the target has no tags beside the one it was opened for.
   */
  writeTagged?(tag: string, manifest: Manifest): Promise<void>;
  /** Makes the image visible under its reference: the one write that does. Throws `conflict` when the tag is protected. */
  publish(root: Manifest): Promise<void>;
}
