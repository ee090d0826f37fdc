import { printable } from "../errors.ts";
import { Activity } from "./activity.ts";
import type { NameMemory } from "./completion/remember.ts";
import type { CommandIo, OptionValues } from "./command.ts";
import type { TerminalSize } from "./progress_lines.ts";
import { drawsLive, Screen } from "./screen.ts";
import type { NoteStream, ResultStream } from "./standard_streams.ts";

/** The size of terminals that do not know theirs. */
const DEFAULT_SIZE: TerminalSize = { columns: 80, rows: 24 };

/** What all commands of a run write to. */
export interface ProgramStreams {
  readonly signal: AbortSignal;
  readonly results: ResultStream;
  readonly screen: Screen;
  /** Where names of images are remembered; undefined where the command sees none. */
  readonly memory: NameMemory | undefined;
}

/** The screen of this process. */
export function openScreen(notes: NoteStream): Screen {
  return new Screen(notes, terminalSize);
}

/** What a command may use of the outside, as its options say. */
export function programIo(options: OptionValues, { signal, results, screen, memory }: ProgramStreams): CommandIo {
  const isQuiet = options.flag("quiet");
  const note = (text: string) => isQuiet ? undefined : screen.print(`${printable(text)}\n`);
  const facts = { isTerminal: Deno.stderr.isTerminal(), env: (name: string) => Deno.env.get(name) };
  let isTaken = false;
  return {
    signal,
    out: async (content) => {
      if (!isTaken) return await results.write(content);
      const text = typeof content === "string" ? content : new TextDecoder().decode(content);
      for (const line of text.trimEnd().split("\n")) note(line);
      return true;
    },
    sink: {
      get isTerminal() {
        return Deno.stdout.isTerminal();
      },
      write: (bytes) => {
        isTaken = true;
        return results.writeSome(bytes);
      },
    },
    note,
    err: (text) => screen.print(text),
    isLive: drawsLive(facts) && !isQuiet && !options.flag("debug"),
    screen,
    activity: new Activity(note),
    remember: async (seen) => await memory?.remember(seen),
  };
}

function terminalSize(): TerminalSize {
  try {
    const { columns, rows } = Deno.consoleSize();
    return { columns: columns || DEFAULT_SIZE.columns, rows: rows || DEFAULT_SIZE.rows };
  } catch {
    return DEFAULT_SIZE;
  }
}
