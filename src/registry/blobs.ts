import { ImageError, isImageError } from "../errors.ts";
import type { BlobReader, ByteRange } from "../bytes/blob_reader.ts";
import { bytesReader } from "../bytes/blob_reader.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { HttpResponse } from "../http/message.ts";
import { exactReader } from "./exact_reader.ts";
import type { Repository } from "./repository.ts";

/**
 * Opens a blob's bytes, or a range of them.
 *
 * The reader gives exactly the bytes asked for, or fails with `unavailable` when the connection ends early. A registry
 * that does not do ranges is read from the start and skipped forward, a few times for each blob at most. Every call starts
 * at the registry's own URL: where an earlier one was redirected to may have expired.
 *
 * Throws `not-found`, `digest-mismatch` when the registry gives another size, `unauthorized`, `denied`, `unavailable`.
 * Spec: OCI distribution-spec v1.1.1, "Pulling blobs"; RFC 9110, section 14.
 */
export async function openBlob(repository: Repository, blob: Descriptor, range?: ByteRange): Promise<BlobReader> {
  const { start, length, isWhole } = bounds(blob, range);
  if (range && length <= 0) return bytesReader(new Uint8Array(0));
  const { ranges } = repository.connection;
  const answer = isWhole || ranges.isMissing ? undefined : await askForRange(repository, blob, { start, length });
  if (answer instanceof RangeReader) return answer.reader;
  if (start > 0 && !ranges.mayRestart(blob.digest)) {
    await answer?.discard();
    throw new ImageError(
      "unavailable",
      `Cannot read ${what(repository, blob)}: connections break, and the registry gives no ranges to go on from there`,
    );
  }
  const whole = answer ?? await repository.send({ method: "GET", url: `blobs/${blob.digest}`, isChecked: true });
  if (whole.status !== 200) throw await refusal(repository, blob, whole);
  await checkLength(repository, blob, whole);
  return exactReader(whole.reader(), { skip: start, length, what: what(repository, blob) });
}

/**
 * Opens a range of a blob; undefined when the registry gives no ranges, and nothing is read then. For whoever reads several
 * at once. Throws as {@linkcode openBlob}.
 */
export async function openRange(
  repository: Repository,
  blob: Descriptor,
  range: ByteRange,
): Promise<BlobReader | undefined> {
  const { ranges } = repository.connection;
  const answer = await ranges.inTurn(async () =>
    ranges.isMissing ? undefined : await askForRange(repository, blob, bounds(blob, range))
  );
  if (answer instanceof RangeReader) return answer.reader;
  await answer?.discard();
  return undefined;
}

/**
 * Whether the registry holds a blob of this size.
 *
 * A refusal counts as "no": some registries let nobody ask without the right to list, and the write that follows then
 * says what is wrong. Throws `unauthorized`, `unavailable`.
 */
export async function hasBlob(repository: Repository, blob: Descriptor, access = repository.pull): Promise<boolean> {
  let response: HttpResponse;
  try {
    response = await repository.send({ method: "HEAD", url: `blobs/${blob.digest}`, access });
  } catch (error) {
    // Sent on over plain http, where anybody could answer.
    if (isImageError(error, "denied")) return false;
    throw error;
  }
  await response.discard();
  if (response.status === 200) {
    const length = response.headers.get("content-length");
    return length === null || Number(length) === blob.size;
  }
  const isTrouble = response.status === 401 || response.status === 429 || response.status >= 500;
  if (isTrouble) throw await repository.failure(response, `Cannot look for ${what(repository, blob)}`);
  return false;
}

/** A part of a blob. */
interface Part {
  readonly start: number;
  readonly length: number;
}

function bounds(blob: Descriptor, range: ByteRange | undefined): Part & { readonly isWhole: boolean } {
  const start = range?.start ?? 0;
  const length = Math.min(range?.length ?? Infinity, blob.size - start);
  return { start, length, isWhole: start === 0 && length === blob.size };
}

/** A range, as it was asked for. */
class RangeReader {
  constructor(readonly reader: BlobReader) {}
}

/** Asks for a range. Gives the answer itself where everything is given instead, and nothing where the range is refused (416). */
async function askForRange(
  repository: Repository,
  blob: Descriptor,
  { start, length }: Part,
): Promise<RangeReader | HttpResponse | undefined> {
  const { ranges } = repository.connection;
  const headers = { range: `bytes=${start}-${start + length - 1}` };
  const response = await repository.send({ method: "GET", url: `blobs/${blob.digest}`, headers, isChecked: true });
  if (response.status === 200 || response.status === 416) {
    ranges.learn(false);
    if (response.status === 200) return response;
    await response.discard();
    return undefined;
  }
  if (response.status !== 206) throw await refusal(repository, blob, response);
  await checkContentRange(repository, blob, response, start);
  ranges.learn(true);
  return new RangeReader(exactReader(response.reader(), { length, what: what(repository, blob) }));
}

async function checkContentRange(
  repository: Repository,
  blob: Descriptor,
  response: HttpResponse,
  start: number,
): Promise<void> {
  const text = response.headers.get("content-range") ?? "";
  const match = /^bytes\s+(\d+)-(\d+)\/(\d+|\*)$/i.exec(text.trim());
  const isRight = match !== null && Number(match[1]) === start && (match[3] === "*" || Number(match[3]) === blob.size);
  if (isRight) return;
  await response.discard();
  throw new ImageError(
    "invalid-input",
    `Cannot read ${what(repository, blob)}: the registry gave range "${text.slice(0, 60)}", not one from ${start}`,
  );
}

async function checkLength(repository: Repository, blob: Descriptor, response: HttpResponse): Promise<void> {
  const length = response.headers.get("content-length");
  if (length === null || Number(length) === blob.size) return;
  await response.discard();
  throw new ImageError(
    "digest-mismatch",
    `Cannot read ${what(repository, blob)}: the registry gives ${Number(length)} bytes, not ${blob.size}`,
  );
}

async function refusal(repository: Repository, blob: Descriptor, response: HttpResponse): Promise<ImageError> {
  const error = await repository.failure(response, `Cannot read ${what(repository, blob)}`);
  if (response.status !== 404) return error;
  return new ImageError("not-found", `Cannot find ${what(repository, blob)}: the registry has no such blob`, {
    cause: error,
  });
}

function what(repository: Repository, blob: Descriptor): string {
  return `blob "${blob.digest}" of "${repository.label}"`;
}
