import { ImageError } from "../errors.ts";
import type { CommandSpec, OptionSpec, OptionValues } from "./command.ts";
import { knownElsewhere } from "./later_commands.ts";
import { GLOBAL_OPTIONS } from "./options.ts";
import { optionAwaitingValue, parseOptions, suggestion } from "./parse_options.ts";
import { isTemplateText } from "./render.ts";

/** A command line, understood. */
export interface Invocation {
  /** Undefined when no command was named. */
  readonly command: CommandSpec | undefined;
  /** The first word of commands of two, where it stood alone and help was asked for. */
  readonly group?: string;
  readonly operands: readonly string[];
  readonly options: OptionValues;
}

/**
 * Understands a command line: global options may stand before and after the command's name.
 *
 * Throws `usage` for anything that is not as the help says, with the nearest name as a hint.
 */
export function parseInvocation(args: readonly string[], commands: readonly CommandSpec[]): Invocation {
  const position = commandPosition(args);
  const [first, second] = position < 0 ? [] : args.slice(position, position + 2);
  // A command's name is one word, or two (`index create`).
  const isGroup = commands.some((each) => each.name.startsWith(`${first} `));
  const name = isGroup && second !== undefined && !second.startsWith("-") ? `${first} ${second}` : first;
  const words = name?.split(" ").length ?? 0;
  const command = commands.find((each) => each.name === name);
  if (isGroup && !command && name === first) return groupHelp(args, first ?? "", commands);
  if (name !== undefined && !command) {
    throw knownElsewhere(first ?? "", second) ?? new ImageError("usage", `Unknown command "${name}"`, {
      hint: suggestion(name, commands.map((each) => each.name)) ?? "See: s3lo --help",
    });
  }
  const specs = [...command?.options ?? [], ...GLOBAL_OPTIONS];
  const { options, operands } = parseOptions(
    args.filter((_, index) => index < position || index >= position + words),
    specs,
  );
  checkChoices(options, specs);
  if (!specs.find(({ name }) => name === "format")?.choices) checkTemplate(options.value("format"));
  const isHelp = options.flag("help") || options.flag("version");
  if (command && !isHelp) checkOperands(command, operands);
  return { command, operands, options };
}

/** A group's name alone is wrong usage, unless it asks for help. */
function groupHelp(args: readonly string[], group: string, commands: readonly CommandSpec[]): Invocation {
  const { options } = parseOptions(args.filter((arg) => arg !== group), GLOBAL_OPTIONS);
  if (options.flag("help")) return { command: undefined, group, operands: [], options };
  const names = commands.filter((each) => each.name.startsWith(`${group} `)).map((each) => each.name);
  throw new ImageError("usage", `"${group}" needs a second word`, { hint: `Use one of: ${names.join(", ")}` });
}

/** Where the command's name stands: the first argument that is neither a global option nor its value; -1 without one. */
function commandPosition(args: readonly string[]): number {
  for (let index = 0; index < args.length; index++) {
    const arg = args[index]!;
    if (!arg.startsWith("-") || arg === "-") return index;
    if (optionAwaitingValue(arg, GLOBAL_OPTIONS)) index++;
  }
  return -1;
}

function checkChoices(options: OptionValues, specs: readonly OptionSpec[]): void {
  for (const { name, choices } of specs) {
    // What is written in braces is a template, which an option of formats takes besides.
    const isRight = (value: string) => choices?.includes(value) || (name === "format" && isTemplateText(value));
    const wrong = choices && options.values(name).find((value) => !isRight(value));
    if (wrong !== undefined) {
      throw new ImageError("usage", `Unknown value "${wrong}" of --${name}: expected ${choices?.join(", ")}`);
    }
  }
}

/** What is no template is refused at once; one that is wrong when it is read. */
function checkTemplate(text: string | undefined): void {
  if (text === undefined || isTemplateText(text)) return;
  const isOutput = ["json", "yaml", "text"].includes(text);
  throw new ImageError("usage", `Invalid --format "${text}": it is no template`, {
    hint: isOutput ? `Pass --output ${text}` : "Write members of the result in braces: --format '{{.digest}}'",
  });
}

function checkOperands(command: CommandSpec, operands: readonly string[]): void {
  const needed = command.operands.filter((operand) => !operand.startsWith("["));
  const isOpen = command.operands.some((operand) => operand.replace("]", "").endsWith("..."));
  const missing = needed[operands.length];
  const usage = `Usage: s3lo ${command.name} [options] ${command.operands.join(" ")}`;
  if (missing !== undefined) throw new ImageError("usage", `Missing ${missing}`, { hint: usage });
  if (!isOpen && operands.length > command.operands.length) {
    throw new ImageError("usage", `Unexpected argument "${operands[command.operands.length]}"`, { hint: usage });
  }
}
