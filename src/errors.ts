/**
 * What went wrong, as a closed set: code branches on this and never on the text of a message.
 *
 * - `usage`: the command line is wrong (exit 2).
 * - `invalid-reference`: a reference, tag, digest or platform that cannot be read (exit 2).
 * - `invalid-input`: outside data (manifest, archive, answer) that breaks its specification.
 * - `not-found`: the named thing is not there.
 * - `unauthorized`: no credentials, or wrong ones.
 * - `denied`: credentials are known and do not suffice.
 * - `conflict`: something else is there already, or somebody else was faster.
 * - `digest-mismatch`: bytes that do not match their digest or size.
 * - `unsupported`: understood and not possible here.
 * - `unavailable`: network or server trouble; trying again may help.
 * - `aborted`: the caller's signal stopped the work.
 */
export type ErrorCode =
  | "usage"
  | "invalid-reference"
  | "invalid-input"
  | "not-found"
  | "unauthorized"
  | "denied"
  | "conflict"
  | "digest-mismatch"
  | "unsupported"
  | "unavailable"
  | "aborted";

/** Beyond code and message: a next step for the reader, and the error that led here. */
export interface ImageErrorOptions {
  /** What to do next: one line that starts with a verb. */
  readonly hint?: string | undefined;
  /** The error underneath, shown with `--debug` only. */
  readonly cause?: unknown;
}

/**
 * The one error class of s3lo.
 *
 * The message is one line for a person: sentence case, action first, values quoted, no final period, no secrets. Message and
 * hint go through {@linkcode printable}, so text of the outside world that they quote cannot steer a terminal.
 */
export class ImageError extends Error {
  /** Which kind of failure this is. */
  readonly code: ErrorCode;
  /** What to do next, if there is something. */
  readonly hint: string | undefined;

  /** Makes an error of the given kind; see {@linkcode ErrorCode}. */
  constructor(code: ErrorCode, message: string, options: ImageErrorOptions = {}) {
    super(printable(message), options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "ImageError";
    this.code = code;
    this.hint = options.hint === undefined ? undefined : printable(options.hint);
  }
}

/** Whether an unknown thrown value is an {@linkcode ImageError}, of the given code if one is named. */
export function isImageError(error: unknown, code?: ErrorCode): error is ImageError {
  return error instanceof ImageError && (code === undefined || error.code === code);
}

/** The text of any thrown value, for use inside another message. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Control characters, marks that reorder or break a line, and halves of surrogate pairs: nothing that a line of text needs. */
// deno-lint-ignore no-control-regex
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]|\p{Surrogate}/gu;

/**
 * Text of the outside world made safe for a line of output: white-space controls become spaces, every other character that
 * could steer a terminal (escape sequences, direction marks) becomes `?`.
 */
export function printable(text: string): string {
  return text.replaceAll(UNPRINTABLE, (character) => /\s/.test(character) ? " " : "?");
}

/** The beginning of a text, marked where it was cut, so that a message which quotes it stays readable. */
export function clipped(text: string, maxLength = 80): string {
  return text.length > maxLength ? `${text.slice(0, maxLength - 3)}...` : text;
}
