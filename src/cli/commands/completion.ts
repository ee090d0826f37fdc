import { ImageError } from "../../errors.ts";
import type { CommandSpec } from "../command.ts";

/** `s3lo completion`. */
export const COMPLETION: CommandSpec = {
  name: "completion",
  summary: "Print the script that completes s3lo's commands in a shell",
  operands: ["SHELL"],
  access: { net: "never", write: "never" },
  options: [],
  details:
    "SHELL is bash, zsh, fish or powershell. Commands, options and their values are completed, and images and tags " +
    "of buckets and folders: those are looked up for at most 300 ms and remembered for half a minute.",
  examples: [
    ["s3lo completion bash > ~/.local/share/bash-completion/completions/s3lo", "For bash with bash-completion"],
    ["source <(s3lo completion zsh)", "For this zsh; in ~/.zshrc after compinit for every one"],
    ["s3lo completion fish > ~/.config/fish/completions/s3lo.fish", "For fish"],
    ["s3lo completion powershell | Out-String | Invoke-Expression", "For PowerShell, in $PROFILE"],
  ],
  async run([shell = ""], _options, io) {
    const { completionScript, SHELLS } = await import("../completion/scripts.ts");
    const script = completionScript(shell);
    if (script === undefined) {
      throw new ImageError("usage", `No completion for shell "${shell}"`, { hint: `Name one of ${SHELLS.join(", ")}` });
    }
    await io.out(script);
    return 0;
  },
};

/**
 * `s3lo __complete`, which the scripts call with the words up to the cursor, the last one unfinished. `commands` gives what
 * there is to complete.
 */
export const completeCommand = (commands: () => readonly CommandSpec[]): CommandSpec => ({
  name: "__complete",
  summary: "Print what the last word of a command line can become",
  operands: ["[WORD...]"],
  access: { net: "always", write: "always" },
  hidden: true,
  options: [],
  examples: [['s3lo __complete -- copy s3://my-bucket/""', "For a shell's script"]],
  async run(words, _options, io) {
    const { complete } = await import("../completion/complete.ts");
    await io.out((await complete(words, commands())).map((line) => `${line}\n`).join(""));
    return 0;
  },
});
