import { ImageError } from "../errors.ts";
import type { OptionSpec, OptionValues } from "./command.ts";
import { foreignOption, OPTION_ALIASES } from "./foreign_options.ts";

/** Options and operands of a command line. */
export interface ParsedOptions {
  readonly options: OptionValues;
  readonly operands: readonly string[];
}

/**
 * Tells options from operands, as GNU programs do: `--name value`, `--name=value`, `-n value`, `-nvalue`, switches in one word
 * (`-qf`), a switch that is taken back (`--quiet=false`), and everything after `--` as operands. The runtime's own parser does the same and takes a third of the program's
 * start to load.
 *
 * Throws `usage`: unknown options, switches with a value, options without one. A value that begins with a dash needs the `=`.
 */
export function parseOptions(args: readonly string[], specs: readonly OptionSpec[]): ParsedOptions {
  const found = new Map<string, (string | boolean)[]>();
  const operands: string[] = [];
  const words = args.values();
  const add = (spec: OptionSpec, value: string | boolean) => {
    found.set(spec.name, [...found.get(spec.name) ?? [], value]);
  };
  const nextValue = (spec: OptionSpec, typed: string): string => {
    const { value } = words.next();
    if (value === undefined || (value.startsWith("-") && value !== "-")) throw wrongValue(spec, typed);
    return value;
  };
  for (const word of words) {
    if (word === "--") operands.push(...words);
    else if (word.startsWith("--")) {
      const [, name = "", value] = /^--([^=]*)(?:=([\s\S]*))?$/.exec(word) ?? [];
      const spec = specs.find((each) => isCalled(each, name));
      if (!spec) throw unknown(`--${name}`, specs);
      if (spec.value !== undefined) add(spec, value ?? nextValue(spec, `--${name}`));
      else if (value === undefined || /^(?:true|false)$/.test(value)) add(spec, value !== "false");
      else throw wrongValue(spec, `--${name}`);
    } else if (word.startsWith("-") && word !== "-") {
      const letters = word.slice(1);
      for (let at = 0; at < letters.length; at++) {
        const typed = `-${letters[at]}`;
        const spec = specs.find((each) => each.short === letters[at]);
        if (!spec) throw unknown(typed, specs);
        if (spec.value === undefined) {
          add(spec, true);
          continue;
        }
        const rest = letters.slice(at + 1);
        add(spec, rest === "" ? nextValue(spec, typed) : rest);
        break;
      }
    } else operands.push(word);
  }
  const values = (name: string) => found.get(name) ?? [];
  return {
    operands,
    options: {
      flag: (name) => values(name).at(-1) === true,
      value: (name) => values(name).filter((value) => typeof value === "string").at(-1),
      values: (name) => values(name).filter((value) => typeof value === "string"),
      origin: (name) => found.has(name) ? `--${name}` : undefined,
    },
  };
}

/** The option that takes the next word for its value: that of `--name` or `-n`, or the last one in `-qn`. */
export function optionAwaitingValue(word: string, specs: readonly OptionSpec[]): OptionSpec | undefined {
  if (word.startsWith("--")) return specs.find((each) => each.value !== undefined && isCalled(each, word.slice(2)));
  const letters = word.startsWith("-") ? word.slice(1) : "";
  for (let at = 0; at < letters.length; at++) {
    const spec = specs.find((each) => each.short === letters[at]);
    // What follows an option with a value, in the same word, is its value.
    if (spec?.value !== undefined) return at === letters.length - 1 ? spec : undefined;
    if (!spec) return undefined;
  }
  return undefined;
}

function isCalled({ name, aliases }: OptionSpec, typed: string): boolean {
  return typed === name || (aliases?.includes(typed) ?? OPTION_ALIASES[name]?.includes(typed) ?? false);
}

/** How other tools take a password as an argument, where everybody on the machine can read it. */
const PASSWORD_ARGUMENT = /^--(src-|dest-|dst-)?(?:creds|password|registry-token)$/;

function unknown(typed: string, specs: readonly OptionSpec[]): ImageError {
  const password = PASSWORD_ARGUMENT.exec(typed);
  if (password) {
    const side = (password[1] ?? "").replace("dest-", "dst-");
    const hint = `Pass --${side}username NAME, and the password on stdin with --${side}password-stdin`;
    return new ImageError("usage", `Unknown option "${typed}": passwords are not taken as arguments`, { hint });
  }
  const hint = foreignOption(typed) ?? suggestion(typed, specs.map((spec) => `--${spec.name}`)) ??
    "See the options with --help";
  return new ImageError("usage", `Unknown option "${typed}"`, { hint });
}

function wrongValue(spec: OptionSpec, typed: string): ImageError {
  const why = spec.value === undefined ? "takes no value" : `needs a value: ${spec.value}`;
  return new ImageError("usage", `Option "${typed}" ${why}`);
}

/** The name nearest to a mistyped one, as a question; undefined when none is near. */
export function suggestion(typed: string, names: readonly string[]): string | undefined {
  const scored = names.map((name) => ({ name, distance: editDistance(typed, name) }));
  const best = scored.toSorted((left, right) => left.distance - right.distance)[0];
  return best && best.distance <= Math.max(2, typed.length / 3) ? `Did you mean ${best.name}?` : undefined;
}

function editDistance(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let i = 1; i <= left.length; i++) {
    const next = [i];
    for (let j = 1; j <= right.length; j++) {
      const cost = left[i - 1] === right[j - 1] ? 0 : 1;
      next[j] = Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + cost);
    }
    row = next;
  }
  return row[right.length]!;
}
