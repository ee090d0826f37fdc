import { ImageError } from "../errors.ts";
import { bytesReader, fill } from "../bytes/blob_reader.ts";
import { retrying } from "../bytes/retry.ts";
import type { Repository } from "./repository.ts";
import type { UploadContent } from "./upload_content.ts";
import { advance, completeUpload, readUploadOffset, type UploadSession } from "./upload_session.ts";

/** Size of a part, where the registry does not ask for larger ones. */
export const PART_BYTES = 8 * 1024 * 1024;

/**
 * Sends a blob's bytes from `offset` on in parts, each from memory, and completes the upload.
 *
 * A part whose connection broke is sent again from where the registry says it stopped. Throws `conflict` when the
 * registry has lost the upload, so that it has to begin anew. Spec: OCI distribution-spec v1.1.1, "Pushing a blob in
 * chunks".
 */
export async function uploadInParts(
  repository: Repository,
  session: UploadSession,
  content: UploadContent,
  { offset, onSent }: { readonly offset: number; readonly onSent?: (position: number) => void },
): Promise<void> {
  let position = offset;
  const partBytes = Math.max(PART_BYTES, session.minPartBytes);
  if (position < content.sizeBytes) {
    await using reader = await content.open(position);
    let buffer = new ArrayBuffer(Math.min(partBytes, content.sizeBytes - position));
    while (position < content.sizeBytes) {
      const wanted = Math.min(partBytes, content.sizeBytes - position);
      const { bytes, ended } = await fill(reader, new Uint8Array(buffer, 0, wanted));
      if (ended) {
        const missing = wanted - bytes.byteLength;
        throw new ImageError(
          "digest-mismatch",
          `Cannot write blob "${content.digest}": it ends ${missing} bytes early`,
        );
      }
      await sendPart(repository, session, bytes, { position, onSent });
      position += bytes.byteLength;
      buffer = bytes.buffer;
    }
  }
  await completeUpload(repository, session, content.digest);
}

/** Sends one part, in as many tries as it takes. */
async function sendPart(
  repository: Repository,
  session: UploadSession,
  part: Uint8Array<ArrayBuffer>,
  { position, onSent }: { readonly position: number; readonly onSent: ((position: number) => void) | undefined },
): Promise<void> {
  let sent = 0;
  await retrying(async (attempt) => {
    if (attempt > 1) {
      const offset = await readUploadOffset(repository, session);
      if (offset === undefined || offset < position || offset > position + part.byteLength) throw lost(repository);
      sent = offset - position;
    }
    if (sent === part.byteLength) return;
    const rest = part.subarray(sent);
    const start = position + sent;
    const response = await repository.send({
      method: "PATCH",
      url: session.url,
      access: repository.push,
      headers: {
        "content-type": "application/octet-stream",
        "content-range": `${start}-${start + rest.byteLength - 1}`,
      },
      // As a stream, since the runtime's fetch silently sends bytes in memory again when a connection breaks; a part
      // that arrives twice spoils the upload.
      body: () => Promise.resolve({ sizeBytes: rest.byteLength, content: bytesReader(rest) }),
      onSent: (sentBytes) => onSent?.(start + sentBytes),
    });
    // Some answer 201 or 204 instead of 202, and a `Range` that lags behind: the status alone counts.
    if (response.status < 200 || response.status > 299) {
      const error = await repository.failure(response, `Cannot write blobs to "${repository.label}"`);
      if (response.status === 404 || response.status === 410) throw lost(repository, error);
      throw response.status === 416 ? new ImageError("unavailable", error.message, { cause: error }) : error;
    }
    await response.discard();
    advance(session, response);
  }, repository.connection.retry);
}

function lost(repository: Repository, cause?: ImageError): ImageError {
  const message = `Cannot go on with an upload to "${repository.label}": the registry has lost it`;
  return new ImageError("conflict", message, { cause });
}
