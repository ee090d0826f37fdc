/** What the system refuses is the user's disk, rights or network: told in words, never called a bug in s3lo. */
import assert from "node:assert/strict";
import { errorLines } from "../../src/cli/report_error.ts";
import { systemProblem } from "../../src/bytes/system_errors.ts";
import { attempt } from "../../src/commands/attempt.ts";
import { tempFolder } from "./places.ts";

const FAULT = /bug in s3lo/;

async function failureOf(step: () => Promise<unknown>): Promise<unknown> {
  try {
    await step();
  } catch (error) {
    return error;
  }
  throw new assert.AssertionError({ message: "expected a failure" });
}

Deno.test("raw failures of the file system become one line with the path and a next step", async () => {
  await using folder = await tempFolder();
  const { path } = folder;
  await Deno.writeTextFile(`${path}/file`, "x");
  const steps: readonly (readonly [step: () => Promise<unknown>, said: RegExp])[] = [
    [() => Deno.readTextFile(`${path}/none`), /^Error: There is no such file or folder: ".*\/none"\n {2}Check/],
    [() => Deno.readTextFile(path), /^Error: There is a folder where a file is meant/],
    [() => Deno.readTextFile(`${path}/file/x`), /^Error: There is a file where a folder is meant/],
    [() => Deno.readTextFile(`${path}/${"n".repeat(300)}`), /^Error: A name is too long for the file system/],
    [() => Deno.mkdir(`${path}/file`), /^Error: There is something already: ".*\/file"/],
    [() => Deno.remove(path), /^Error: The folder is not empty: "/],
    [() => Deno.connect({ hostname: "127.0.0.1", port: 1 }), /^Error: The connection was refused/],
  ];
  for (const [step, said] of steps) {
    const text = errorLines(await failureOf(step));
    assert.match(text, said);
    assert.doesNotMatch(text, FAULT);
    assert.equal(text.trimEnd().split("\n").length, 2, text);
  }
});

Deno.test("failures that are hard to provoke are known by the system's name", { permissions: "none" }, () => {
  for (
    const [code, number, said] of [
      ["ENOSPC", 28, /disk is full: "\/x"/],
      ["EROFS", 30, /read-only: "\/x"/],
      ["EDQUOT", 122, /quota/],
      ["EMFILE", 24, /Too many files are open/],
      ["EIO", 5, /disk or device fails/],
      ["ELOOP", 40, /Links lead in a circle/],
      ["EACCES", 13, /system denies it/],
    ] as const
  ) {
    const error = Object.assign(new Error(`Words of the system (os error ${number}): open '/x'`), { code });
    assert.match(errorLines(error), said);
    assert.doesNotMatch(errorLines(error), FAULT);
    // Also below an error of somebody who did not look.
    assert.match(systemProblem(new Error("wrapped", { cause: error }))!.message, said);
  }
});

Deno.test("what is nobody's but the program's own is still called its fault", { permissions: "none" }, () => {
  for (const error of [new TypeError("x is not a function"), new RangeError("Invalid array length"), new Error("?")]) {
    assert.match(errorLines(error), FAULT);
  }
});

Deno.test("of several images, one that the system refuses is told in the same words, and a fault as such", async () => {
  const full = Object.assign(new Error("Words of the system (os error 28): write '/x'"), { code: "ENOSPC" });
  const refused = await attempt(() => Promise.reject(full));
  assert.ok("error" in refused);
  assert.match(errorLines(refused.error, "app:v1: "), /^Error: app:v1: The disk is full: "\/x"\n {2}Free space/);
  const fault = await attempt(() => Promise.reject(new TypeError("x is not a function")));
  assert.ok("error" in fault);
  assert.match(errorLines(fault.error), FAULT);
});
