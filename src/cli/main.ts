import { ImageError } from "../errors.ts";
import { parseInvocation } from "./parse.ts";
import { COMMANDS } from "./program.ts";
import { errorLines, exitCodeOf } from "./report_error.ts";
import { VERSION } from "./version.ts";
import { credentialPrograms } from "./credential_programs.ts";
import { giveUp, keptPermissions } from "./give_up.ts";
import { openScreen, programIo } from "./program_io.ts";
import { checkFormat } from "./render.ts";
import type { Screen } from "./screen.ts";
import { readSettings, settingsWithoutFile } from "./settings/settings.ts";
import { NoteStream, ResultStream } from "./standard_streams.ts";
import { TimeLimit } from "./time_limit.ts";

/** Exit codes of a program that a signal ended. */
const SIGNAL_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

/** Runs s3lo on a command line. Gives the exit code: 0 done, 1 failed, 2 wrong usage, 130 and 143 stopped by a signal. */
export async function main(args: readonly string[]): Promise<number> {
  let isDebug = args.includes("--debug");
  const results = new ResultStream(Deno.stdout);
  const notes = new NoteStream(Deno.stderr);
  const screen = openScreen(notes);
  using stop = new StopSignals(screen);
  try {
    const { command, group, operands, options: typed } = parseInvocation(args, COMMANDS);
    if (typed.flag("version")) {
      await results.write(`s3lo ${VERSION}\n`);
      return 0;
    }
    if (!command || typed.flag("help")) {
      const { topic } = await import("./help_topics.ts");
      const help = await topic((command?.name ?? group ?? "").split(" "), COMMANDS);
      if (!typed.flag("help")) {
        screen.print(help);
        return 2;
      }
      await results.write(help);
      return 0;
    }
    await checkFormat(typed);
    const options = command.ignoresFile ? settingsWithoutFile(typed) : await readSettings(typed);
    isDebug = options.flag("debug");
    using limit = new TimeLimit(options.value("timeout"), options.origin("timeout"));
    // To join two costs a small command a tenth of its time.
    const hasLimit = options.value("timeout") !== undefined;
    const signal = hasLimit ? AbortSignal.any([stop.signal, limit.signal]) : stop.signal;
    const { places, remembers, run } = await command.prepare(operands, options);
    // What completion learns is written to files that are opened before writing is given up.
    const buckets = remembers.filter(({ place }) => place.kind === "s3");
    using memory = buckets.length === 0
      ? undefined
      : await (await import("./completion/remember.ts")).openMemory(buckets, options);
    await giveUp(await keptPermissions(command.access, places, credentialPrograms));
    try {
      return await run(programIo(options, { signal, results, screen, memory }));
    } catch (error) {
      const { withPathHint } = await import("./existing_path.ts");
      throw stop.code === undefined && limit.error || await withPathHint(error, operands);
    }
  } catch (error) {
    if (stop.code !== undefined) {
      screen.print(STOPPED);
      return stop.code;
    }
    screen.print(errorLines(error, "", isDebug));
    return exitCodeOf(error);
  } finally {
    await notes.flush();
  }
}

/** How long cleaning up may take after a signal. */
const STOP_LIMIT_MS = 900;

const STOPPED = "Stopped; nothing half-written is visible\n";

/** The signals that end a command on an operating system as `Deno.build.os` names it. */
export function stopSignals(os: string): readonly (keyof typeof SIGNAL_CODES)[] {
  return os === "windows" ? ["SIGINT"] : ["SIGINT", "SIGTERM"];
}

/** Turns the first SIGINT or SIGTERM into an abort, and the second into an exit at once. */
class StopSignals implements Disposable {
  readonly #controller = new AbortController();
  readonly #names = stopSignals(Deno.build.os);
  readonly #screen: Screen;
  readonly #listeners = this.#names.map((name) => [name, () => this.#stop(SIGNAL_CODES[name])] as const);
  /** The exit code of the signal that came; undefined before one does. */
  code: number | undefined;

  constructor(screen: Screen) {
    this.#screen = screen;
    for (const [name, listener] of this.#listeners) Deno.addSignalListener(name, listener);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  [Symbol.dispose](): void {
    for (const [name, listener] of this.#listeners) Deno.removeSignalListener(name, listener);
  }

  #stop(code: number): void {
    if (this.code !== undefined) {
      this.#screen.clear();
      Deno.exit(code);
    }
    this.code = code;
    this.#controller.abort(new ImageError("aborted", "Stopped"));
    // Cleaning up may have to wait for somebody who does not answer; whoever stops a program does not.
    const timer = setTimeout(() => {
      this.#screen.clear();
      this.#screen.print(STOPPED);
      Deno.exit(code);
    }, STOP_LIMIT_MS);
    Deno.unrefTimer(timer);
  }
}
