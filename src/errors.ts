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
    super(printable(oneLine(message)), options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "ImageError";
    this.code = code;
    this.hint = options.hint === undefined ? undefined : printable(oneLine(options.hint));
  }
}

/** Whether an unknown thrown value is an {@linkcode ImageError}, of the given code if one is named. */
export function isImageError(error: unknown, code?: ErrorCode): error is ImageError {
  return error instanceof ImageError && (code === undefined || error.code === code);
}

/**
 * Whether work was only cut off, so that what is done of it is worth being kept: the other side broke off, or the caller's
 * signal stopped it. Callers of the library stop with whatever reason they like, as a rule with the runtime's own.
 */
export function isInterruption(error: unknown): boolean {
  if (error instanceof DOMException) return error.name === "AbortError" || error.name === "TimeoutError";
  return isImageError(error, "unavailable") || isImageError(error, "aborted");
}

/** The text of any thrown value, for use inside another message. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Control characters, marks that reorder or break a line, and halves of surrogate pairs: nothing that a line of text needs. */
// deno-lint-ignore no-control-regex
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]|\p{Surrogate}/gu;

/** Escapes that everybody knows. */
const SHORT_ESCAPES: Readonly<Record<string, string>> = { "\t": "\\t", "\n": "\\n", "\r": "\\r" };

/**
 * Text of the outside world made safe for a line of output: whatever could steer a terminal, turn the line around or begin
 * another one becomes a visible escape (`\n`, `\u001b`), as in JSON and in YAML between double quotes.
 *
 * All text that leaves s3lo for a person goes through here or through {@linkcode printableLines}.
 */
export function printable(text: string): string {
  return text.replaceAll(UNPRINTABLE, escaped);
}

/** The same for a text of several lines that s3lo has put together: its line breaks and tabs stay. */
export function printableLines(text: string): string {
  return text.replaceAll(UNPRINTABLE, (character) => /[\t\n]/.test(character) ? character : escaped(character));
}

/** All texts of a report made {@linkcode printable}, names of members too, before lines are made of them. */
export function printableData<T>(data: T): T {
  if (typeof data === "string") return printable(data) as T;
  if (Array.isArray(data)) return data.map(printableData) as T;
  if (typeof data !== "object" || data === null) return data;
  return Object.fromEntries(Object.entries(data).map(([name, value]) => [printable(name), printableData(value)])) as T;
}

function escaped(character: string): string {
  return SHORT_ESCAPES[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** One line of several: what breaks lines becomes a space. */
function oneLine(text: string): string {
  return text.replaceAll(/[\t\n\v\f\r\u0085\u2028\u2029]+/g, " ");
}

/** The beginning of a text made printable, marked where it was cut, so that a message which quotes it stays readable. */
export function clipped(text: string, maxLength = 80): string {
  // No more than this can be shown, however long the text is.
  const shown = printable(text.slice(0, maxLength + 1));
  return shown.length > maxLength ? `${shown.slice(0, maxLength - 3)}...` : shown;
}
