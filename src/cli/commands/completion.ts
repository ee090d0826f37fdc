import { ImageError } from "../../errors.ts";
import { type CommandSpec, plainCommand } from "../command.ts";

/** `s3lo completion`. */
export const COMPLETION = plainCommand({
  name: "completion",
  summary: "Print the script that completes s3lo's commands in a shell",
  operands: ["SHELL"],
  access: { net: "never", write: "never" },
  options: [],
  details:
    "SHELL is bash, zsh, fish or powershell. Commands, options, their values and files are completed, and images and tags " +
    "of buckets and folders. A bucket that does not answer within 300 ms is asked in the background, and the next Tab has " +
    "its names; they are remembered for ten minutes, also those that list, copy and push have seen.",
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
});

/** How long a shell waits for a look-up, from the start of the program. */
const LIMIT_MS = 300;

/** How much of that the start may have taken, so that some is left on a slow machine. */
const MAX_START_MS = 200;

/** How long a look-up may take that nobody waits for. */
const BACKGROUND_MS = 20_000;

/** What tells a script to call again with `--fill`, in the background. */
const REFRESH = ":refresh";

/**
 * `s3lo __complete`, which the scripts call with the words up to the cursor, the last one unfinished. `commands` gives what
 * there is to complete. Lines that begin with a colon are no candidates: files are meant too (`:files`), and the same call
 * with `--fill` is to be made in the background (`:refresh`).
 */
export const completeCommand = (commands: () => readonly CommandSpec[]): CommandSpec =>
  plainCommand({
    name: "__complete",
    summary: "Print what the last word of a command line can become",
    operands: ["[WORD...]"],
    // It gives up more itself, once it knows what the line is about.
    access: { net: "always", write: "always" },
    hidden: true,
    ignoresFile: true,
    options: [
      { name: "fill", help: "Only ask the bucket that the last word names, and remember what it has" },
      { name: "limit-ms", value: "N", help: "How long a bucket may take to answer" },
    ],
    examples: [['s3lo __complete -- copy s3://my-bucket/""', "For a shell's script"]],
    async run(words, options, io) {
      const { complete } = await import("../completion/complete.ts");
      const limit = options.value("limit-ms");
      const limitMs = limit === undefined ? LIMIT_MS - Math.min(MAX_START_MS, performance.now()) : Number(limit);
      const isFill = options.flag("fill");
      let needsRefresh = false;
      const lines = await complete(words, commands(), async (store, said, side) => {
        const { lookUpNames } = await import("../completion/look_up.ts");
        const found = await lookUpNames(store, {
          said,
          side,
          io,
          limitMs: isFill ? undefined : limitMs,
          backgroundMs: BACKGROUND_MS,
        });
        needsRefresh ||= found.needsRefresh;
        return found.names;
      });
      if (!isFill) await io.out([...lines, ...(needsRefresh ? [REFRESH] : [])].map((line) => `${line}\n`).join(""));
      return 0;
    },
  });
