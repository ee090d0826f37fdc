import { command } from "../command.ts";
import { openSession } from "../open_session.ts";
import { outputFormat, render } from "../render.ts";

/** `s3lo digest`. */
export const DIGEST = command({
  name: "digest",
  summary: "Print the digest of an image, and nothing else",
  operands: ["REF"],
  access: { net: "references", write: "never" },
  options: [{ name: "platform", value: "OS/ARCH", help: "The digest of this platform's manifest" }],
  examples: [
    ["s3lo digest s3://my-bucket/app:v1", "What the tag means now"],
    ["s3lo digest --platform linux/arm64 alpine:3", "One platform of it"],
    ["s3lo digest s3://my-bucket/app:v1 > app.digest", "For a script that later names the image by it"],
  ],
  read: async ([reference = ""]) => (await import("../../oci/location.ts")).parseLocation(reference),
  places: (location) => [location],
  async run(location, options, io) {
    const { digestCommand } = await import("../../commands/digest.ts");
    await using session = await openSession(options, io);
    const report = await digestCommand(session, location, { platform: options.value("platform") });
    await io.out(await render(outputFormat(options), report, () => `${report.digest}\n`));
    return 0;
  },
});
