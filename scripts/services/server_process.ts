/** One server that runs in the background, with its output in a file. */
import { forward, tail } from "./run.ts";

/** How a server is started. */
export interface ServerCommand {
  readonly program: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** The file that takes its standard output and standard error. */
  readonly logPath: string;
}

/** A running server; `stop` ends it politely first and then for good. */
export class ServerProcess {
  readonly #child: Deno.ChildProcess;
  readonly #logPath: string;
  #ended = false;

  /** Starts the server in a process group of its own, so that Ctrl-C reaches it only through us, after the tests. */
  constructor(command: ServerCommand) {
    this.#logPath = command.logPath;
    this.#child = new Deno.Command("sh", {
      args: ["-c", 'log=$1; shift; exec "$@" >"$log" 2>&1', "sh", command.logPath, command.program, ...command.args],
      env: { ...command.env },
      stdin: "null",
      stdout: "null",
      stderr: "null",
      detached: true,
    }).spawn();
    this.#child.status.then(() => this.#ended = true);
  }

  /** Whether it is gone, by itself or stopped. */
  get ended(): boolean {
    return this.#ended;
  }

  /** The last lines that it printed. */
  async log(): Promise<string> {
    return tail(await Deno.readTextFile(this.#logPath).catch(() => ""));
  }

  /** Ends it and waits until it is gone. */
  async stop(graceMs = 10_000): Promise<void> {
    if (this.#ended) return;
    forward("SIGTERM", this.#child);
    const timer = setTimeout(() => forward("SIGKILL", this.#child), graceMs);
    await this.#child.status;
    clearTimeout(timer);
  }
}
