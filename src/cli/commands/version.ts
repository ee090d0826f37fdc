import type { CommandSpec } from "../command.ts";
import { outputFormat, render } from "../render.ts";
import { build, releasePlatform, VERSION } from "../version.ts";

/** `s3lo version`. */
export const VERSION_COMMAND: CommandSpec = {
  name: "version",
  summary: "Show the version, the commit it was built from, and the runtime",
  operands: [],
  access: { net: "never", write: "never" },
  options: [],
  examples: [
    ["s3lo version", "For people"],
    ["s3lo version -o json", "For scripts"],
  ],
  async run(_operands, options, io) {
    const { commit, date } = build() ?? {};
    const report = {
      version: VERSION,
      commit: commit ?? null,
      build_date: date ?? null,
      deno: Deno.version.deno,
      platform: releasePlatform(),
    };
    await io.out(
      await render(outputFormat(options), report, () =>
        [
          `s3lo ${report.version}`,
          commit === undefined ? "run from source" : `commit ${commit}, built ${date}`,
          `deno ${report.deno}, ${report.platform}`,
          "",
        ].join("\n")),
    );
    return 0;
  },
};
