import { ImageError } from "../../errors.ts";
import type { PullReport } from "../../commands/pull.ts";
import { archivePlace } from "../archive_place.ts";
import { command, type Settings } from "../command.ts";
import { leftOutNote } from "../left_out_note.ts";
import { openSession } from "../open_session.ts";
import { Progress } from "../progress.ts";
import { isTemplateText, outputFormat, render } from "../render.ts";
import { blobSummary } from "../blob_summary.ts";
import { formatDuration } from "../text.ts";

/** `s3lo pull`. */
export const PULL = command({
  name: "pull",
  summary: "Bring an image into Docker or podman, or into a file",
  operands: ["REF", "[NAME]"],
  access: { net: "always", write: "always" },
  details:
    "Takes the platform of the daemon, or of this machine for a file (macOS and Windows count as linux); --platform " +
    "overrides. The image is called NAME, by default as in REF. What the daemon has already is not downloaded again, and " +
    "nothing is stored on the way. With --file no daemon is needed; - writes to stdout.",
  options: [
    { name: "platform", value: "OS/ARCH", help: "Another platform than that of the daemon or machine" },
    { name: "all-platforms", help: "Keep the whole index (a file, or a daemon with the containerd image store)" },
    { name: "file", short: "f", value: "PATH", help: "Write an archive or folder and no daemon; - for stdout" },
    {
      name: "format",
      value: "FORMAT",
      choices: ["oci-archive", "docker-archive", "oci"],
      help:
        "Format of the file: oci-archive (default; any docker load or podman load takes a single platform of it), " +
        "docker-archive (for docker load of old versions) or oci (a folder); with braces a template of the result",
    },
  ],
  examples: [
    ["s3lo pull s3://my-bucket/app:v1", "Into Docker, as app:v1"],
    ["s3lo pull --platform linux/arm64 s3://my-bucket/app:v1 app:arm", "Another platform, under another name"],
    ["s3lo pull -f app.tar s3://my-bucket/app:v1", "Into a file, for a machine without network"],
    [
      "s3lo pull --format docker-archive -f - s3://my-bucket/app:v1 | ssh host docker load",
      "Straight into another machine",
    ],
  ],
  read: async ([reference = "", name], options) => {
    const path = options.value("file");
    if (fileFormat(options) !== undefined && path === undefined) {
      throw new ImageError("usage", "--format needs --file");
    }
    const { checkPullOperands } = await import("../operand_order.ts");
    checkPullOperands(reference, name, path !== undefined);
    const { parseLocation } = await import("../../oci/location.ts");
    return { location: parseLocation(reference), name, path };
  },
  places: ({ location }) => [location],
  async run({ location, name, path }, options, io) {
    const started = performance.now();
    const { pullCommand } = await import("../../commands/pull.ts");
    const { hostPlatform } = await import("../../oci/platform.ts");
    await using session = await openSession(options, io);
    let report: PullReport;
    {
      using progress = new Progress(io);
      report = await pullCommand(session, location, {
        host: hostPlatform(Deno.build.os, Deno.build.arch),
        name,
        platform: options.value("platform"),
        allPlatforms: options.flag("all-platforms"),
        file: path === undefined ? undefined : await archivePlace(path, fileFormat(options), "write"),
        onEvent: progress.onEvent,
      });
    }
    for (const note of notes(report)) io.note(note);
    await io.out(await render(outputFormat(options), report, (shown) => summary(shown, performance.now() - started)));
    return 0;
  },
});

/** The format that is meant for the file, and not for the result. */
function fileFormat(options: Settings): string | undefined {
  return options.values("format").filter((value) => !isTemplateText(value)).at(-1);
}

function notes(report: PullReport): string[] {
  const { platform, platform_doubt: doubt } = report;
  const machine = report.file === undefined ? "the daemon" : "this machine";
  const leftOut = leftOutNote(report, report.reference);
  return [
    ...(leftOut === undefined ? [] : [leftOut]),
    ...(report.image_tag_assumed ? [`Note: called ${report.image_tag}, since ${report.reference} names no tag`] : []),
    ...(report.platform_chosen_by === "daemon" && doubt === undefined
      ? [`Note: took ${platform}, which is what the daemon runs`]
      : []),
    ...(doubt === "unnamed" ? [`Note: the image does not say what it runs on`] : []),
    ...(doubt === "other" ? [`Note: the image is for ${platform}, which ${machine} may not run`] : []),
    ...(doubt === "newer" ? [`Note: the image needs ${platform}, which ${machine} may be too old for`] : []),
  ];
}

function summary(report: PullReport, elapsedMs: number): string {
  const where = report.file === undefined
    ? report.image_id ?? report.digest
    : `${report.digest} in ${report.file} (${report.format})`;
  return [
    `${report.image_tag}  ${where}`,
    `${report.platform ?? (report.platform_doubt ? "no platform named" : "all platforms")}, ${blobSummary(report)}, ${
      formatDuration(elapsedMs)
    }`,
    "",
  ].join("\n");
}
