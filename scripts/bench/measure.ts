/** Runs a command and tells what it cost. */

/** A command to be measured. */
export interface Command {
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** What one run cost. Processor time and memory include the programs that the command itself started and waited for. */
export interface Cost {
  readonly wallMs: number;
  /** Processor time, in user and in system mode. */
  readonly cpuMs: number;
  /** Peak resident memory of the largest process. */
  readonly rssBytes: number;
  /** What was written to disks: temporary files, archives. Sockets, pipes and memory-backed folders do not count. */
  readonly writtenBytes: number;
}

/** Bytes of the blocks in which the kernel counts output. */
const BLOCK_BYTES = 512;

/**
 * Runs a command to its end. It is started by `time`, a tiny process: a child's peak memory begins with that of the process
 * that it was forked from. Throws when it fails, with the last of what it said.
 */
export async function measure(command: Command): Promise<Cost> {
  const report = await Deno.makeTempFile({ prefix: "s3lo-bench-" });
  try {
    const process = new Deno.Command("/usr/bin/time", {
      args: ["-q", "-o", report, "-f", "%U %S %M %O", ...command.args],
      env: { ...command.env },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    });
    const started = performance.now();
    const { success, stderr } = await process.output();
    const wallMs = performance.now() - started;
    if (!success) {
      const said = new TextDecoder().decode(stderr).trim().split("\n").slice(-5).join("\n");
      throw new Error(`${command.args.join(" ")} failed: ${said}`);
    }
    const [user = 0, system = 0, rssKib = 0, blocks = 0] = (await Deno.readTextFile(report)).trim().split(" ").map(
      Number,
    );
    return {
      wallMs,
      cpuMs: (user + system) * 1000,
      rssBytes: rssKib * 1024,
      writtenBytes: blocks * BLOCK_BYTES,
    };
  } finally {
    await Deno.remove(report);
  }
}

/** Runs a command that is not measured; throws when it fails. Gives its standard output. */
export async function run(command: Command): Promise<string> {
  const [file = "", ...args] = command.args;
  const output = await new Deno.Command(file, { args, env: { ...command.env }, stdin: "null" }).output();
  const decoder = new TextDecoder();
  if (output.success) return decoder.decode(output.stdout);
  throw new Error(`${command.args.join(" ")} failed: ${decoder.decode(output.stderr).trim().slice(-2000)}`);
}
