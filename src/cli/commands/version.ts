import { plainCommand } from "../command.ts";
import { outputFormat, render } from "../render.ts";
import { programFacts } from "../version.ts";

/** `s3lo version`. */
export const VERSION_COMMAND = plainCommand({
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
    const report = programFacts();
    await io.out(
      await render(outputFormat(options), report, () =>
        [
          `s3lo ${report.version}`,
          report.commit === null ? "run from source" : `commit ${report.commit}, built ${report.build_date}`,
          `deno ${report.deno}, ${report.platform}`,
          "",
        ].join("\n")),
    );
    return 0;
  },
});
