import type { StoreCollection } from "../../oci/location.ts";
import type { CommandSpec, OptionSpec } from "../command.ts";
import { GLOBAL_OPTIONS } from "../options.ts";
import { optionAwaitingValue } from "../parse_options.ts";
import { completeReference, entries } from "./references.ts";
import { SHELLS } from "./scripts.ts";

/** Platforms that images come for, most used first. */
const PLATFORMS = [
  "linux/amd64",
  "linux/arm64",
  "linux/arm/v7",
  "linux/arm/v6",
  "linux/386",
  "linux/ppc64le",
  "linux/riscv64",
  "linux/s390x",
  "windows/amd64",
] as const;

/** Options that say which server is asked, and as who. */
const SERVER_OPTIONS = ["endpoint", "region", "profile", "ca-cert"];

/** An answer that is no candidate: the shell's own completion of files is meant too. */
export const FILES = ":files";

/** What the options of buckets say so far, by name. */
export type SaidSoFar = ReadonlyMap<string, string>;

/** Where names of images come from: a store, the options said so far, and which side's hold. */
export type LookUpNames = (store: StoreCollection, said: SaidSoFar, side?: "src" | "dst") => Promise<readonly string[]>;

/**
 * What the last of the words after `s3lo` can become: a candidate, or a candidate, a tab and what it is; or
 * {@linkcode FILES}.
 */
export async function complete(
  words: readonly string[],
  commands: readonly CommandSpec[],
  lookUp: LookUpNames,
): Promise<readonly string[]> {
  const current = words.at(-1) ?? "";
  const before = words.slice(0, -1);
  const { command, group, pending, operands, isLiteral } = read(before, commands);
  const specs = [...command?.options ?? [], ...GLOBAL_OPTIONS];
  const assigned = !isLiteral && /^(--[^=]+)=(.*)$/s.exec(current);
  if (assigned) {
    const [, name = "", typed = ""] = assigned;
    const spec = specs.find((each) => `--${each.name}` === name);
    if (!spec) return [];
    if (isPath(spec)) return await entries(`${name}=`, typed, true);
    return values(spec, typed).map((value) => `${name}=${value}`);
  }
  if (pending) return isPath(pending) ? [FILES] : values(pending, current);
  if (!isLiteral && current.startsWith("-")) return begin(current, specs.map(optionLine));
  if (!command) return begin(current, commandWords(commands, group));
  return await operand(current, { command, operands, before, commands }, lookUp);
}

/** What an operand can become. */
async function operand(
  current: string,
  { command, operands, before, commands }: {
    readonly command: CommandSpec;
    readonly operands: number;
    readonly before: readonly string[];
    readonly commands: readonly CommandSpec[];
  },
  lookUp: LookUpNames,
): Promise<readonly string[]> {
  const isOpen = command.operands.some((each) => each.includes("..."));
  if (operands >= command.operands.length && !isOpen) return [];
  const name = command.operands[Math.min(operands, command.operands.length - 1)]!.replaceAll(/[[\].]/g, "");
  if (name === "SHELL") return begin(current, SHELLS);
  if (name === "PLATFORM") return begin(current, PLATFORMS);
  if (name === "COMMAND") return begin(current, [...commandWords(commands, undefined), "options"]);
  if (name === "SUB") return begin(current, commandWords(commands, before.at(-1)));
  if (name === "NAME") return [];
  const said = saidSoFar(before);
  const hasSides = command.options.some((option) => option.name === "src-endpoint");
  const side = !hasSides ? undefined : name === "TARGET" ? "dst" : "src";
  const files = command.operands.some((each) => each.includes("FILE")) ? [FILES] : [];
  if (files.length > 0 && !command.operands.includes("TARGET")) return files;
  const found = await completeReference(
    current,
    (store) => lookUp(store, said, side),
    name === "LOCATION",
  );
  return [...found, ...files];
}

/** Whether an option takes the path of a file or folder. */
function isPath({ value }: OptionSpec): boolean {
  return value === "FILE" || value === "PATH" || value === "LIST";
}

/** What stands before the cursor: the command, an option that waits for its value, and how many operands there are. */
function read(words: readonly string[], commands: readonly CommandSpec[]): {
  readonly command: CommandSpec | undefined;
  /** The first word of a command of two. */
  readonly group: string | undefined;
  readonly pending: OptionSpec | undefined;
  readonly operands: number;
  readonly isLiteral: boolean;
} {
  let command: CommandSpec | undefined;
  let group: string | undefined;
  let operands = 0;
  for (let index = 0; index < words.length; index++) {
    const word = words[index]!;
    if (word === "--") {
      const rest = words.length - index - 1;
      return { command, group, pending: undefined, operands: operands + rest, isLiteral: true };
    }
    if (word.startsWith("-") && word !== "-") {
      const specs = [...command?.options ?? [], ...GLOBAL_OPTIONS];
      const spec = optionAwaitingValue(word, specs);
      if (!spec) continue;
      if (index === words.length - 1) return { command, group, pending: spec, operands, isLiteral: false };
      index++;
    } else if (command) operands++;
    else {
      const name = group === undefined ? word : `${group} ${word}`;
      command = commands.find((each) => each.name === name);
      if (!command) group = word;
    }
  }
  return { command, group, pending: undefined, operands, isLiteral: false };
}

/** The words that may name a command now, each with what it does. */
function commandWords(commands: readonly CommandSpec[], group: string | undefined): readonly string[] {
  const start = group === undefined ? "" : `${group} `;
  const shown = commands.filter(({ name, hidden }) => !hidden && name.startsWith(start));
  const byWord = Map.groupBy(shown, ({ name }) => name.slice(start.length).split(" ")[0]!);
  return [...byWord].map(([word, [first, ...others]]) =>
    `${word}\t${
      others.length === 0 ? first!.summary : `${word} commands: ${[first!, ...others].map(secondWord).join(", ")}`
    }`
  );
}

function secondWord({ name }: CommandSpec): string {
  return name.split(" ").at(-1)!;
}

function optionLine(option: OptionSpec): string {
  return `--${option.name}\t${option.help}`;
}

/** What an option's value can become; platforms may be several, with commas. */
function values(spec: OptionSpec, typed: string): readonly string[] {
  if (spec.choices) return begin(typed, spec.choices);
  if (spec.name !== "platform") return [];
  const done = typed.slice(0, typed.lastIndexOf(",") + 1);
  const chosen = new Set(done.split(","));
  return begin(typed, PLATFORMS.filter((platform) => !chosen.has(platform)).map((platform) => done + platform));
}

function begin(typed: string, lines: readonly string[]): readonly string[] {
  return lines.filter((line) => line.startsWith(typed));
}

/** What the line says of the S3 server to ask. */
function saidSoFar(words: readonly string[]): SaidSoFar {
  const found = new Map<string, string>();
  for (const [index, word] of words.entries()) {
    for (const name of ["", "src-", "dst-"].flatMap((side) => SERVER_OPTIONS.map((option) => side + option))) {
      const next = words[index + 1];
      if (word === `--${name}` && next !== undefined) found.set(name, next);
      else if (word.startsWith(`--${name}=`)) found.set(name, word.slice(name.length + 3));
    }
  }
  return found;
}
