import assert from "node:assert/strict";
import { commandHelp, programHelp } from "../../src/cli/help.ts";
import { parseInvocation } from "../../src/cli/parse.ts";
import { COMMANDS } from "../../src/cli/program.ts";
import { errorLines, exitCodeOf } from "../../src/cli/report_error.ts";
import { parseSize } from "../../src/cli/size.ts";
import { formatDuration, formatMegabytes, formatSize } from "../../src/cli/text.ts";
import { ImageError, isImageError, printable } from "../../src/errors.ts";
import { s3lo } from "./program.ts";

const pure = (name: string, fn: () => void) => Deno.test({ name, permissions: "none", fn });

pure("parseInvocation() takes global options before and after the command", () => {
  const { command, operands, options } = parseInvocation(
    ["--endpoint", "http://h", "copy", "a", "--debug", "b"],
    COMMANDS,
  );
  assert.equal(command?.name, "copy");
  assert.deepEqual(operands, ["a", "b"]);
  assert.equal(options.value("endpoint"), "http://h");
  assert.ok(options.flag("debug"));
});

pure("parseInvocation() collects an option that is given several times", () => {
  const { options } = parseInvocation(["copy", "--platform", "a,b", "--platform=c", "x", "y"], COMMANDS);
  assert.deepEqual(options.values("platform"), ["a,b", "c"]);
});

pure("parseInvocation() finds the command after short options in one word, the last of which takes a value", () => {
  for (const args of [["-qo", "json"], ["-qojson"], ["-q", "-o", "json"]]) {
    const { command, operands, options } = parseInvocation([...args, "version"], COMMANDS);
    assert.equal(command?.name, "version");
    assert.deepEqual(operands, []);
    assert.equal(options.value("output"), "json");
    assert.ok(options.flag("quiet"));
  }
});

pure("parseInvocation() leaves what comes after -- alone", () => {
  assert.deepEqual(parseInvocation(["copy", "--", "-a", "b"], COMMANDS).operands, ["-a", "b"]);
});

const WRONG: readonly [args: string[], message: RegExp, hint?: RegExp][] = [
  [["cpoy", "a", "b"], /Unknown command "cpoy"/, /Did you mean copy\?/],
  [["copy", "--platfrom", "x", "a", "b"], /Unknown option "--platfrom"/, /Did you mean --platform\?/],
  [["copy", "a"], /Missing TARGET/, /Usage: s3lo copy/],
  [["copy", "a", "b", "c"], /Unexpected argument "c"/],
  [["copy", "a", "b", "--platform"], /Option "--platform" needs a value/],
  [["copy", "a", "b", "--debug=1"], /Option "--debug" takes no value/],
  [["inspect", "a", "-o", "xml"], /Unknown value "xml" of --output/],
];
for (const [args, message, hint] of WRONG) {
  pure(`parseInvocation() refuses: ${args.join(" ")}`, () => {
    assert.throws(() => parseInvocation(args, COMMANDS), (error: Error) => {
      assert.ok(isImageError(error, "usage"), String(error));
      assert.match(error.message, message);
      if (hint) assert.match(error.hint ?? "", hint);
      return true;
    });
  });
}

pure("help names every option and has an example for every command", () => {
  const program = programHelp(COMMANDS);
  for (const command of COMMANDS) {
    assert.ok(program.includes(`  ${command.name} `), command.name);
    const help = commandHelp(command);
    for (const option of command.options) assert.ok(help.includes(`--${option.name}`), option.name);
    assert.ok(command.examples.length > 0 && command.examples.every(([line]) => help.includes(line)), command.name);
    for (const line of help.split("\n")) assert.ok(line.length <= 120, line);
  }
});

pure("every example of the help is a command line that is understood", () => {
  for (const command of COMMANDS) {
    for (const [line] of command.examples) {
      const part = line.split(/ \| |<\(|\)/).find((each) => each.startsWith("s3lo "))!;
      const args = part.split(" > ")[0]!.split(" ").slice(1).map((arg) => arg.replace(/""$/, ""));
      assert.equal(parseInvocation(args, COMMANDS).command, command, line);
    }
  }
});

pure("errorLines() gives one line and a hint, and no stack without debug", () => {
  const error = new ImageError("not-found", "Cannot read\n  it", { hint: "Try again", cause: new Error("inner") });
  assert.equal(errorLines(error), "Error: Cannot read   it\n  Try again\n");
  assert.match(errorLines(error, "", true), /ImageError[\s\S]*inner/);
});

pure("errorLines() lets no control characters of the outside world through", () => {
  assert.ok(!errorLines(new ImageError("not-found", "a\x1b[31mb\u202e")).includes("\x1b"));
  assert.equal(printable("a\x1b\u202e\u0085b"), "a\\u001b\\u202e\\u0085b");
});

pure("exitCodeOf() tells wrong usage from failure", () => {
  assert.equal(exitCodeOf(new ImageError("usage", "x")), 2);
  assert.equal(exitCodeOf(new ImageError("invalid-reference", "x")), 2);
  assert.equal(exitCodeOf(new ImageError("not-found", "x")), 1);
  assert.equal(exitCodeOf(new Error("x")), 1);
});

pure("sizes and times are for people", () => {
  const sizes = [0, 999, 1000, 999_949, 999_950, 8_178_892, 700_000_000, 5 * 1000 ** 3, 1024 ** 4, 5e15];
  assert.deepEqual(sizes.map(formatSize), [
    "0 B",
    "999 B",
    "1.0 kB",
    "999.9 kB",
    "1.0 MB",
    "8.2 MB",
    "700.0 MB",
    "5.0 GB",
    "1.1 TB",
    "5000.0 TB",
  ]);
  assert.equal(formatMegabytes(8_178_892), "8.18 MB");
  for (const text of ["1.0 kB", "8.2 MB", "700.0 MB", "5.0 GB", "1.1 TB"]) {
    assert.equal(formatSize(parseSize(text, "--split", 1)), text, "what is printed means the same when it is typed");
  }
  assert.deepEqual([820, 12_345, 125_000].map((each) => formatDuration(each)), ["0.8 s", "12 s", "2 min 5 s"]);
});

Deno.test("a platform that is none is refused before anything is opened", async () => {
  for (const args of [["inspect"], ["inspect", "--raw"], ["push", "-f", "/nonexistent.tar"]]) {
    const run = await s3lo([...args, "--platform", "linux/a/b/c", "local:///nonexistent//app:v1"]);
    assert.match(run.stderr, /platform "linux\/a\/b\/c"/, args.join(" "));
  }
});

Deno.test("s3lo without a command shows the help on stderr and exits 2", async () => {
  const run = await s3lo([]);
  assert.equal(run.code, 2);
  assert.equal(run.stdout, "");
  assert.match(run.stderr, /Commands:\n {2}copy/);
});

Deno.test("s3lo --help and --version go to stdout and exit 0", async () => {
  const help = await s3lo(["copy", "--help"]);
  assert.equal(help.code, 0);
  assert.match(help.stdout, /Usage: s3lo copy \[options\] SOURCE TARGET/);
  assert.equal(help.stderr, "");
  const version = await s3lo(["--version"]);
  assert.match(version.stdout, /^s3lo \d+\.\d+\.\d+\S*\n$/);
});

const REFUSED: readonly (readonly [args: string[], message: RegExp])[] = [
  [["inspect", "s3://bucket/../x"], /Invalid reference "s3:\/\/bucket\/\.\.\/x"/],
  [["inspect", "Alpine"], /upper/],
  [["inspect", "gs://b/app:v1"], /Invalid reference "gs:\/\/b\/app:v1"/],
  [["copy", "--platform", "linux/", "alpine", "local://./x/app"], /Invalid platform "linux\/"/],
  [["copy", "--concurrency", "0", "alpine", "local://./x/app"], /Invalid --concurrency/],
  [["copy", "--endpoint", "ftp://x", "alpine", "local://./x/app"], /Invalid --endpoint/],
  [["copy", "-u", "me", "alpine", "local://./x/app"], /--password-stdin/],
];
for (const [args, message] of REFUSED) {
  Deno.test(`s3lo exits 2 with one clear line for: ${args.join(" ")}`, async () => {
    const run = await s3lo(args);
    assert.equal(run.code, 2, run.stderr);
    assert.match(run.stderr, message);
    assert.ok(!/\bat .*\.ts:\d/.test(run.stderr), run.stderr);
    assert.equal(run.stdout, "");
  });
}

Deno.test("s3lo inspect of a folder that is no store says what was tried", async () => {
  const run = await s3lo(["inspect", "local://./no/such/store/app:v1"]);
  assert.equal(run.code, 1);
  assert.match(run.stderr, /tried "\.\/no\/such\/store", "\.\/no\/such", "\.\/no", "\."/);
  assert.match(run.stderr, /\/\//);
});
