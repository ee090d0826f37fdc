import type { CommandSpec, OptionSpec } from "./command.ts";
import { GLOBAL_OPTIONS } from "./options.ts";

/** Widest line of help, in columns. */
const WIDTH = 100;

/** The help of the whole program. */
export function programHelp(commands: readonly CommandSpec[]): string {
  return [
    "s3lo: a bucket is the container registry",
    "",
    "Usage: s3lo [options] COMMAND",
    "",
    "Commands:",
    ...table(commands.map((command) => [command.name, command.summary])),
    "",
    "Options of every command:",
    ...optionTable(GLOBAL_OPTIONS),
    "",
    "References:",
    ...table([
      ["s3://bucket/image:tag", "an image in an S3 bucket (any S3-compatible server with --endpoint)"],
      ["local://folder/image:tag", "an image in a folder; local://folder//team/image:tag where the name has parts"],
      ["alpine, ghcr.io/o/i@sha256:…", "an image in a registry, as docker pull reads it"],
    ]),
    "",
    "Run s3lo COMMAND --help for a command's options and examples.",
    "",
  ].join("\n");
}

/** The help of one command. */
export function commandHelp(command: CommandSpec): string {
  return [
    `${command.summary}`,
    "",
    `Usage: s3lo ${command.name} [options] ${command.operands.join(" ")}`.trimEnd(),
    "",
    ...(command.details ? [...command.details.split("\n").flatMap((line) => wrap(line, WIDTH)), ""] : []),
    ...(command.options.length > 0 ? ["Options:", ...optionTable(command.options), ""] : []),
    "Options of every command:",
    ...optionTable(GLOBAL_OPTIONS),
    "",
    "Examples:",
    ...command.examples.flatMap(([line, does]) => [`  # ${does}`, `  ${line}`]),
    "",
  ].join("\n");
}

function optionTable(options: readonly OptionSpec[]): string[] {
  return table(options.map((option) => {
    const short = option.short ? `-${option.short}, ` : "    ";
    return [`${short}--${option.name}${option.value === undefined ? "" : ` ${option.value}`}`, option.help];
  }));
}

function table(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.flatMap(([left, right]) => {
    const lines = wrap(right, WIDTH - width - 4);
    return lines.map((line, index) => `  ${(index === 0 ? left : "").padEnd(width)}  ${line}`.trimEnd());
  });
}

function wrap(text: string, width: number): string[] {
  const lines = [""];
  for (const word of text.split(" ")) {
    const last = lines.at(-1)!;
    if (last !== "" && last.length + word.length + 1 > width) lines.push(word);
    else lines[lines.length - 1] = last === "" ? word : `${last} ${word}`;
  }
  return lines;
}
