import { ImageError } from "../errors.ts";
import type { BlobReader } from "../bytes/blob_reader.ts";
import { prefetched } from "../bytes/prefetch.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";

/** A blob that somebody has to give. */
export interface OfferedBlob {
  readonly blob: Descriptor;
  /** Opens its bytes. */
  open(): Promise<BlobReader>;
  /** Opens a compressed layer's tar, where that is to be had more cheaply than by unpacking the bytes. */
  openRaw?(diffId: Digest): Promise<OpenedTar | undefined>;
}

/** A layer's tar, checked as it is read. */
export interface OpenedTar {
  readonly sizeBytes: number;
  readonly content: BlobReader;
}

/** How far each blob that waits for its turn is read ahead: 8 buffers of 1 MiB. */
const AHEAD = { bufferBytes: 1024 * 1024, count: 8 } as const;

/** One blob: whoever has it and whoever wants it meet here. */
interface Slot {
  readonly offered: PromiseWithResolvers<OfferedBlob>;
  readonly reader: PromiseWithResolvers<BlobReader>;
  readonly done: PromiseWithResolvers<void>;
  isOffered: boolean;
  isTaken: boolean;
  isSkipped: boolean;
}

/**
 * Brings blobs that come several at once into the order in which an archive takes them, one after the other.
 *
 * A blob that is offered is opened at once and read 8 MiB ahead while it waits, so the number of offers at a time bounds
 * the memory. They must come in about the order of the archive: one whose turn has come is waited for.
 */
export class BlobQueue implements AsyncDisposable {
  readonly #waits: (blob: Descriptor) => boolean;
  readonly #slots = new Map<Digest, Slot>();
  #failure: { readonly error: unknown } | undefined;
  #isComplete = false;

  /** `waits` tells of blobs that are opened only on their turn, because only then it is known how. Default: none. */
  constructor(waits: (blob: Descriptor) => boolean = () => false) {
    this.#waits = waits;
  }

  /** Gives a blob; resolves once all of it was taken. Throws what ended the archive, whichever blob that came from. */
  async offer(content: OfferedBlob): Promise<void> {
    this.#check();
    if (this.#isComplete) return;
    const slot = this.#slot(content.blob.digest);
    if (!slot.isOffered && !slot.isSkipped) {
      slot.isOffered = true;
      slot.offered.resolve(content);
      if (!this.#waits(content.blob)) {
        content.open().then(
          (reader) => slot.reader.resolve(prefetched(reader, AHEAD)),
          (error) => this.fail(error),
        );
      }
    }
    await slot.done.promise;
  }

  /** Takes a blob, waiting until it is offered. Read it to its end, or close it, which fails the queue. */
  async open(blob: Descriptor): Promise<BlobReader> {
    this.#check();
    const slot = this.#slot(blob.digest);
    slot.isTaken = true;
    const offered = await slot.offered.promise;
    if (!this.#waits(offered.blob)) return this.#watched(slot, await slot.reader.promise);
    return this.#watched(slot, prefetched(await offered.open(), AHEAD));
  }

  /** Like {@linkcode open}, for the tar of a layer; undefined when whoever offers it has no better way to it. */
  async openRaw(layer: Descriptor, diffId: Digest): Promise<OpenedTar | undefined> {
    this.#check();
    const slot = this.#slot(layer.digest);
    const offered = await slot.offered.promise;
    const raw = this.#waits(offered.blob) ? await offered.openRaw?.(diffId) : undefined;
    if (!raw) return undefined;
    slot.isTaken = true;
    return { sizeBytes: raw.sizeBytes, content: this.#watched(slot, raw.content) };
  }

  /** A reader that tells whoever gave the blob how it went. */
  #watched(slot: Slot, reader: BlobReader): BlobReader {
    let isEnded = false;
    return {
      read: async (into) => {
        try {
          const piece = await reader.read(into);
          if (piece.byteLength === 0 && into.byteLength > 0) isEnded = true;
          return piece;
        } catch (error) {
          this.fail(error);
          throw error;
        }
      },
      [Symbol.asyncDispose]: async () => {
        await reader[Symbol.asyncDispose]();
        if (isEnded) slot.done.resolve();
        else this.fail(stopped());
      },
    };
  }

  /** Tells that the archive does not take this blob: it counts as given, whether it is offered yet or not. */
  skip(blob: Descriptor): void {
    const slot = this.#slot(blob.digest);
    if (slot.isTaken) return;
    slot.isSkipped = true;
    slot.done.resolve();
  }

  /** Tells that the archive has all that it needs: blobs that it did not take (the same tar, packed twice) count as given. */
  complete(): void {
    this.#isComplete = true;
    for (const slot of this.#slots.values()) if (!slot.isTaken) slot.done.resolve();
  }

  /** Ends everything that waits, now and later, with an error. The first one counts. */
  fail(error: unknown): void {
    if (this.#failure) return;
    this.#failure = { error };
    for (const slot of this.#slots.values()) {
      slot.offered.reject(error);
      slot.reader.reject(error);
      slot.done.reject(error);
    }
  }

  /** Fails whatever still waits and closes what was opened for it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.fail(stopped());
    for (const slot of this.#slots.values()) {
      if (slot.isTaken) continue;
      const reader = await slot.reader.promise.catch(() => undefined);
      await reader?.[Symbol.asyncDispose]();
    }
  }

  #slot(digest: Digest): Slot {
    let slot = this.#slots.get(digest);
    if (!slot) {
      slot = {
        offered: Promise.withResolvers(),
        reader: Promise.withResolvers(),
        done: Promise.withResolvers(),
        isOffered: false,
        isTaken: false,
        isSkipped: false,
      };
      // Either may fail while nobody waits for it.
      slot.offered.promise.catch(() => {});
      slot.reader.promise.catch(() => {});
      slot.done.promise.catch(() => {});
      this.#slots.set(digest, slot);
    }
    return slot;
  }

  #check(): void {
    if (this.#failure) throw this.#failure.error;
  }
}

function stopped(): ImageError {
  return new ImageError("aborted", "Stopped writing the archive before its end");
}
