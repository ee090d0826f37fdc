import type { CommandSpec, OptionSpec } from "./command.ts";
import { LATER_NAMES } from "./later_commands.ts";
import { GLOBAL_OPTIONS } from "./options.ts";

/** Widest line of help, in columns. */
const WIDTH = 100;

/** The line that stands for the common options in the help of a command. */
const COMMON = [
  `Common options: ${
    GLOBAL_OPTIONS.filter(({ name }) => ["endpoint", "profile", "output", "quiet", "debug"].includes(name))
      .map(({ name }) => `--${name}`).join(", ")
  } and more; see: s3lo help options`,
];

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
    ...wrap(`Commands of the Go tool that come later: ${LATER_NAMES.join(", ")}`, WIDTH),
    "",
    "References:",
    ...table([
      ["s3://bucket/image:tag", "an image in an S3 bucket (any S3-compatible server with --endpoint)"],
      ["local://folder/image:tag", "an image in a folder; local://folder//team/image:tag where the name has parts"],
      ["alpine, ghcr.io/o/i@sha256:…", "an image in a registry, as docker pull reads it"],
      [
        "oci:folder, oci-archive:file.tar",
        "an OCI layout, an archive; also docker-archive:file and docker-daemon:name",
      ],
    ]),
    "",
    ...COMMON,
    "",
    "Run s3lo help COMMAND for a command's options and examples.",
    "",
  ].join("\n");
}

/** The help of one command: its own options first, and where those of every command are. */
export function commandHelp(command: CommandSpec): string {
  return [
    `${command.summary}`,
    "",
    `Usage: s3lo ${command.name} [options] ${command.operands.join(" ")}`.trimEnd(),
    "",
    ...(command.details ? [...command.details.split("\n").flatMap((line) => wrap(line, WIDTH)), ""] : []),
    ...(command.options.length > 0 ? ["Options:", ...optionTable(command.options), ""] : []),
    ...COMMON,
    "",
    "Examples:",
    ...command.examples.flatMap(([line, does]) => [`  # ${does}`, `  ${line}`]),
    "",
  ].join("\n");
}

/** The help of commands that share their first word. */
export function groupHelp(group: string, commands: readonly CommandSpec[]): string {
  return [
    `Usage: s3lo ${group} COMMAND [options]`,
    "",
    "Commands:",
    ...table(commands.map((command) => [command.name, command.summary])),
    "",
    ...COMMON,
    "",
    `Run s3lo help ${group} COMMAND for a command's options and examples.`,
    "",
  ].join("\n");
}

/** The help of the common options: each with the variable that stands for it, and what the file of settings may say. */
export async function optionsHelp(): Promise<string> {
  const { settingSpecs, variableOf } = await import("./settings/settings.ts");
  const { BUCKET_KEYS, REGISTRY_KEYS } = await import("./settings/keys.ts");
  const { configPath, processEnv } = await import("./settings/user_folders.ts");
  const set = settingSpecs();
  const file = configPath(Deno.build.os, processEnv) ?? "config.yaml, where S3LO_CONFIG says";
  return [
    "Options of every command",
    "",
    ...optionTable(GLOBAL_OPTIONS),
    "",
    ...wrap(
      "What is not typed is taken from the environment, then from the file of settings, then from the configuration of " +
        "AWS and Docker. s3lo doctor --self shows what is in force, and where each value comes from. A switch that is set " +
        "there is taken back by --SWITCH=false.",
      WIDTH,
    ),
    "",
    "Environment:",
    ...wrap(set.map(({ name }) => variableOf(name)).join(", "), WIDTH - 2).map((line) => `  ${line}`),
    ...wrap(
      "and those of one side of a copy: S3LO_SRC_ENDPOINT, S3LO_DST_PROFILE, … Switches take true or false. User names and " +
        "passwords of registries: S3LO_USERNAME with S3LO_PASSWORD, S3LO_SRC_…, S3LO_DST_….",
      WIDTH - 2,
    ).map((line) => `  ${line}`),
    "",
    "File of settings (S3LO_CONFIG names another one):",
    `  ${file}`,
    "",
    "  concurrency: 16                      # any of the options above that have a variable",
    "  buckets:                             # by name or glob, the first that matches:",
    ...wrap(BUCKET_KEYS.join(", "), WIDTH - 41).map((line) => `${" ".repeat(39)}# ${line}`),
    '    "team-*":',
    "      endpoint: https://minio.example.com",
    "      profile: team",
    `  registries:                          # by host or glob: ${REGISTRY_KEYS.join(", ")}`,
    '    "localhost:5000":',
    "      plain-http: true",
    "",
    "Templates (--format), with the names of --output json, also written as in Go (.MediaType):",
    ...table([
      ["{{.digest}}, {{.platforms.0.digest}}", "a member; places in a list count from 0"],
      ["{{range .platforms}}…{{end}}", "once for each item, whose members begin with the dot"],
      ["{{json .}}, {{len .layers}}", "as JSON; how many"],
      ['{{join .tags ", "}}', "the items of a list in one line"],
      ['{{index .annotations "a.b/c"}}', "a member whose name has dots"],
    ]),
    "  A list is shown item by item, one a line. What a result leaves out is empty.",
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
