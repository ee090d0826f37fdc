/** Small helpers around child processes and files. */

/** What a finished command said. */
export interface Captured {
  readonly success: boolean;
  /** Its standard output and standard error, one after the other. */
  readonly text: string;
}

/** Runs a command to its end and keeps what it printed. A program that cannot be started counts as failed. */
export async function capture(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Captured> {
  try {
    const output = await new Deno.Command(program, { args: [...args], env, stdin: "null" }).output();
    const decoder = new TextDecoder();
    return { success: output.success, text: decoder.decode(output.stdout) + decoder.decode(output.stderr) };
  } catch (error) {
    return { success: false, text: String(error) };
  }
}

/** Sends a signal to a child, which may have ended in this moment. */
export function forward(signal: Deno.Signal, child: Deno.ChildProcess): void {
  try {
    child.kill(signal);
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Whether a path is a file (or a link to one). */
export async function isFile(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch {
    return false;
  }
}

/** The last lines of a text, indented to stand out below a message. */
export function tail(text: string, lines = 20): string {
  return text.trimEnd().split("\n").slice(-lines).map((line) => `    ${line}`).join("\n");
}

/** Prints one line about progress to standard error; standard output belongs to the command that runs. */
export function say(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`services: ${line}\n`));
}

/** Prints one line to standard output: what somebody else reads. */
export function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}
