import { type CommandSpec, plainCommand } from "../command.ts";

/** `s3lo help`, which says what `--help` says. `commands` gives what there is help for. */
export const helpCommand = (commands: () => readonly CommandSpec[]): CommandSpec =>
  plainCommand({
    name: "help",
    summary: "Show the help of a command, or of the options that all commands have",
    operands: ["[COMMAND]", "[SUB]"],
    access: { net: "never", write: "never" },
    ignoresFile: true,
    options: [],
    examples: [
      ["s3lo help copy", "What s3lo copy --help says"],
      ["s3lo help index create", "A command of two words"],
      ["s3lo help options", "Common options, their variables, and the file of settings"],
    ],
    async run(words, _options, io) {
      const { topic } = await import("../help_topics.ts");
      await io.out(await topic(words, commands()));
      return 0;
    },
  });
