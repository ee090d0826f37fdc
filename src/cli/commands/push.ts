import { ImageError } from "../../errors.ts";
import type { PushReport } from "../../commands/push.ts";
import { archivePlace } from "../archive_place.ts";
import { command, type CommandIo } from "../command.ts";
import { leftOutNote } from "../left_out_note.ts";
import { openSession } from "../open_session.ts";
import { checkStorageOptions, STORAGE_OPTIONS } from "../storage_options.ts";
import { PLATFORM_OPTION } from "../options.ts";
import { Progress } from "../progress.ts";
import { outputFormat, render } from "../render.ts";
import { blobSummary } from "../blob_summary.ts";
import { formatDuration } from "../text.ts";

/** `s3lo push`. */
export const PUSH = command({
  name: "push",
  summary: "Bring an image from Docker or podman, or out of a file, to a bucket",
  operands: ["[IMAGE]", "REF"],
  access: { net: "always", write: "always" },
  details:
    "Of an image that the daemon holds for several platforms all that are there whole go, as an index; --platform " +
    "chooses. Manifests go byte for byte where the daemon or file has them, else they are built around the config, so the " +
    "image ID stays. Layers that come as raw tars are compressed. An unchanged image moves nothing and is not even " +
    "exported. With --file no daemon is needed; IMAGE then names one of several images in it.",
  options: [
    PLATFORM_OPTION,
    { name: "all-platforms", help: "Keep the index and its attestations even around a single platform" },
    { name: "file", short: "f", value: "PATH", help: "Read an archive or folder and no daemon; - for stdin" },
    {
      name: "compression",
      value: "KIND",
      choices: ["zstd", "gzip", "none"],
      help: "How raw layers are stored (default: zstd)",
    },
    { name: "compression-level", value: "N", help: "1 to 19 for zstd (default 3), 1 to 9 for gzip (default 6)" },
    { name: "force", help: "Replace a tag that is immutable" },
    { name: "create", help: "Make a store in a local folder that already holds something else" },
    ...STORAGE_OPTIONS,
  ],
  examples: [
    ["s3lo push app:v1 s3://my-bucket/app:v1", "What docker build has made"],
    ["s3lo push --platform linux/arm64 app:v1 s3://my-bucket/app:v1-arm64", "One platform of several"],
    ["s3lo push -f app.tar s3://my-bucket/app:v1", "What docker save, podman save, kaniko or bazel has written"],
    ["ssh host docker save app:v1 | s3lo push -f - s3://my-bucket/app:v1", "Straight from another machine"],
  ],
  read: async (operands, options) => {
    const path = options.value("file");
    const [image, reference = ""] = operands.length > 1 ? operands : [undefined, operands[0]];
    if (path === undefined && image === undefined) {
      throw new ImageError("usage", "Missing REF", {
        hint: "Usage: s3lo push [options] IMAGE REF, or: s3lo push --file PATH REF",
      });
    }
    const { checkPushOperands } = await import("../operand_order.ts");
    checkPushOperands(image, reference, path !== undefined);
    const { parseLocation } = await import("../../oci/location.ts");
    const location = parseLocation(reference);
    checkStorageOptions(options, location);
    return { image, location, path };
  },
  places: ({ location }) => [location],
  remembers: ({ location }) => [{ place: location }],
  async run({ image, location, path }, options, io) {
    const started = performance.now();
    const { pushCommand } = await import("../../commands/push.ts");
    await using session = await openSession(options, io);
    let report: PushReport;
    {
      using progress = new Progress(io);
      report = await pushCommand(session, image, location, {
        file: path === undefined ? undefined : await archivePlace(path, undefined, "read"),
        platforms: options.values("platform"),
        allPlatforms: options.flag("all-platforms"),
        force: options.flag("force"),
        create: options.flag("create"),
        onEvent: progress.onEvent,
      });
    }
    notes(report, path ?? "the daemon", io);
    await io.remember({ place: location });
    await io.out(await render(outputFormat(options), report, (shown) => summary(shown, performance.now() - started)));
    return 0;
  },
});

function notes(report: PushReport, source: string, io: CommandIo): void {
  const leftOut = leftOutNote(report, source === "-" ? "standard input" : source);
  if (leftOut !== undefined) io.note(leftOut);
  else if (report.manifest_built) {
    io.note("Note: there was no manifest, so one was built; the image ID is the same, the digest is new");
  }
}

function summary(report: PushReport, elapsedMs: number): string {
  const platforms = report.platforms.join(", ");
  return [
    `${report.reference}@${report.digest}`,
    `${platforms}${platforms ? ", " : ""}${blobSummary(report)}, ${formatDuration(elapsedMs)}`,
    "",
  ].join("\n");
}
