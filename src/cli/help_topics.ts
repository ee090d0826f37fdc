import { ImageError } from "../errors.ts";
import type { CommandSpec } from "./command.ts";
import { commandHelp, groupHelp, optionsHelp, programHelp } from "./help.ts";
import { knownElsewhere } from "./later_commands.ts";
import { suggestion } from "./parse_options.ts";

/** The help of a topic. Throws `usage` for what there is no help for. */
export async function topic(words: readonly string[], commands: readonly CommandSpec[]): Promise<string> {
  const shown = commands.filter(({ hidden }) => !hidden);
  const name = words.join(" ");
  if (name === "") return programHelp(shown);
  if (name === "options") return await optionsHelp();
  const command = shown.find((each) => each.name === name);
  if (command) return commandHelp(command);
  const group = shown.filter((each) => each.name.startsWith(`${name} `));
  if (group.length > 0) return groupHelp(name, group);
  throw knownElsewhere(words[0] ?? "", words[1]) ?? new ImageError("usage", `No help for "${name}"`, {
    hint: suggestion(name, [...shown.map((each) => each.name), "options"]) ?? "See the commands with: s3lo help",
  });
}
