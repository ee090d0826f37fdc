import { formatDuration, formatSize, formatSizes } from "./text.ts";

/** A blob in flight. */
export interface BlobRow {
  readonly role: string;
  /** The first digits of its digest. */
  readonly digest: string;
  /** The platforms that hold it, made printable. */
  readonly platforms: readonly string[];
  readonly sizeBytes: number;
  readonly doneBytes: number;
  /** How much is read and waits to be sent; undefined where reading is all there is. */
  readonly readBytes?: number;
  /** Whether all of it was handed over some time ago and the receiver has not said yet that it has it. */
  readonly isSent?: boolean;
}

/** Everything that a display shows. */
export interface ProgressState {
  readonly rows: readonly BlobRow[];
  readonly totalBytes: number;
  readonly doneBytes: number;
  readonly blobs: number;
  readonly doneBlobs: number;
  /** Bytes a second over the last seconds; undefined before anything can be said. */
  readonly speed?: number | undefined;
  /** The same of what is read, where nothing is sent yet. */
  readonly readSpeed?: number | undefined;
  /** Which of several images is at hand. */
  readonly image?: { readonly number: number; readonly count: number } | undefined;
  /** What is waited for or prepared, made printable. */
  readonly status?: string | undefined;
}

/** The size of a terminal. */
export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** Most blobs shown at once. */
const MAX_ROWS = 8;

const BAR_COLUMNS = 20;

/** A bar shorter than this says nothing. */
const MIN_BAR_COLUMNS = 6;

/** As much as is read ahead of what is sent all the time. */
const MIN_AHEAD_BYTES = 4 * 1024 * 1024;

/** Less is over before it is read. */
const MIN_LEFT_MS = 500;

/** Nobody plans with more than this. */
const MAX_LEFT_MS = 10 * 24 * 3600 * 1000;

/**
 * The lines of a live display: blobs in flight, what is waited for, and the whole. They fit into the terminal, one line
 * below them included where the cursor stays.
 */
export function progressLines(state: ProgressState, size: TerminalSize): string[] {
  const columns = Math.max(size.columns - 1, 1);
  const last = [
    ...(state.status === undefined ? [] : [state.status]),
    ...(state.blobs === 0 ? [] : [totalLine(state, columns)]),
  ];
  const room = Math.max(size.rows - 1, 1);
  const shown = last.slice(-room);
  const rows = blobLines(state.rows, Math.min(room - shown.length, MAX_ROWS), columns);
  return [...rows, ...shown].map((line) => cut(line, columns));
}

function blobLines(rows: readonly BlobRow[], room: number, columns: number): string[] {
  if (room < 1) return [];
  const shown = rows.length <= room ? rows : rows.slice(0, room - 1);
  const more = rows.length - shown.length;
  return [...alignedLines(shown, columns), ...(more > 0 ? [`and ${more} more`] : [])];
}

/** Each blob's name, a bar, and how far it is; what does not fit is left out, names and bars first. */
function alignedLines(rows: readonly BlobRow[], columns: number): string[] {
  for (const sizes of [rows.map(sizesWithNote), rows.map(sizesOf)]) {
    for (const form of [0, 1, 2]) {
      const names = rows.map((row) => blobNames(row)[form]!);
      const nameColumns = Math.max(0, ...names.map(displayWidth));
      const room = columns - nameColumns - Math.max(0, ...sizes.map((each) => each.length)) - 6;
      if (room < -4 || (room < MIN_BAR_COLUMNS && form < 2)) continue;
      return rows.map((row, index) => {
        const drawn = room < MIN_BAR_COLUMNS ? "" : `${bar(row, Math.min(room, BAR_COLUMNS))}  `;
        return `${padded(names[index]!, nameColumns)}  ${drawn}${sizes[index]!}`;
      });
    }
  }
  return rows.map((row) => {
    const sizes = sizesOf(row);
    return `${cut(blobNames(row).at(-1)!, Math.max(columns - sizes.length - 2, 1))}  ${sizes}`;
  });
}

function sizesOf({ doneBytes, sizeBytes }: BlobRow): string {
  return formatSizes(clamp(doneBytes, sizeBytes), sizeBytes);
}

/** What is read and not sent is said where that is more than what is always on its way. */
function sizesWithNote(row: BlobRow): string {
  const doneBytes = clamp(row.doneBytes, row.sizeBytes);
  const readBytes = clamp(row.readBytes ?? 0, row.sizeBytes);
  const isAhead = readBytes - doneBytes > (doneBytes > 0 ? MIN_AHEAD_BYTES : 0);
  return `${sizesOf(row)}${row.isSent ? ", sent" : isAhead ? `, ${formatSize(readBytes)} read` : ""}`;
}

/** What a blob is called, the longest name first. */
function blobNames({ role, digest, platforms }: BlobRow): readonly string[] {
  const [first = "", ...others] = platforms;
  const platform = first === "" ? "" : ` ${first}${others.length > 0 ? ` +${others.length}` : ""}`;
  return [`${role} sha256:${digest}${platform}`, `${role} ${digest}${platform}`, `${digest.slice(0, 7)}${platform}`];
}

/** How far the whole is, in as many words as fit. */
export function totalLine(state: ProgressState, columns = Infinity): string {
  const { blobs, doneBlobs, totalBytes, image, speed = 0, readSpeed = 0 } = state;
  const doneBytes = clamp(state.doneBytes, totalBytes);
  // Of images that are still to come nobody knows the size yet.
  const isOpen = image !== undefined && image.number < image.count;
  const leftMs = speed > 0 && !isOpen ? (totalBytes - doneBytes) / speed * 1000 : 0;
  const left = leftMs >= MIN_LEFT_MS && leftMs <= MAX_LEFT_MS ? formatDuration(leftMs, { isRough: true }) : undefined;
  const rate = speed > 0
    ? `${formatSize(Math.round(speed))}/s`
    : readSpeed > 0
    ? `reading ${formatSize(Math.round(readSpeed))}/s`
    : undefined;
  const sizes = formatSizes(doneBytes, totalBytes);
  const count = `${doneBlobs}/${blobs}`;
  const whole = `${count} ${blobs === 1 ? "blob" : "blobs"}  ${sizes}`;
  const forms = [
    ...(image && image.count > 1
      ? [[`image ${image.number}/${image.count}`, whole, rate, left && `${left} left`]]
      : []),
    [whole, rate, left && `${left} left`],
    [`${count}  ${sizes}`, rate, left && `${left} left`],
    [`${count}  ${sizes}`, rate],
    [`${count}  ${sizes}`],
    [sizes],
  ].map((parts) => parts.filter((part) => part !== undefined).join(", "));
  return forms.find((form) => form.length <= columns) ?? forms.at(-1)!;
}

function clamp(value: number, limit: number): number {
  return Math.min(Math.max(value, 0), limit);
}

function bar({ doneBytes, sizeBytes }: BlobRow, width: number): string {
  const filled = Math.floor((sizeBytes === 0 ? 1 : clamp(doneBytes / sizeBytes, 1)) * width);
  return `[${"=".repeat(filled)}${" ".repeat(width - filled)}]`;
}

function padded(text: string, columns: number): string {
  return text + " ".repeat(columns - displayWidth(text));
}

/** The beginning of a line that fits into so many columns. */
function cut(line: string, columns: number): string {
  if (displayWidth(line) <= columns) return line;
  let shown = "";
  let width = 1;
  for (const character of line) {
    width += characterWidth(character);
    if (width > columns) break;
    shown += character;
  }
  return `${shown}…`;
}

/** How many columns a text takes, rather too many than too few. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const character of text) width += characterWidth(character);
  return width;
}

/** Scripts from here on hold wide characters. The ellipsis is narrow. */
function characterWidth(character: string): number {
  return character.codePointAt(0)! >= 0x1100 && character !== "…" ? 2 : 1;
}
