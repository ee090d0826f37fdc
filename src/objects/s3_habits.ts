import { crc32 } from "node:zlib";
import { createHash } from "node:crypto";
import { Buffer } from "node:buffer";
import { algorithmOf, type Digest, hexOf } from "../oci/digest.ts";
import { answerOf, type S3Answer } from "./s3_answer.ts";

/**
 * How a server is given checksums: S3's own headers, none (some compatible servers refuse those), or the old Content-MD5
 * (which some demand instead).
 */
export type ChecksumMode = "amz" | "none" | "md5";

/** By which of S3's own checksums the parts of an upload are checked. */
export type PartChecksum = "CRC32" | "SHA256";

/** What one attempt sends that a server might not take. */
export interface Habit {
  readonly checksum: ChecksumMode;
  readonly storageClass: string | undefined;
}

/** Learns, once per store, what a server does not take, and has the step repeated without it. */
export class S3Habits {
  #habit: Habit;
  readonly #isClassFixed: boolean;
  readonly #log: (line: string) => void;

  /** Starts with checksums and the wanted storage class, which stays what it is where it is fixed. */
  constructor(
    { storageClass, isClassFixed }: { readonly storageClass: string | undefined; readonly isClassFixed: boolean },
    log: (line: string) => void,
  ) {
    this.#habit = { checksum: "amz", storageClass };
    this.#isClassFixed = isClassFixed;
    this.#log = log;
  }

  /** Runs a step that follows the habit it is given, again with a better one for as long as that was the trouble. */
  async adapting<T>(step: (habit: Habit) => Promise<T>): Promise<T> {
    const first = this.#habit;
    let habit = first;
    while (true) {
      try {
        const result = await step(habit);
        if (habit !== first) this.#learn(first, habit);
        return result;
      } catch (error) {
        const answer = answerOf(error);
        const better = answer && improved(habit, answer, this.#isClassFixed);
        if (!better) throw error;
        this.#log(
          `The server refused (${answer.code}); trying with checksums: ${better.checksum}, storage class: ${
            better.storageClass ?? "default"
          }`,
        );
        habit = better;
      }
    }
  }

  /** Keeps what made a step succeed, beside what others have learned meanwhile. */
  #learn(first: Habit, worked: Habit): void {
    this.#habit = {
      checksum: worked.checksum === first.checksum ? this.#habit.checksum : worked.checksum,
      storageClass: worked.storageClass === first.storageClass ? this.#habit.storageClass : worked.storageClass,
    };
  }
}

/**
 * What to try after a refusal; undefined when the refusal has another reason. Servers share no codes for this, so their
 * words have to be read.
 */
function improved(habit: Habit, answer: S3Answer, isClassFixed: boolean): Habit | undefined {
  const { status, code, words } = answer;
  if ((status !== 400 && status !== 501) || /if-(none-)?match/i.test(words)) return undefined;
  const aboutClass = code === "InvalidStorageClass" || /storage.?class/i.test(words);
  const aboutChecksum = /checksum|content-md5|sdk-checksum/i.test(words) || code === "MissingContentMD5";
  if (aboutChecksum && (code === "MissingContentMD5" || /requir|missing|must/i.test(words))) {
    return habit.checksum === "md5" ? undefined : { ...habit, checksum: "md5" };
  }
  const broken = code === "BadDigest" || code.startsWith("XAmzContent");
  if (habit.checksum === "amz" && !aboutClass && !broken && (aboutChecksum || status === 501)) {
    return { ...habit, checksum: "none" };
  }
  if (habit.storageClass !== undefined && !isClassFixed && (aboutClass || status === 501)) {
    return { ...habit, storageClass: undefined };
  }
  return undefined;
}

/**
 * The headers with which a server checks the bytes of one request: the digest where it is a sha256 one (of exactly these
 * bytes), else CRC32; or MD5.
 */
export function checksumHeaders(mode: ChecksumMode, bytes: Uint8Array, digest?: Digest): Record<string, string> {
  if (mode === "none") return {};
  if (mode === "md5") return { "content-md5": createHash("md5").update(bytes).digest("base64") };
  if (digest && algorithmOf(digest) === "sha256") return digestHeader(digest);
  return { "x-amz-checksum-crc32": crc32Base64(bytes) };
}

/** The headers with which a server checks one part of an upload: by the checksum that the upload was begun with, if any. */
export function partHeaders(
  mode: ChecksumMode,
  checksum: PartChecksum | undefined,
  bytes: Uint8Array,
): Record<string, string> {
  return checksum === "SHA256" ? { "x-amz-checksum-sha256": sha256Base64(bytes) } : checksumHeaders(mode, bytes);
}

/**
 * What a request over plain http says of its body, for the server to hold the signature to it. Where a header names one of
 * S3's checksums that is signed already, and is not reckoned a second time.
 */
export function signedPayload(headers: Readonly<Record<string, string>>, body: unknown): string {
  const sha256 = headers["x-amz-checksum-sha256"];
  if (sha256 !== undefined) return Buffer.from(sha256, "base64").toString("hex");
  const isChecked = headers["x-amz-checksum-crc32"] !== undefined;
  return isChecked || !(body instanceof Uint8Array) ? UNSIGNED_PAYLOAD : sha256Hex(body);
}

/** What a request says of a body that its signature does not cover. */
export const UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD";

/** The header by which a server checks bytes that are not there yet, from their sha256 digest. */
export function digestHeader(digest: Digest): Record<string, string> {
  return { "x-amz-checksum-sha256": base64OfHex(hexOf(digest)) };
}

/** The CRC32 of bytes as S3 writes it: four bytes, highest first, in base64. */
export function crc32Base64(bytes: Uint8Array): string {
  return base64OfHex((crc32(bytes) >>> 0).toString(16).padStart(8, "0"));
}

/** The SHA-256 of bytes as signatures have it. */
export function sha256Hex(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** The SHA-256 of bytes as S3 writes it. */
export function sha256Base64(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("base64");
}

function base64OfHex(hex: string): string {
  return Buffer.from(hex, "hex").toString("base64");
}
