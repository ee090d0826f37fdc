import type { CopyEvent } from "../image/copy_image.ts";
import type { Digest } from "../oci/digest.ts";
import { shortDigest } from "../oci/short_digest.ts";
import type { CommandIo } from "./command.ts";
import { count, formatDuration, formatSize } from "./text.ts";

/** How often a live display is redrawn, in milliseconds. */
const REDRAW_MS = 120;

/** Without a terminal: how often a line tells that a long copy is alive, in milliseconds. */
const HEARTBEAT_MS = 30_000;

/** Most blobs shown at once. */
const MAX_ROWS = 8;

/** A blob in flight. */
export interface BlobRow {
  readonly name: string;
  readonly sizeBytes: number;
  readonly doneBytes: number;
}

/** Everything that a display shows. */
export interface ProgressState {
  readonly rows: readonly BlobRow[];
  readonly totalBytes: number;
  readonly doneBytes: number;
  readonly blobs: number;
  readonly doneBlobs: number;
  readonly elapsedMs: number;
}

/** The lines of a live display, each at most `columns` wide: one per blob in flight and one for the whole. */
export function renderProgress(state: ProgressState, columns: number): string[] {
  const rows = state.rows.slice(0, MAX_ROWS).map((row) => {
    const share = row.sizeBytes === 0 ? 1 : row.doneBytes / row.sizeBytes;
    return `${row.name}  ${bar(share, 20)}  ${formatSize(row.doneBytes)} / ${formatSize(row.sizeBytes)}`;
  });
  const more = state.rows.length - MAX_ROWS;
  if (more > 0) rows.push(`and ${more} more`);
  const bytesPerMs = state.doneBytes / Math.max(state.elapsedMs, 1);
  const left = state.totalBytes - state.doneBytes;
  const remaining = bytesPerMs > 0 && left > 0 && state.elapsedMs > 1000
    ? `, ${formatDuration(left / bytesPerMs)} left`
    : "";
  const speed = state.doneBytes > 0 ? `, ${formatSize(Math.round(bytesPerMs * 1000))}/s` : "";
  rows.push(
    `${state.doneBlobs}/${count(state.blobs, "blob")}  ${formatSize(state.doneBytes)} / ${
      formatSize(state.totalBytes)
    }${speed}${remaining}`,
  );
  return rows.map((row) => row.length > columns - 1 ? `${row.slice(0, Math.max(columns - 2, 0))}…` : row);
}

function bar(share: number, width: number): string {
  const filled = Math.round(Math.min(Math.max(share, 0), 1) * width);
  return `[${"=".repeat(filled)}${" ".repeat(width - filled)}]`;
}

/** Shows how a copy goes on: redrawn in place on a terminal, one line per finished blob otherwise. */
export class Progress implements Disposable {
  readonly #io: CommandIo;
  readonly #rows = new Map<Digest, { name: string; sizeBytes: number; doneBytes: number }>();
  readonly #started = performance.now();
  #totalBytes = 0;
  #doneBytes = 0;
  #blobs = 0;
  #doneBlobs = 0;
  #drawnLines = 0;
  readonly #timer: ReturnType<typeof setInterval>;

  /** Starts the display. */
  constructor(io: CommandIo) {
    this.#io = io;
    this.#timer = setInterval(() => io.isLive ? this.#draw() : this.#beat(), io.isLive ? REDRAW_MS : HEARTBEAT_MS);
  }

  /** Takes an event of the copy. */
  readonly onEvent = (event: CopyEvent): void => {
    if (event.kind === "planned") {
      this.#blobs += event.blobs.length;
      this.#totalBytes += event.blobs.reduce((sum, blob) => sum + blob.size, 0);
      if (event.presentBlobs.length > 0 && !this.#io.isLive) {
        this.#io.note(`Skipping ${count(event.presentBlobs.length, "blob")} already there`);
      }
    } else if (event.kind === "blob-started") {
      this.#rows.set(event.blob.digest, {
        name: `${event.role} ${shortDigest(event.blob.digest)}`,
        sizeBytes: event.blob.size,
        doneBytes: 0,
      });
    } else if (event.kind === "blob-bytes") {
      this.#doneBytes += event.count;
      const row = this.#rows.get(event.blob.digest);
      if (row) row.doneBytes += event.count;
    } else if (event.kind === "blob-done") {
      this.#doneBlobs++;
      const row = this.#rows.get(event.blob.digest);
      this.#doneBytes += event.blob.size - (row?.doneBytes ?? event.blob.size);
      this.#rows.delete(event.blob.digest);
      const verb = { moved: "Copied", linked: "Linked", present: "Skipped" }[event.how];
      this.#say(`${verb} ${event.role} ${shortDigest(event.blob.digest)}  ${formatSize(event.blob.size)}`);
    } else if (event.kind === "resumed") {
      this.#say(`Resuming ${shortDigest(event.blob.digest)} at byte ${event.position}: ${event.reason}`);
    }
  };

  /** Takes the display away. */
  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#clear();
  }

  #say(line: string): void {
    if (!this.#io.isLive) this.#io.note(line);
  }

  #beat(): void {
    if (this.#blobs > 0) this.#io.note(renderProgress({ ...this.#state(), rows: [] }, 1000).join(""));
  }

  #draw(): void {
    if (this.#blobs === 0) return;
    const lines = renderProgress(this.#state(), this.#io.columns());
    this.#clear();
    this.#io.err(lines.map((line) => `${line}\n`).join(""));
    this.#drawnLines = lines.length;
  }

  #clear(): void {
    if (this.#drawnLines > 0) this.#io.err(`\x1b[${this.#drawnLines}A\x1b[0J`);
    this.#drawnLines = 0;
  }

  #state(): ProgressState {
    return {
      rows: [...this.#rows.values()],
      totalBytes: this.#totalBytes,
      doneBytes: this.#doneBytes,
      blobs: this.#blobs,
      doneBlobs: this.#doneBlobs,
      elapsedMs: performance.now() - this.#started,
    };
  }
}
