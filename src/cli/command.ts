import type { ByteSink } from "../archive/archive_output.ts";
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

/** A reference that may name a bucket, and whose options hold for it. */
export interface BucketText {
  readonly text: string;
  readonly side?: "src" | "dst";
}

/** A command: what it is called, takes and does. */
export interface CommandSpec {
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
  /** The buckets whose names of images completion may learn from a run, as the references that name them. */
  readonly remembers?: (operands: readonly string[]) => readonly BucketText[];
  /** Does it and gives the exit code. */
  readonly run: (operands: readonly string[], options: Settings, io: CommandIo) => Promise<number>;
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
  /** Remembers names of images for completion: all of a bucket (`s3://bucket`), or that of one reference. Never throws. */
  readonly remember: (seen: BucketText & { readonly all?: readonly string[] }) => Promise<void>;
}
