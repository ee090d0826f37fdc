import { ImageError, isImageError } from "../errors.ts";
import type { HttpResponse } from "../http/message.ts";
import type { Digest } from "../oci/digest.ts";
import { resolveUrl, withQuery } from "./endpoint.ts";
import type { Repository } from "./repository.ts";

/** Largest part that a registry may insist on: parts are held in memory. */
const MAX_PART_BYTES = 64 * 1024 * 1024;

/** How long a registry may take to forget an upload, and how long when somebody waits for this program to stop. */
const CANCEL_MS = 30_000;
const STOPPED_CANCEL_MS = 700;

/** How often an upload is cancelled into which bytes still come from a connection that has broken. */
const CANCEL_TRIES = 3;

/** An upload that a registry has begun to take. */
export interface UploadSession {
  /** Where the next request goes. Registries change it with every answer; {@linkcode advance} keeps it up to date. */
  url: string;
  /** Smallest part that the registry takes, except for the last (`OCI-Chunk-Min-Length`); 0 where it does not care. */
  readonly minPartBytes: number;
}

/** What became of the wish to take over a blob from another repository. */
export type MountOutcome = { readonly mounted: true } | { readonly mounted: false; readonly session?: UploadSession };

/** Begins an upload. Throws `unauthorized`, `denied`, `not-found`, `unavailable`. */
export async function startUpload(repository: Repository): Promise<UploadSession> {
  const response = await repository.send({ method: "POST", url: "blobs/uploads/", access: repository.push });
  if (response.status !== 202 && response.status !== 201) {
    throw await repository.failure(response, `Cannot write blobs to "${repository.label}"`);
  }
  await response.discard();
  const session = await beginSession(repository, response);
  if (session) return session;
  throw new ImageError(
    "invalid-input",
    `Cannot write blobs to "${repository.label}": the registry names no place to upload to`,
  );
}

/**
 * Asks a registry to take over a blob from another repository of its own. A refusal of any kind is "no": the upload
 * that follows says what is wrong. When the registry began an upload instead, that one is handed over.
 *
 * Spec: OCI distribution-spec v1.1.1, "Mounting a blob from another repository".
 */
export async function mountBlob(repository: Repository, digest: Digest, from: string): Promise<MountOutcome> {
  const url = withQuery(withQuery("blobs/uploads/", "mount", digest), "from", from);
  const access = { ...repository.push, scopes: [...repository.push.scopes, `repository:${from}:pull`] };
  let response: HttpResponse;
  try {
    response = await repository.send({ method: "POST", url, access });
  } catch (error) {
    // A token server may give no token at all where one of the two repositories is out of reach.
    if (isImageError(error, "unauthorized") || isImageError(error, "denied")) return { mounted: false };
    throw error;
  }
  await response.discard();
  if (response.status === 201) return { mounted: true };
  const session = response.status === 202 ? await beginSession(repository, response) : undefined;
  return { mounted: false, ...(session ? { session } : {}) };
}

/** Takes in the `Location` of an answer: it counts from now on. */
export function advance(session: UploadSession, response: HttpResponse): void {
  const location = response.headers.get("location");
  session.url = (location === null ? undefined : resolveUrl(location, session.url)) ?? session.url;
}

async function beginSession(repository: Repository, response: HttpResponse): Promise<UploadSession | undefined> {
  const location = response.headers.get("location");
  const asked = `${await repository.connection.origin()}/v2/${repository.name}/blobs/uploads/`;
  const url = location === null ? undefined : resolveUrl(location, asked);
  if (url === undefined) return undefined;
  const minimum = Number(response.headers.get("oci-chunk-min-length") ?? 0);
  return { url, minPartBytes: Number.isSafeInteger(minimum) ? Math.min(Math.max(minimum, 0), MAX_PART_BYTES) : 0 };
}

/** How many bytes of an upload the registry holds; undefined when it knows nothing of it. `signal`: as of a request. */
export async function readUploadOffset(
  repository: Repository,
  session: UploadSession,
  signal?: AbortSignal,
): Promise<number | undefined> {
  const response = await repository.send({ method: "GET", url: session.url, access: repository.push, signal });
  await response.discard();
  if (response.status !== 204 && response.status !== 200 && response.status !== 202) return undefined;
  const end = /^(?:bytes=)?0-(\d+)$/.exec(response.headers.get("range")?.trim() ?? "")?.[1];
  if (end === undefined) return undefined;
  advance(session, response);
  // "0-0" is what registries say of an upload that holds nothing yet.
  return end === "0" ? 0 : Number(end) + 1;
}

/** Ends an upload by naming the digest of what was sent. Throws what the registry has against it. */
export async function completeUpload(
  repository: Repository,
  session: UploadSession,
  digest: Digest,
  bytes = new Uint8Array(0),
  onSent?: (sentBytes: number) => void,
): Promise<void> {
  const response = await repository.send({
    method: "PUT",
    url: withQuery(session.url, "digest", digest),
    access: repository.push,
    headers: { "content-type": "application/octet-stream" },
    body: bytes,
    onSent,
    isRepeatable: false,
  });
  await expectWritten(repository, response, digest);
}

/** Throws unless the answer says that the blob was taken. */
export async function expectWritten(repository: Repository, response: HttpResponse, digest: Digest): Promise<void> {
  if (response.status < 200 || response.status > 299) {
    throw await repository.failure(response, `Cannot write blob "${digest}" to "${repository.label}"`);
  }
  await response.discard();
  const stored = response.headers.get("docker-content-digest");
  // Proxies have been seen to mix answers up.
  if (stored !== null && stored !== digest && stored.startsWith("sha256:") === digest.startsWith("sha256:")) {
    throw new ImageError("unavailable", `Cannot trust "${repository.label}": its answer belongs to another request`);
  }
}

/**
 * Tells the registry to forget an upload, also when the user has stopped everything. Never throws: one that stays is removed
 * by the registry in time.
 */
export async function cancelUpload(repository: Repository, session: UploadSession): Promise<void> {
  const isStopped = repository.connection.retry.signal?.aborted ?? false;
  const signal = AbortSignal.timeout(isStopped ? STOPPED_CANCEL_MS : CANCEL_MS);
  try {
    for (let tries = 1; tries <= CANCEL_TRIES; tries++) {
      const response = await repository.send({
        method: "DELETE",
        url: session.url,
        access: repository.push,
        isRepeatable: false,
        signal,
      });
      await response.discard();
      // Where bytes came that were not waited for, the registry wants to hear of as many as it holds.
      if (response.status !== 416 || await readUploadOffset(repository, session, signal) === undefined) return;
    }
  } catch {
    // Nothing depends on it.
  }
}
