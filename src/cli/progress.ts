import { printable } from "../errors.ts";
import type { CopyEvent } from "../image/copy_image.ts";
import type { Digest } from "../oci/digest.ts";
import { shortDigest } from "../oci/short_digest.ts";
import type { CommandIo } from "./command.ts";
import { type BlobRow, progressLines, type ProgressState, totalLine } from "./progress_lines.ts";
import { Speed } from "./speed.ts";
import { count, formatDuration, formatSize } from "./text.ts";

/** How often a live display is redrawn, in milliseconds. */
const REDRAW_MS = 120;

/** Without a terminal: how often a line tells that a long copy is alive, in milliseconds. */
const HEARTBEAT_MS = 30_000;

/** How long the receiver may take to confirm a blob before it is said that all was sent, in milliseconds. */
const SENT_MS = 1000;

const PHASES = {
  looking: "Looking at the image",
  comparing: "Comparing with the target",
  publishing: "Writing manifests and the tag",
} as const;

/** A blob in flight. */
interface Row {
  readonly role: string;
  readonly platforms: readonly string[];
  readonly sizeBytes: number;
  doneBytes: number;
  readBytes: number | undefined;
  /** Since when all of it is done. */
  fullSinceMs: number | undefined;
}

/** What a display needs of the outside. */
export type ProgressIo = Pick<CommandIo, "note" | "isLive" | "screen" | "activity">;

/** When a display is drawn; tests have another idea of it. */
export interface ProgressClock {
  readonly now: () => number;
  /** Calls again and again; what is returned ends that. */
  readonly every: (intervalMs: number, step: () => void) => () => void;
}

const CLOCK: ProgressClock = {
  now: () => performance.now(),
  every: (intervalMs, step) => {
    const timer = setInterval(step, intervalMs);
    return () => clearInterval(timer);
  },
};

/** Shows how a copy goes on: redrawn in place on a terminal, one line per finished blob otherwise. */
export class Progress implements Disposable {
  readonly #io: ProgressIo;
  readonly #clock: ProgressClock;
  readonly #stop: () => void;
  readonly #rows = new Map<Digest, Row>();
  /** Blobs of the image at hand that are not over, and their sizes. */
  readonly #pending = new Map<Digest, number>();
  readonly #speed = new Speed();
  readonly #readSpeed = new Speed();
  #movedBytes = 0;
  #readBytes = 0;
  #totalBytes = 0;
  /** Of blobs that are over. */
  #settledBytes = 0;
  #blobs = 0;
  #doneBlobs = 0;
  #image: { readonly number: number; readonly count: number } | undefined;

  /** Starts the display. */
  constructor(io: ProgressIo, clock: ProgressClock = CLOCK) {
    this.#io = io;
    this.#clock = clock;
    io.activity.isShown = io.isLive;
    const sample = () => {
      this.#speed.note(this.#movedBytes, clock.now());
      this.#readSpeed.note(this.#readBytes, clock.now());
    };
    sample();
    const stopSampling = clock.every(io.isLive ? REDRAW_MS : 1000, () => {
      sample();
      if (io.isLive) this.#draw();
    });
    const stopBeating = io.isLive ? () => {} : clock.every(HEARTBEAT_MS, () => this.#beat());
    this.#stop = () => {
      stopSampling();
      stopBeating();
    };
  }

  /** Says which of how many images is next. */
  image(number: number, count: number): void {
    this.#image = { number, count };
  }

  /** Takes an event of the copy. */
  readonly onEvent = (event: CopyEvent): void => {
    const { activity } = this.#io;
    if (event.kind === "phase") activity.begin(PHASES[event.phase]);
    else if (event.kind === "planned") this.#plan(event);
    else if (event.kind === "blob-started") this.#start(event);
    else if (event.kind === "blob-bytes") this.#move(event);
    else if (event.kind === "blob-read") {
      this.#readBytes += event.count;
      const row = this.#rows.get(event.blob.digest);
      if (row) row.readBytes = (row.readBytes ?? 0) + event.count;
    } else if (event.kind === "blob-done") this.#finish(event);
    else if (event.kind === "resumed") {
      this.#io.note(`Resuming ${shortDigest(event.blob.digest)} at byte ${event.position}: ${event.reason}`);
    } else if (event.kind === "ended") this.#settle();
  };

  /** Takes the display away. */
  [Symbol.dispose](): void {
    this.#stop();
    this.#io.activity.isShown = false;
    this.#io.screen.clear();
  }

  #plan({ blobs, presentBlobs }: Extract<CopyEvent, { kind: "planned" }>): void {
    this.#io.activity.end();
    this.#blobs += blobs.length;
    for (const { digest, size } of blobs) {
      this.#totalBytes += size;
      this.#pending.set(digest, size);
    }
    if (presentBlobs.length > 0 && !this.#io.isLive) {
      this.#io.note(`Skipping ${count(presentBlobs.length, "blob")} already there`);
    }
  }

  #start({ blob, role, platforms }: Extract<CopyEvent, { kind: "blob-started" }>): void {
    this.#rows.set(blob.digest, {
      role,
      platforms: shownPlatforms(platforms),
      sizeBytes: blob.size,
      doneBytes: 0,
      readBytes: undefined,
      fullSinceMs: undefined,
    });
  }

  #move({ blob, count, isHeld = false }: Extract<CopyEvent, { kind: "blob-bytes" }>): void {
    if (!isHeld) this.#movedBytes += count;
    this.#io.activity.end();
    const row = this.#rows.get(blob.digest);
    if (!row) return;
    row.doneBytes += count;
    row.fullSinceMs = row.doneBytes < row.sizeBytes ? undefined : row.fullSinceMs ?? this.#clock.now();
  }

  #finish({ blob, role, platforms, how }: Extract<CopyEvent, { kind: "blob-done" }>): void {
    this.#rows.delete(blob.digest);
    this.#pending.delete(blob.digest);
    this.#doneBlobs++;
    this.#settledBytes += blob.size;
    if (this.#io.isLive) return;
    const verb = { moved: "Copied", linked: "Linked", present: "Skipped" }[how];
    const [platform = ""] = shownPlatforms(platforms);
    const owner = platform === "" ? "" : ` of ${platform}`;
    this.#io.note(`${verb} ${role} ${shortDigest(blob.digest)}${owner}  ${formatSize(blob.size)}`);
  }

  /** An image is over: what it did not get to is not to come any more. */
  #settle(): void {
    this.#io.activity.end();
    this.#rows.clear();
    for (const size of this.#pending.values()) {
      this.#totalBytes -= size;
      this.#blobs--;
    }
    this.#pending.clear();
  }

  #beat(): void {
    const status = this.#io.activity.text;
    if (status !== undefined) this.#io.note(status);
    if (this.#blobs > 0) this.#io.note(totalLine(this.#state()));
  }

  #draw(): void {
    this.#io.screen.show(progressLines(this.#state(), this.#io.screen.size));
  }

  #state(): ProgressState {
    const rows = [...this.#rows].map(([digest, row]) => rowOf(digest, row, this.#clock.now()));
    const moving = rows.reduce((sum, row) => sum + Math.min(Math.max(row.doneBytes, 0), row.sizeBytes), 0);
    return {
      rows,
      totalBytes: this.#totalBytes,
      doneBytes: this.#settledBytes + moving,
      blobs: this.#blobs,
      doneBlobs: this.#doneBlobs,
      speed: this.#speed.perSecond,
      readSpeed: this.#readSpeed.perSecond,
      image: this.#image,
      status: this.#io.activity.text ?? this.#waiting(rows),
    };
  }

  /** What is waited for when all that is under way was handed over. */
  #waiting(rows: readonly BlobRow[]): string | undefined {
    if (rows.length === 0 || rows.some(({ isSent }) => !isSent)) return undefined;
    const since = Math.max(...[...this.#rows.values()].map(({ fullSinceMs }) => fullSinceMs ?? 0));
    return `Waiting for the target to confirm, ${formatDuration(this.#clock.now() - since, { isRough: true })}`;
  }
}

function rowOf(digest: Digest, { fullSinceMs, readBytes, ...row }: Row, nowMs: number): BlobRow {
  return {
    ...row,
    digest: shortDigest(digest).replace(/^sha256:/, ""),
    ...(readBytes === undefined ? {} : { readBytes }),
    isSent: fullSinceMs !== undefined && row.sizeBytes > 0 && nowMs - fullSinceMs >= SENT_MS,
  };
}

/** What an index calls the owners of a blob; a single image has no such name. */
function shownPlatforms(platforms: readonly string[]): readonly string[] {
  return platforms.filter((platform) => platform !== "").map(printable);
}
