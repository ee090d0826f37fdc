import type { ByteSink } from "../archive/archive_output.ts";
import type { Collection, Location } from "../oci/location.ts";
import type { Activity } from "./activity.ts";
import type { Screen } from "./screen.ts";

/** One option of a command, in the words of its help. */
export interface OptionSpec {
  /** Long name, without dashes. */
  readonly name: string;
  /** One letter, without its dash. */
  readonly short?: string;
  /** Other long names that mean the same; the help does not show them. */
  readonly aliases?: readonly string[];
  /** What the value is called in the help; an option without one is a switch. */
  readonly value?: string;
  /** Whether it may be given several times. */
  readonly multiple?: boolean;
  readonly help: string;
  /** The values that it takes, where they are few. */
  readonly choices?: readonly string[];
}

/** The values of a command's options, by long name. */
export interface OptionValues {
  /** Whether a switch was given. */
  flag(name: string): boolean;
  /** The last value of an option; undefined when it was not given. */
  value(name: string): string | undefined;
  /** All values of an option, in order. */
  values(name: string): readonly string[];
  /** Where an option's value comes from, as errors name it: `--name`, a variable, or a file; undefined when it has none. */
  origin(name: string): string | undefined;
}

/** What is said of one bucket or registry, below what the command line and the environment say. */
export interface PlaceSettings {
  value(name: string): string | undefined;
  /** Where it is said. */
  readonly origin: string;
}

/** The options of a command line, and behind them the environment and the file of settings. */
export interface Settings extends OptionValues {
  /** What the file says of a bucket, else of everything. */
  bucket(name: string): PlaceSettings;
  /** What the file says of a registry's host, else of everything. */
  registry(host: string): PlaceSettings;
}

/** What a command touches of the outside. What it does not need is given up before it starts. */
export interface CommandAccess {
  /** Whether it reaches hosts: for what it does, or only where an operand, or the last one, names a place not local. */
  readonly net: "never" | "references" | "target" | "always";
  /**
   * Whether it writes: for what it does, or only where its last operand is a local place. To read an archive or a daemon is
   * to write too, for any command: see `keptPermissions`.
   */
  readonly write: "never" | "target" | "always";
}

/** A place, and the side whose options hold for it; completion learns from it where it is in a bucket. */
export interface SeenPlace {
  readonly place: Location | Collection;
  readonly side?: "src" | "dst";
}

/** What a command is called, and what it takes. */
export interface CommandFacts {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** Names of the arguments, as the usage line shows them: `SOURCE`, `[NAME]`, `REF...`. */
  readonly operands: readonly string[];
  readonly options: readonly OptionSpec[];
  /** What it keeps of the permissions that the program has. */
  readonly access: CommandAccess;
  /** Whether the help leaves it out: it is for programs, not for people. */
  readonly hidden?: boolean;
  /** Whether it goes without the file of settings: it must run, or tell what is wrong, where that file cannot be used. */
  readonly ignoresFile?: boolean;
  /** Paragraphs below the summary. */
  readonly details?: string;
  /** Commands to copy, and what each does. */
  readonly examples: readonly (readonly [command: string, does: string])[];
}

/** A command whose operands were read. */
export interface PreparedCommand {
  /** The places that it reaches; one that it writes to is the last. */
  readonly places: readonly (Location | Collection)[];
  /** Those whose names of images completion may learn from the run. */
  readonly remembers: readonly SeenPlace[];
  /** Does it and gives the exit code. */
  readonly run: (io: CommandIo) => Promise<number>;
}

/** A command: what it is called, takes and does. */
export interface CommandSpec extends CommandFacts {
  /** Reads the operands, without touching anything. Throws `usage`, `invalid-reference`. */
  readonly prepare: (operands: readonly string[], options: Settings) => Promise<PreparedCommand>;
}

/** A command as its file defines it; `Operands`: what its operands mean. */
export interface CommandDefinition<Operands> extends CommandFacts {
  /**
   * Reads the operands: the one place where their text becomes places, by grammars that are loaded only then. Throws `usage`,
   * `invalid-reference`.
   */
  readonly read: (operands: readonly string[], options: Settings) => Operands | Promise<Operands>;
  /** See {@linkcode PreparedCommand.places}. */
  readonly places: (operands: Operands) => readonly (Location | Collection)[];
  /** See {@linkcode PreparedCommand.remembers}. */
  readonly remembers?: (operands: Operands) => readonly SeenPlace[];
  /** Does it and gives the exit code. */
  readonly run: (operands: Operands, options: Settings, io: CommandIo) => Promise<number>;
}

/** A command, of its definition. */
export function command<Operands>(
  { read, places, remembers, run, ...facts }: CommandDefinition<Operands>,
): CommandSpec {
  return {
    ...facts,
    prepare: async (texts, options) => {
      const operands = await read(texts, options);
      return {
        places: places(operands),
        remembers: remembers?.(operands) ?? [],
        run: (io) => run(operands, options, io),
      };
    },
  };
}

/** A command whose operands name no places. */
export function plainCommand(
  definition: Omit<CommandDefinition<readonly string[]>, "read" | "places" | "remembers">,
): CommandSpec {
  return command({ read: (operands) => operands, places: () => [], ...definition });
}

/** What a command may use of the outside. */
export interface CommandIo {
  /** Ends everything when the user stops the program. */
  readonly signal: AbortSignal;
  /** Writes a result to stdout. False when nobody reads it any more, which is no failure. */
  readonly out: (text: string | Uint8Array) => Promise<boolean>;
  /** Standard output for an archive; once that has begun, results go to stderr as notes do. */
  readonly sink: ByteSink;
  /** Writes a note of one line to stderr, made printable, unless `--quiet`. Never throws. */
  readonly note: (text: string) => void;
  /** Writes to stderr as it is, whether `--quiet` or not; for errors. Never throws. */
  readonly err: (text: string) => void;
  /** Whether stderr is a terminal that shows live progress. */
  readonly isLive: boolean;
  /** What live progress is drawn on. */
  readonly screen: Screen;
  /** Takes what goes on where no bytes move. */
  readonly activity: Activity;
  /** Remembers names of images for completion: all of a bucket, or that of one image. Never throws. */
  readonly remember: (seen: SeenPlace & { readonly all?: readonly string[] }) => Promise<void>;
}
