/** The display over a whole copy: what it counts, and what stays of it. */
import assert from "node:assert/strict";
import { Activity } from "../../src/cli/activity.ts";
import { Progress } from "../../src/cli/progress.ts";
import { Screen } from "../../src/cli/screen.ts";
import { NoteStream } from "../../src/cli/standard_streams.ts";
import type { CopyEvent } from "../../src/image/copy_image.ts";
import type { Descriptor } from "../../src/oci/descriptor.ts";
import { digestOf } from "../../src/oci/digest.ts";
import { MEDIA_TYPES } from "../../src/oci/media_types.ts";
import { TerminalScreen } from "../support/terminal_screen.ts";

const MB = 1_000_000;

/** A display with a clock of its own, and the terminal or log that it writes to. */
class Desk {
  readonly terminal: TerminalScreen;
  readonly activity: Activity;
  readonly progress: Progress;
  readonly size: { columns: number; rows: number };
  nowMs = 0;
  /** Everything that was written, in the order. */
  written = "";
  readonly #steps: { readonly everyMs: number; readonly step: () => void }[] = [];

  constructor({ isLive = true, columns = 80, rows = 24 } = {}) {
    this.size = { columns, rows };
    this.terminal = new TerminalScreen(columns, rows);
    const notes = new NoteStream({
      writeSync: (bytes) => {
        const text = new TextDecoder().decode(bytes);
        this.written += text;
        this.terminal.write(text.replaceAll("\n", "\r\n"));
        return bytes.byteLength;
      },
      write: () => Promise.reject(new Error("not used")),
      isTerminal: () => isLive,
    });
    const screen = new Screen(notes, () => this.size);
    const note = (text: string) => screen.print(`${text}\n`);
    this.activity = new Activity(note, () => this.nowMs);
    this.progress = new Progress({ note, isLive, screen, activity: this.activity }, {
      now: () => this.nowMs,
      every: (everyMs, step) => {
        this.#steps.push({ everyMs, step });
        return () => this.#steps.splice(0);
      },
    });
  }

  /** Lets time pass. */
  pass(ms: number): void {
    for (const end = this.nowMs + ms; this.nowMs < end;) {
      this.nowMs += 40;
      for (const { everyMs, step } of [...this.#steps]) if (this.nowMs % everyMs < 40) step();
    }
  }

  tell(...events: readonly CopyEvent[]): void {
    for (const event of events) this.progress.onEvent(event);
  }
}

function blobOf(name: string, size: number): Descriptor {
  return { mediaType: MEDIA_TYPES.ociLayer, digest: digestOf(new TextEncoder().encode(name)), size };
}

const first = blobOf("first", 40 * MB);
const second = blobOf("second", 60 * MB);
const planned = (...blobs: readonly Descriptor[]): CopyEvent => ({ kind: "planned", blobs, presentBlobs: [] });
const started = (blob: Descriptor, ...platforms: readonly string[]): CopyEvent => ({
  kind: "blob-started",
  blob,
  role: "layer",
  platforms,
});
const moved = (blob: Descriptor, count: number, isHeld = false): CopyEvent => ({
  kind: "blob-bytes",
  blob,
  count,
  ...(isHeld ? { isHeld } : {}),
});
const done = (blob: Descriptor, how: "moved" | "linked" = "moved"): CopyEvent => ({
  kind: "blob-done",
  blob,
  role: "layer",
  platforms: ["linux/amd64"],
  how,
});

const pure = (name: string, fn: () => void) => Deno.test({ name, permissions: "none", fn });

pure("bytes that go again are taken back, and held ones are no speed", () => {
  const desk = new Desk();
  desk.tell(planned(first, second), started(first, "linux/amd64"), started(second, "linux/arm64"));
  desk.tell(moved(second, 30 * MB, true));
  desk.pass(1200);
  assert.match(desk.terminal.text, /30\.0 \/ 60\.0 MB/);
  assert.match(desk.terminal.text, /0\/2 blobs {2}30\.0 \/ 100\.0 MB$/, "no speed, although much is there");
  for (let second = 0; second < 5; second++) {
    desk.tell(moved(first, 4 * MB));
    desk.pass(1000);
  }
  assert.match(desk.terminal.text, /50\.0 \/ 100\.0 MB, [34]\.\d MB\/s, 1[2-6] s left$/);
  desk.tell(moved(first, -20 * MB));
  desk.pass(120);
  assert.match(desk.terminal.text, /30\.0 \/ 100\.0 MB/);
  desk.tell(moved(first, 50 * MB));
  desk.pass(120);
  assert.match(desk.terminal.text, /40\.0 \/ 40\.0 MB/);
  assert.match(desk.terminal.text, /0\/2 blobs {2}70\.0 \/ 100\.0 MB/, "never more than whole");
  desk.tell(done(first), done(second, "linked"));
  desk.pass(120);
  assert.match(desk.terminal.text, /2\/2 blobs {2}100\.0 \/ 100\.0 MB/);
  desk.progress[Symbol.dispose]();
  assert.equal(desk.terminal.text, "");
});

pure("an image that fails leaves no rows and takes its rest out of the sum", () => {
  const desk = new Desk();
  desk.progress.image(1, 2);
  desk.tell(planned(first, second), started(first, "linux/amd64"), started(second, "linux/arm64"), moved(first, MB));
  desk.pass(240);
  desk.tell(done(first), { kind: "ended" });
  desk.progress.image(2, 2);
  const third = blobOf("third", 10 * MB);
  desk.tell(planned(third), started(third, "linux/s390x"), moved(third, 5 * MB));
  desk.pass(240);
  assert.deepEqual(desk.terminal.text.split("\n"), [
    `layer sha256:${third.digest.slice(7, 19)} linux/s390x  [==========          ]  5.0 / 10.0 MB`,
    "image 2/2, 1/2 blobs  45.0 / 50.0 MB",
  ]);
  desk.progress[Symbol.dispose]();
});

pure("on a terminal breaks stay to be read above the rows, and waits are shown while they last", () => {
  const desk = new Desk();
  desk.tell(planned(first), started(first, "linux/amd64"), moved(first, 10 * MB));
  desk.pass(240);
  desk.tell({ kind: "resumed", blob: first, position: 10 * MB, reason: "the connection broke" });
  desk.pass(240);
  const lines = desk.terminal.text.split("\n");
  assert.match(lines[0]!, /^Resuming sha256:\w+ at byte 10000000: the connection broke$/);
  assert.equal(lines.length, 3);
  desk.activity.wait({ reason: "too many requests", host: "r.example.com", waitMs: 5000 });
  desk.pass(1000);
  assert.match(desk.terminal.text, /^Waiting for r\.example\.com, up to 4 s: too many requests$/m);
  desk.tell(moved(first, MB));
  desk.pass(120);
  assert.doesNotMatch(desk.terminal.text, /Waiting/);
  desk.activity.wait({ reason: "too many requests", host: "r.example.com", waitMs: 5000 });
  desk.pass(6000);
  assert.doesNotMatch(desk.terminal.text, /Waiting/);
  desk.progress[Symbol.dispose]();
  assert.equal(desk.terminal.text, lines[0]);
});

pure("what goes on before bytes move is shown: the copy's own steps, exports, compression", () => {
  const desk = new Desk();
  desk.tell({ kind: "phase", phase: "looking" });
  desk.activity.phase({ kind: "exporting", name: '"app:v1" from the daemon', doneBytes: 0 });
  desk.pass(400);
  assert.equal(desk.terminal.text, 'Exporting "app:v1" from the daemon');
  desk.activity.phase({ kind: "exporting", name: '"app:v1" from the daemon', doneBytes: 5 * MB });
  desk.pass(2000);
  assert.equal(desk.terminal.text, 'Exporting "app:v1" from the daemon  5.0 MB, 2 s');
  for (const name of ["layer a", "layer b"]) {
    desk.activity.phase({ kind: "compressing", name, doneBytes: 10 * MB, totalBytes: 40 * MB });
  }
  desk.pass(200);
  assert.equal(desk.terminal.text, "Compressing 2 layers  20.0 / 80.0 MB");
  desk.tell({ kind: "phase", phase: "comparing" });
  desk.pass(200);
  assert.equal(desk.terminal.text, "Comparing with the target");
  desk.tell(planned(first), started(first, "linux/amd64"), moved(first, first.size));
  desk.pass(3000);
  assert.match(desk.terminal.text, /40\.0 \/ 40\.0 MB, sent\nWaiting for the target to confirm, 3 s\n0\/1 blob /);
  desk.tell(done(first), { kind: "phase", phase: "publishing" });
  desk.pass(120);
  assert.match(desk.terminal.text, /^Writing manifests and the tag\n1\/1 blob /);
  desk.progress[Symbol.dispose]();
});

pure("a log gets a line for each blob, with its platform, and signs of life", () => {
  const desk = new Desk({ isLive: false });
  desk.activity.phase({ kind: "exporting", name: "app:v1", doneBytes: 0 });
  desk.activity.phase({ kind: "exporting", name: "app:v1", doneBytes: MB });
  desk.tell({ kind: "planned", blobs: [first, second], presentBlobs: [blobOf("third", 1)] });
  desk.tell(started(first, "linux/amd64"), moved(first, 20 * MB));
  desk.activity.wait({ reason: "too many requests", host: "r.example.com", waitMs: 5000 });
  desk.activity.wait({ reason: "too many requests", host: "r.example.com", waitMs: 500 });
  desk.pass(31_000);
  desk.tell(done(first), { kind: "ended" });
  desk.progress[Symbol.dispose]();
  assert.deepEqual(desk.written.split("\n"), [
    "Exporting app:v1",
    "Skipping 1 blob already there",
    "Waiting for r.example.com, up to 5.0 s: too many requests",
    "0/2 blobs  20.0 / 100.0 MB",
    `Copied layer sha256:${first.digest.slice(7, 19)} of linux/amd64  40.0 MB`,
    "",
  ]);
});

pure("a terminal that gets narrower in the middle keeps no pieces of old rows", () => {
  const desk = new Desk({ columns: 80, rows: 24 });
  desk.tell(planned(first), started(first, "linux/amd64"), moved(first, MB));
  desk.pass(240);
  const wide = desk.terminal.text.split("\n");
  // A terminal that reflows shows each of these lines in pieces of the new width.
  desk.size.columns = 40;
  const narrow = new TerminalScreen(40, 24);
  narrow.write(wide.map((line) => `${line}\r\n`).join(""));
  const before = desk.written.length;
  desk.pass(120);
  narrow.write(desk.written.slice(before).replaceAll("\n", "\r\n"));
  assert.deepEqual(narrow.text.split("\n").length, 2, narrow.text);
  desk.progress[Symbol.dispose]();
});
