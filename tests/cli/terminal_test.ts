/** The program on a real terminal: what stays to be read when a command is over, on small terminals, on odd ones, after Ctrl-C. */
import assert from "node:assert/strict";
import { multiImage } from "../support/images.ts";
import { TerminalScreen } from "../support/terminal_screen.ts";
import { tempFolder, writeStore } from "./places.ts";
import { onTerminal, startOnTerminal } from "./shell.ts";
import { s3loOk } from "./program.ts";

const linuxTest = (name: string, fn: () => Promise<void>) => Deno.test({ name, ignore: Deno.build.os !== "linux", fn });

const LIVE = { CI: "", TERM: "xterm-256color" } as const;

/** A folder with a store whose image has three tags. */
async function ready() {
  const folder = await tempFolder();
  for (const [index, tag] of ["v1", "v2", "v3"].entries()) {
    await writeStore(`${folder.path}/store`, "app", tag, multiImage({ seed: 9100 + index, layersPerPlatform: 4 }));
  }
  return folder;
}

function shownOn(columns: number, rows: number, output: string): string {
  const screen = new TerminalScreen(columns, rows);
  screen.write(output);
  return screen.text;
}

/** The same lines, cut as the terminal cuts them. */
function wrapped(columns: number, lines: readonly string[]): readonly string[] {
  return lines.flatMap((line) => line.match(new RegExp(`.{1,${columns}}`, "g")) ?? [""]);
}

linuxTest("copies of several images leave notes, results and a sum on terminals of any size, and no rows", async () => {
  await using folder = await ready();
  for (const [columns, rows] of [[80, 24], [40, 5], [20, 2]] as const) {
    const target = `local://${folder.path}/copied-${columns}//app`;
    const source = `local://${folder.path}/store//app`;
    const run = await onTerminal(["copy", "-a", source, target], { columns, rows, env: LIVE });
    assert.equal(run.code, 0, run.stdout);
    const shown = shownOn(columns, rows, run.stdout);
    const joined = shown.replaceAll("\n", "");
    for (const tag of ["v1", "v2", "v3"]) {
      assert.ok(joined.includes(`Copying ${source}:${tag} to ${target}:${tag}`), shown);
      assert.ok(joined.includes(`${target}:${tag}@sha256:`), shown);
    }
    assert.match(joined, /3 images, \d+ blobs copied \(.*\), 0 skipped as already there \(0 B\), [\d.]+ s$/);
    assert.doesNotMatch(joined, /\d+\/\d+ blobs|\[=|layer sha256|Looking at|Comparing with|Writing manifests/, shown);
  }
});

linuxTest("bundles leave no rows and end with a sum", async () => {
  await using folder = await ready();
  const references = ["v1", "v2", "v3"].map((tag) => `local://${folder.path}/store//app:${tag}`);
  const saved = await onTerminal(["bundle", "save", "-f", `${folder.path}/b.tar`, ...references], {
    columns: 40,
    rows: 5,
    env: LIVE,
  });
  const loaded = await onTerminal(["bundle", "load", `${folder.path}/b.tar`, `local://${folder.path}/loaded`], {
    columns: 40,
    rows: 5,
    env: LIVE,
  });
  for (const run of [saved, loaded]) {
    assert.equal(run.code, 0, run.stdout);
    const shown = shownOn(40, 5, run.stdout);
    assert.doesNotMatch(shown.replaceAll("\n", ""), /\[=|layer sha256|Looking at|Comparing with|image \d\/3/, shown);
    assert.match(shown.replaceAll("\n", ""), /3 images, \d+ blobs/);
  }
});

linuxTest("a dumb terminal and the log of a build get lines without a single control sequence", async () => {
  await using folder = await ready();
  for (const [index, env] of [{ CI: "", TERM: "dumb" }, { CI: "true", TERM: "xterm" }].entries()) {
    const run = await onTerminal(
      ["copy", `local://${folder.path}/store//app:v1`, `local://${folder.path}/plain${index}//app:v1`],
      { env },
    );
    assert.equal(run.code, 0, run.stdout);
    assert.doesNotMatch(run.stdout.replaceAll("\r\n", "\n"), /\p{Cc}(?<!\n)/u);
    assert.match(run.stdout, /^(?:Copied|Linked) layer sha256:[0-9a-f]{12} of linux\/\S+ {2}[\d.]+ k?B\r$/m);
  }
});

linuxTest("Ctrl-C leaves one clean line in place of the display", async () => {
  await using folder = await tempFolder();
  const fifo = `${folder.path}/app.tar`;
  assert.equal((await new Deno.Command("sh", { args: ["-c", `mkfifo '${fifo}'`] }).output()).code, 0);
  await using run = startOnTerminal(["push", "-f", "app.tar", `local://${folder.path}/store//app:v1`], {
    env: LIVE,
    cwd: folder.path,
  });
  // Somebody who begins to write an archive and does not go on.
  using writer = await Deno.open(fifo, { write: true });
  await writer.write(new Uint8Array(1000));
  await run.shows(/Reading app\.tar {2}1\.0 kB/);
  await run.type("\x03");
  const { code, stdout } = await run.output();
  assert.equal(code, 130, stdout);
  assert.deepEqual(shownOn(80, 24, stdout).split("\n"), ["Stopped; nothing half-written is visible"]);
});

linuxTest("what a terminal shows in the end is what a pipe gets", async () => {
  await using folder = await ready();
  const list = ["list", `local://${folder.path}/store`];
  const lines = (await s3loOk(list)).trimEnd().split("\n");
  const { stdout } = await onTerminal(list, { columns: 10, rows: 4, env: LIVE });
  assert.deepEqual(shownOn(10, 4, stdout).split("\n"), wrapped(10, lines));
});
