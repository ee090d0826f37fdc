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
