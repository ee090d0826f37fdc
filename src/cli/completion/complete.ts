import type { CommandSpec, OptionSpec } from "../command.ts";
import { GLOBAL_OPTIONS } from "../options.ts";
import { optionAwaitingValue } from "../parse_options.ts";
import { completeReference } from "./references.ts";
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

/** What the last of the words after `s3lo` can become: a candidate, or a candidate, a tab and what it is. */
export async function complete(
  words: readonly string[],
  commands: readonly CommandSpec[],
): Promise<readonly string[]> {
  const current = words.at(-1) ?? "";
  const before = words.slice(0, -1);
  const { command, group, pending, operands, isLiteral } = read(before, commands);
  const specs = [...command?.options ?? [], ...GLOBAL_OPTIONS];
  const assigned = !isLiteral && /^(--[^=]+)=(.*)$/s.exec(current);
  if (assigned) {
    const [, name = "", typed = ""] = assigned;
    const spec = specs.find((each) => `--${each.name}` === name);
    return spec ? (await values(spec, typed)).map((value) => `${name}=${value}`) : [];
  }
  if (pending) return await values(pending, current);
  if (!isLiteral && current.startsWith("-")) return begin(current, specs.map(optionLine));
  if (!command) {
    return begin(current, commandWords(commands, group));
  }
  if (command.name === "completion") return operands === 0 ? begin(current, SHELLS) : [];
  const isMore = command.operands.some((operand) => operand.includes("..."));
  if (operands >= command.operands.length && !isMore) return [];
  return await completeReference(current, flagValues(before));
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
async function values(spec: OptionSpec, typed: string): Promise<readonly string[]> {
  if (spec.choices) return begin(typed, spec.choices);
  if (spec.name !== "platform") return await Promise.resolve([]);
  const done = typed.slice(0, typed.lastIndexOf(",") + 1);
  const chosen = new Set(done.split(","));
  return begin(typed, PLATFORMS.filter((platform) => !chosen.has(platform)).map((platform) => done + platform));
}

function begin(typed: string, lines: readonly string[]): readonly string[] {
  return lines.filter((line) => line.startsWith(typed));
}

/** What the line says of the S3 server to ask. */
function flagValues(words: readonly string[]): { endpoint?: string; region?: string; profile?: string } {
  const found: Record<string, string> = {};
  for (const [index, word] of words.entries()) {
    for (const name of ["endpoint", "region", "profile"]) {
      const next = words[index + 1];
      if (word === `--${name}` && next !== undefined) found[name] = next;
      else if (word.startsWith(`--${name}=`)) found[name] = word.slice(name.length + 3);
    }
  }
  return found;
}
