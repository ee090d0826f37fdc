/** Runs the program from a shell, for what a shell alone can do: readers that go away, full disks, pipes of odd kinds. */
import { programCommand, type ProgramRun } from "./program.ts";

/** How a script is run. */
export interface ShellOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** Runs a bash script in which `"$@"` is `s3lo args…`. */
export async function shell(
  script: string,
  args: readonly string[] = [],
  options: ShellOptions = {},
): Promise<ProgramRun> {
  const { code, stdout, stderr } = await new Deno.Command("bash", {
    args: ["-c", script, "bash", ...programCommand(), ...args],
    stdin: "null",
    env: { NO_COLOR: "1", ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** Scripts that replace a stream of the program by one whose reader is gone before the program starts. */
export const UNREAD = {
  stdout: `exec > >(:); wait $!; "$@"`,
  stderr: `exec 2> >(:); wait $!; "$@"`,
} as const;

/**
 * A script that makes stdout a non-blocking pipe, as some programs leave the one that they share with others, and reads it
 * slowly by `reader`. The exit code is the program's.
 */
export function nonBlocking(reader: string): string {
  return `set -o pipefail; { dd if=/dev/null oflag=nonblock status=none; exec "$@"; } | ${reader}`;
}

/** A terminal's size and how it is called. */
export interface TerminalOptions extends ShellOptions {
  readonly columns?: number;
  readonly rows?: number;
}

/**
 * Runs `s3lo args…` on a terminal of its own, which is stdin, stdout and stderr in one; all that was shown comes as `stdout`.
 */
export async function onTerminal(args: readonly string[], options: TerminalOptions = {}): Promise<ProgramRun> {
  const { columns = 80, rows = 24 } = options;
  const command = `stty cols ${columns} rows ${rows}; exec ${[...programCommand(), ...args].map(quoted).join(" ")}`;
  return await shell(`exec script -qec ${quoted(command)} /dev/null`, [], options);
}

/** One word of a shell. */
function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** A program that runs on a terminal of its own. */
export interface TerminalRun extends AsyncDisposable {
  /** Waits until what was shown so far matches. Throws when the program is over before. */
  shows(pattern: RegExp): Promise<void>;
  /** Types keys; `\x03` is Ctrl-C. */
  type(keys: string): Promise<void>;
  /** Waits for the end. */
  output(): Promise<ProgramRun>;
}

/** Starts `s3lo args…` as {@linkcode onTerminal} runs it. */
export function startOnTerminal(args: readonly string[], options: TerminalOptions = {}): TerminalRun {
  const { columns = 80, rows = 24 } = options;
  // What the test types is for the program, and not for the terminal's echo before that runs.
  const command = `stty cols ${columns} rows ${rows}; exec ${[...programCommand(), ...args].map(quoted).join(" ")}`;
  const child = new Deno.Command("bash", {
    args: ["-c", `exec script -qec ${quoted(command)} /dev/null`],
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
    env: { NO_COLOR: "1", ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  }).spawn();
  const keys = child.stdin.getWriter();
  let shown = "";
  let isOver = false;
  let changed = Promise.withResolvers<void>();
  const reading = (async () => {
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
      shown += text;
      changed.resolve();
    }
    isOver = true;
    changed.resolve();
  })();
  return {
    async shows(pattern) {
      while (!pattern.test(shown)) {
        if (isOver) throw new Error(`It ended without ${pattern}: ${shown}`);
        changed = Promise.withResolvers();
        if (!pattern.test(shown) && !isOver) await changed.promise;
      }
    },
    type: (text) => keys.write(new TextEncoder().encode(text)),
    async output() {
      await reading;
      const { code } = await child.status;
      return { code, stdout: shown, stderr: "" };
    },
    async [Symbol.asyncDispose]() {
      await keys.close().catch(() => {});
      if (!isOver) child.kill("SIGKILL");
      await reading;
      await child.status;
    },
  };
}
