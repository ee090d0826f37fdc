/** The lines of live progress: what they say, and that they fit into any terminal. */
import assert from "node:assert/strict";
import {
  type BlobRow,
  displayWidth,
  progressLines,
  type ProgressState,
  totalLine,
} from "../../src/cli/progress_lines.ts";
import { drawsLive } from "../../src/cli/screen.ts";
import { Speed } from "../../src/cli/speed.ts";
import { formatDuration, formatSizes } from "../../src/cli/text.ts";

const pure = (name: string, fn: () => void) => Deno.test({ name, permissions: "none", fn });

const MB = 1_000_000;

function rowOf(values: Partial<BlobRow> = {}): BlobRow {
  return {
    role: "layer",
    digest: "3f5a9b0c1d2e",
    platforms: ["linux/arm64"],
    sizeBytes: 62.6 * MB,
    doneBytes: 12 * MB,
    ...values,
  };
}

function stateOf(values: Partial<ProgressState> = {}): ProgressState {
  return {
    rows: [rowOf()],
    totalBytes: 100 * MB,
    doneBytes: 25 * MB,
    blobs: 12,
    doneBlobs: 3,
    speed: 5 * MB,
    ...values,
  };
}

pure("a row names the blob, its platform, and how far it is", () => {
  assert.deepEqual(progressLines(stateOf(), { columns: 80, rows: 24 }), [
    "layer sha256:3f5a9b0c1d2e linux/arm64  [===                 ]  12.0 / 62.6 MB",
    "3/12 blobs  25.0 / 100.0 MB, 5.0 MB/s, 15 s left",
  ]);
  const shared = rowOf({ platforms: ["linux/amd64", "linux/arm64", "linux/arm/v7"] });
  assert.match(progressLines(stateOf({ rows: [shared] }), { columns: 100, rows: 24 })[0]!, /linux\/amd64 \+2 /);
});

pure("narrow terminals get shorter forms, the platform and the sizes last of all", () => {
  assert.deepEqual(progressLines(stateOf(), { columns: 40, rows: 5 }), [
    "3f5a9b0 linux/arm64  12.0 / 62.6 MB",
    "3/12  25.0 / 100.0 MB, 5.0 MB/s",
  ]);
  assert.deepEqual(progressLines(stateOf(), { columns: 24, rows: 5 }), [
    "3f5a9b…  12.0 / 62.6 MB".slice(0, 23),
    "3/12  25.0 / 100.0 MB",
  ]);
});

pure("lines fit into any terminal, with the line of the cursor below them", () => {
  const rows = Array.from({ length: 13 }, (_, index) =>
    rowOf({
      digest: `${index}`.padStart(12, "0"),
      platforms: index % 3 === 0
        ? ["windows/amd64:10.0.20348.2227", "世界/wide"]
        : index % 3 === 1
        ? []
        : ["linux/s390x"],
      doneBytes: index * 6 * MB,
      readBytes: 60 * MB,
      isSent: index === 12,
    }));
  for (let columns = 1; columns <= 130; columns++) {
    for (const height of [1, 2, 3, 5, 8, 24, 60]) {
      for (const status of [undefined, "Waiting for registry.example.com, up to 5 s: too many requests"]) {
        const lines = progressLines(stateOf({ rows, status }), { columns, rows: height });
        assert.ok(lines.length <= Math.max(height - 1, 1), `${lines.length} lines in ${height} rows`);
        for (const line of lines) assert.ok(displayWidth(line) <= Math.max(columns - 1, 1), `${columns}: ${line}`);
        // What goes on and how far it is come before single blobs.
        if (height > 2 && columns >= 40) assert.match(lines.at(-1)!, /25\.0 \/ 100\.0 MB/);
        if (height > 2 && columns >= 4 && status) assert.match(lines.at(-2)!, /^W/);
      }
    }
  }
  const [, , , more] = progressLines(stateOf({ rows }), { columns: 80, rows: 6 });
  assert.equal(more, "and 10 more");
});

pure("nothing is ever more than whole, or less than nothing", () => {
  const over = stateOf({ rows: [rowOf({ doneBytes: 63 * MB, readBytes: 64 * MB })], doneBytes: 101 * MB });
  assert.deepEqual(progressLines(over, { columns: 80, rows: 24 }), [
    "layer sha256:3f5a9b0c1d2e linux/arm64  [====================]  62.6 / 62.6 MB",
    "3/12 blobs  100.0 / 100.0 MB, 5.0 MB/s",
  ]);
  const under = stateOf({ rows: [rowOf({ doneBytes: -5 })], doneBytes: -5, speed: 0 });
  assert.deepEqual(progressLines(under, { columns: 80, rows: 24 }), [
    "layer sha256:3f5a9b0c1d2e linux/arm64  [                    ]  0.0 / 62.6 MB",
    "3/12 blobs  0.0 / 100.0 MB",
  ]);
  // Of 99.9 % the bar is not full.
  assert.match(
    progressLines(stateOf({ rows: [rowOf({ doneBytes: 62.5 * MB })] }), { columns: 80, rows: 24 })[0]!,
    /= \]/,
  );
});

pure("what is read and not sent, and what is sent and not confirmed, is said", () => {
  const of = (row: Partial<BlobRow>) => progressLines(stateOf({ rows: [rowOf(row)] }), { columns: 90, rows: 24 })[0]!;
  assert.match(of({ readBytes: 30 * MB }), /12\.0 \/ 62\.6 MB, 30\.0 MB read$/);
  assert.match(of({ readBytes: 13 * MB }), /12\.0 \/ 62\.6 MB$/);
  assert.match(of({ doneBytes: 0, readBytes: MB }), /0\.0 \/ 62\.6 MB, 1\.0 MB read$/);
  assert.match(of({ doneBytes: 62.6 * MB, isSent: true }), /62\.6 \/ 62\.6 MB, sent$/);
  assert.match(totalLine(stateOf({ speed: 0, doneBytes: 0, readSpeed: 2 * MB })), /, reading 2\.0 MB\/s$/);
});

pure("how long it still takes is said where anybody can know it", () => {
  assert.match(totalLine(stateOf({ speed: 1000 })), /, 20 h 50 min left$/);
  assert.doesNotMatch(totalLine(stateOf({ speed: 1 })), /left/);
  assert.doesNotMatch(totalLine(stateOf({ speed: undefined })), /left|\/s/);
  assert.doesNotMatch(totalLine(stateOf({ doneBytes: 100 * MB })), /left/);
  assert.match(
    totalLine(stateOf({ image: { number: 2, count: 3 } })),
    /^image 2\/3, 3\/12 blobs {2}25\.0 \/ 100\.0 MB, 5\.0 MB\/s$/,
  );
  assert.match(totalLine(stateOf({ image: { number: 3, count: 3 } })), /, 15 s left$/);
  assert.deepEqual([59_000, 61_000, 3_600_000, 90_000_000].map((each) => formatDuration(each)), [
    "59 s",
    "1 min 1 s",
    "1 h 0 min",
    "1 d 1 h",
  ]);
  assert.equal(formatSizes(0, 0), "0 / 0 B");
});

pure("a speed is that of the last seconds", () => {
  const speed = new Speed();
  speed.note(0, 0);
  assert.equal(speed.perSecond, undefined);
  for (let second = 1; second <= 10; second++) speed.note(second * 1000, second * 1000);
  assert.equal(speed.perSecond, 1000);
  for (let second = 11; second <= 20; second++) speed.note(10_000, second * 1000);
  assert.equal(speed.perSecond, 0, "it stands still");
  for (let second = 21; second <= 30; second++) speed.note(10_000 - second, second * 1000);
  assert.equal(speed.perSecond, 0, "what has to go again is no speed");
});

pure("a terminal that cannot be drawn on, or is a log, gets plain lines", () => {
  const on = (isTerminal: boolean, env: Record<string, string>) => drawsLive({ isTerminal, env: (name) => env[name] });
  assert.equal(on(true, { TERM: "xterm-256color" }), true);
  assert.equal(on(true, {}), true);
  assert.equal(on(false, { TERM: "xterm" }), false);
  assert.equal(on(true, { TERM: "dumb" }), false);
  for (const value of ["true", "1", "woodpecker"]) assert.equal(on(true, { TERM: "xterm", CI: value }), false, value);
  for (const value of ["", "0", "false", "FALSE"]) assert.equal(on(true, { TERM: "xterm", CI: value }), true, value);
});
