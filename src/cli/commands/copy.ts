import { ImageError, printableData } from "../../errors.ts";
import type { CopyOutcome, CopyReport } from "../../commands/copy.ts";
import { command, type CommandIo, type OptionValues } from "../command.ts";
import { PLATFORM_OPTION, SIDE_OPTIONS } from "../options.ts";
import { leftOutNote } from "../left_out_note.ts";
import { Progress } from "../progress.ts";
import { outputFormat, render } from "../render.ts";
import { openSession } from "../open_session.ts";
import { checkSideOptions } from "../side_options.ts";
import { checkStorageOptions, STORAGE_OPTIONS, VERIFY_OPTION } from "../storage_options.ts";
import { errorLines } from "../report_error.ts";
import { blobSummary, sumOfCounts } from "../blob_summary.ts";
import { count, formatDuration, formatSize } from "../text.ts";

/** `s3lo copy`. */
export const COPY = command({
  name: "copy",
  summary: "Copy an image from any registry or bucket to any other",
  operands: ["SOURCE", "TARGET"],
  access: { net: "references", write: "target" },
  details:
    "All platforms come along and the index is kept byte for byte, attestations included. One --platform stores the " +
    "single image of that platform; several store an index of just those. Blobs that the target has are not moved again, " +
    "and between buckets of one endpoint nothing passes through this machine. The tag appears last: it is there and whole, " +
    "or not there.",
  options: [
    PLATFORM_OPTION,
    { name: "all-tags", short: "a", help: "Copy every tag of the source's repository; neither reference names a tag" },
    { name: "include-referrers", help: "Copy signatures, SBOMs and whatever else refers to the image too" },
    { name: "allow-nondistributable-artifacts", help: "Copy layers too that are marked as not to be distributed" },
    { name: "dry-run", help: "Only say what would be copied" },
    { name: "force", short: "f", help: "Replace a tag that is immutable" },
    { name: "create", help: "Make a store in a local folder that already holds something else" },
    ...SIDE_OPTIONS,
    VERIFY_OPTION,
    ...STORAGE_OPTIONS,
  ],
  examples: [
    ["s3lo copy alpine:3 s3://my-bucket/alpine:3", "All platforms from Docker Hub into a bucket"],
    [
      "s3lo copy --platform linux/amd64 ghcr.io/o/app:v1 s3://my-bucket/app:v1",
      "One platform, stored as a single image",
    ],
    ["s3lo copy s3://my-bucket/app:v1 s3://other-bucket/app:v1", "Between buckets, server side"],
    ["s3lo copy s3://my-bucket/app:v1 local:///media/disk/store//app:v1", "Onto a disk, to carry elsewhere"],
    [
      "s3lo copy --src-endpoint http://minio:9000 --dst-profile prod s3://a/app:v1 s3://b/app:v1",
      "From a server of your own to AWS",
    ],
    ["s3lo copy -a s3://my-bucket/app registry.example.com/team/app", "Every tag of an image"],
  ],
  read: async ([source = "", target = ""], options) => {
    const { parseLocation } = await import("../../oci/location.ts");
    const places = { source: parseLocation(source), target: parseLocation(target) };
    checkStorageOptions(options, places.target);
    checkSideOptions(options, { source: [places.source], target: [places.target] });
    return places;
  },
  places: ({ source, target }) => [source, target],
  remembers: ({ source, target }) => [{ place: source, side: "src" }, { place: target, side: "dst" }],
  async run({ source, target }, options, io) {
    const started = performance.now();
    const { copyCommand } = await import("../../commands/copy.ts");
    await using session = await openSession(options, io, { hasSides: true });
    let outcome: CopyOutcome;
    {
      using progress = new Progress(io);
      outcome = await copyCommand(session, source, target, {
        platforms: options.values("platform"),
        allTags: options.flag("all-tags"),
        includeReferrers: options.flag("include-referrers"),
        includeForeign: options.flag("allow-nondistributable-artifacts"),
        dryRun: options.flag("dry-run"),
        force: options.flag("force"),
        create: options.flag("create"),
        verify: options.flag("verify"),
        onEvent: progress.onEvent,
        onImage: (from, to, { number, count }) => {
          progress.image(number, count);
          io.note(`Copying ${from} to ${to}`);
        },
      });
    }
    return await report(outcome, options, io, performance.now() - started);
  },
});

async function report(outcome: CopyOutcome, options: OptionValues, io: CommandIo, elapsedMs: number): Promise<number> {
  const format = outputFormat(options);
  for (const [index, image] of outcome.images.entries()) {
    notes(image, io);
    const { source, target } = outcome.pairs[index]!;
    await io.remember({ place: source, side: "src" });
    if (!image.dry_run) await io.remember({ place: target, side: "dst" });
  }
  if (format !== "text" || outcome.images.length > 0) {
    const data = options.flag("all-tags")
      ? {
        images: outcome.images,
        failures: outcome.failures.map(({ reference, error }) => ({ reference, error: error.message })),
      }
      : outcome.images[0];
    await io.out(await render(format, data, () => text(outcome.images, elapsedMs)));
  }
  for (const { reference, error } of outcome.failures) io.err(errorLines(error, `${reference}: `));
  if (outcome.failures.length > 0) {
    throw new ImageError(
      outcome.failures[0]!.error.code,
      `${count(outcome.failures.length, "tag")} of ${
        outcome.failures.length + outcome.images.length
      } could not be copied`,
    );
  }
  return 0;
}

function text(images: readonly CopyReport[], elapsedMs: number): string {
  const shown = printableData(images);
  const [only] = shown;
  if (only && shown.length === 1) return summary(only, elapsedMs);
  return [...shown.map((image) => summary(image)), total(shown, elapsedMs)].join("");
}

/** What all images of a repository come to. */
function total(images: readonly CopyReport[], elapsedMs: number): string {
  const verb = images.some((image) => image.dry_run) ? "would be copied" : "copied";
  return `${count(images.length, "image")}, ${blobSummary(sumOfCounts(images), verb)}, ${formatDuration(elapsedMs)}\n`;
}

/** One image; how long it took is said where it is the only one. */
function summary(image: CopyReport, elapsedMs?: number): string {
  const platforms = image.platforms > 1 ? `${count(image.platforms, "platform")}, ` : "";
  const verb = image.dry_run ? "would be copied" : "copied";
  const listed = (image.would_copy ?? []).map((blob) => `  ${blob.digest}  ${formatSize(blob.size)}`);
  return [
    `${image.reference}@${image.digest}`,
    ...listed,
    `${platforms}${blobSummary(image, verb)}` +
    (image.dry_run || elapsedMs === undefined ? "" : `, ${formatDuration(elapsedMs)}`),
    "",
  ].join("\n");
}

/** Says what is not the same in the target as in the source. */
function notes(image: CopyReport, io: CommandIo): void {
  const leftOut = leftOutNote(image, image.source);
  if (leftOut !== undefined) io.note(leftOut);
  if (image.unknown) {
    io.note(
      `Note: whether ${image.source} has ${image.unknown.join(" and ")} is not known, and none were copied: ` +
        "that takes s3:ListBucket",
    );
  }
  if (image.source_digest !== undefined) {
    const why = leftOut === undefined ? "platforms were chosen" : "not all platforms are there";
    io.note(`Note: the digest changes, since ${why}: ${image.source_digest} -> ${image.digest}`);
  }
  if (image.foreign_layers_skipped > 0) {
    io.note(
      `Note: ${
        count(image.foreign_layers_skipped, "layer")
      } that must not be distributed left out (--allow-nondistributable-artifacts copies them)`,
    );
  }
  if (image.referrers_dropped > 0) {
    io.note(
      `Note: ${count(image.referrers_dropped, "referrer")} (signatures, SBOMs) not copied: ` +
        `${image.reference} can hold the image alone`,
    );
  }
  if (image.referrer_tags_dropped > 0) {
    io.note(
      `Note: ${count(image.referrer_tags_dropped, "tag")} of cosign (signatures, attestations) not copied: ` +
        `${image.reference} has no tags beside its own`,
    );
  }
  if (image.signatures_dropped > 0) {
    io.note(
      `Note: ${
        count(image.signatures_dropped, "signature record")
      } not copied: they hold for ${image.source} only; sign the copy again`,
    );
  }
}
