import { ImageError, isImageError, messageOf } from "../errors.ts";
import { fill } from "../bytes/blob_reader.ts";
import { retrying, sleep } from "../bytes/retry.ts";
import { SentBytes } from "../bytes/sent_bytes.ts";
import { WatchedSource } from "../bytes/watched_source.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { MEDIA_TYPES } from "../oci/media_types.ts";
import { hasBlob } from "./blobs.ts";
import { withQuery } from "./endpoint.ts";
import type { Repository } from "./repository.ts";
import type { UploadContent } from "./upload_content.ts";
import {
  cancelUpload,
  completeUpload,
  expectWritten,
  readUploadOffset,
  startUpload,
  type UploadSession,
} from "./upload_session.ts";
import { PART_BYTES, uploadInParts } from "./upload_parts.ts";

/** Statuses that say "not in one piece": no such way of uploading, or too much at once. */
const REFUSES_WHOLE = new Set([404, 405, 411, 413, 501]);

/**
 * Writes one blob; the registry shows it only after it took and checked all of it.
 *
 * Up to 8 MiB it is sent from memory. A larger one is sent as one PUT of known length; where a registry refuses that,
 * or the connection breaks in it, it goes in parts, from where the registry says it stopped. `begun`: an upload that
 * the registry began already (a mount that was not granted).
 *
 * Throws whatever reading `content` throws, unchanged and at once; `unauthorized`, `denied`, `digest-mismatch`,
 * `unavailable`. Spec: OCI distribution-spec v1.1.1, "Pushing blobs".
 */
export async function uploadBlob(
  repository: Repository,
  content: UploadContent,
  begun?: UploadSession,
): Promise<void> {
  const upload = new Upload(repository, content, begun);
  const failure = await retrying(() => upload.attempt(), repository.connection.retry);
  if (failure) throw failure.error;
}

class Upload {
  readonly #repository: Repository;
  readonly #content: UploadContent;
  readonly #source = new WatchedSource();
  readonly #sent: SentBytes;
  #begun: UploadSession | undefined;
  #bytes: Uint8Array<ArrayBuffer> | undefined;
  /** How the next try goes. */
  #inParts: boolean;
  #refusesParts = false;
  #wentOn = false;

  constructor(repository: Repository, content: UploadContent, begun: UploadSession | undefined) {
    this.#repository = repository;
    const { digest, sizeBytes, onSent } = content;
    this.#sent = new SentBytes(onSent);
    this.#content = { digest, sizeBytes, open: (offset) => this.#source.open(() => content.open(offset)) };
    this.#begun = begun;
    this.#inParts = content.sizeBytes >= repository.connection.refusedWholeBytes;
  }

  /** Tries once. Throws what another try may mend; gives back what it won't. */
  async attempt(): Promise<{ readonly error: unknown } | undefined> {
    let session: UploadSession;
    try {
      session = this.#begun ?? await startUpload(this.#repository);
    } catch (error) {
      // That request was tried again often enough by itself.
      return { error };
    }
    this.#begun = undefined;
    try {
      if (this.#content.sizeBytes <= PART_BYTES) await this.#putFromMemory(session);
      else if (this.#inParts) {
        await uploadInParts(this.#repository, session, this.#content, { offset: 0, onSent: this.#onSent });
      } else await this.#putAsStream(session);
      return undefined;
    } catch (error) {
      await cancelUpload(this.#repository, session);
      if (this.#source.failure) return this.#source.failure;
      const next = this.#judge(error);
      if (next.code !== "unavailable") throw next;
      // The connection may have broken after the registry had taken everything.
      const { push } = this.#repository;
      if (await hasBlob(this.#repository, this.#descriptor, push).catch(() => false)) return undefined;
      throw next;
    }
  }

  /**
   * What a failure means for the next try. A session that was lost midway is no reason to give up, nor are bytes that
   * got mixed up because the registry still took some from a connection that had broken: a new session may hold.
   */
  #judge(error: unknown): ImageError {
    const isMixedUp = this.#wentOn && isImageError(error, "digest-mismatch");
    this.#wentOn = false;
    const isPartsRefusal = this.#inParts && isImageError(error, "unsupported") && !this.#refusesWhole;
    if (isPartsRefusal) {
      // Parts were only tried because the connection had broken: back to one piece, for good.
      this.#refusesParts = true;
      this.#inParts = false;
    }
    if (isPartsRefusal || isMixedUp || isImageError(error, "conflict") || isImageError(error, "not-found")) {
      return new ImageError("unavailable", messageOf(error), { cause: error });
    }
    if (error instanceof ImageError) return error;
    throw error;
  }

  /** Told how much of the blob the registry has taken. */
  readonly #onSent = (position: number): void => this.#sent.at(position);

  async #putFromMemory(session: UploadSession): Promise<void> {
    this.#bytes ??= await this.#readWhole();
    await completeUpload(this.#repository, session, this.#content.digest, this.#bytes, this.#onSent);
  }

  async #readWhole(): Promise<Uint8Array<ArrayBuffer>> {
    const { sizeBytes, digest } = this.#content;
    await using reader = await this.#content.open();
    const { bytes, ended } = await fill(reader, new Uint8Array(sizeBytes));
    // An empty blob is checked by reading its end.
    if (sizeBytes === 0) await reader.read(new Uint8Array(1));
    if (!ended) return bytes;
    const missing = sizeBytes - bytes.byteLength;
    throw new ImageError("digest-mismatch", `Cannot write blob "${digest}": it ends ${missing} bytes early`);
  }

  async #putAsStream(session: UploadSession): Promise<void> {
    const { sizeBytes, digest } = this.#content;
    let response;
    try {
      response = await this.#repository.send({
        method: "PUT",
        url: withQuery(session.url, "digest", digest),
        access: this.#repository.push,
        headers: { "content-type": "application/octet-stream" },
        body: async () => ({ sizeBytes, content: await this.#content.open() }),
        onSent: this.#onSent,
      });
    } catch (error) {
      if (this.#source.failure || !isImageError(error, "unavailable")) throw error;
      return await this.#goOn(session, error);
    }
    if (!REFUSES_WHOLE.has(response.status)) return await expectWritten(this.#repository, response, digest);
    await response.discard();
    await this.#beginInParts(session);
  }

  /** Goes on after a broken connection, from where the registry stopped. */
  async #goOn(session: UploadSession, broken: ImageError): Promise<void> {
    this.#inParts = !this.#refusesParts;
    this.#wentOn = true;
    // Time for the registry to notice: until then it may count bytes that are still on their way.
    const { baseDelayMs = 500, signal } = this.#repository.connection.retry;
    await sleep(baseDelayMs, signal);
    const offset = await readUploadOffset(this.#repository, session);
    if (!this.#inParts || offset === undefined || offset > this.#content.sizeBytes) throw broken;
    await uploadInParts(this.#repository, session, this.#content, { offset, onSent: this.#onSent });
  }

  async #beginInParts(refused: UploadSession): Promise<void> {
    const { connection } = this.#repository;
    this.#inParts = true;
    // Remembered for the blobs that follow, which would be sent in vain.
    connection.refusedWholeBytes = Math.min(connection.refusedWholeBytes, this.#content.sizeBytes);
    await cancelUpload(this.#repository, refused);
    const session = await startUpload(this.#repository);
    try {
      await uploadInParts(this.#repository, session, this.#content, { offset: 0, onSent: this.#onSent });
    } catch (error) {
      await cancelUpload(this.#repository, session);
      throw error;
    }
  }

  get #refusesWhole(): boolean {
    return this.#content.sizeBytes >= this.#repository.connection.refusedWholeBytes;
  }

  get #descriptor(): Descriptor {
    return { mediaType: MEDIA_TYPES.octetStream, digest: this.#content.digest, size: this.#content.sizeBytes };
  }
}
