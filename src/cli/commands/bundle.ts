import type { BundleListReport } from "../../commands/bundle_list.ts";
import type { LoadedImageReport } from "../../commands/bundle_load.ts";
import type { BundleSaveReport } from "../../commands/bundle_save.ts";
import { ImageError } from "../../errors.ts";
import type { LoadTarget } from "../../oci/collection.ts";
import type { Collection, ImageLocation } from "../../oci/location.ts";
import { command, type CommandIo, type OptionSpec } from "../command.ts";
import { leftOutNote } from "../left_out_note.ts";
import { openSession } from "../open_session.ts";
import { checkStorageOptions, STORAGE_OPTIONS } from "../storage_options.ts";
import { PLATFORM_OPTION } from "../options.ts";
import { Progress } from "../progress.ts";
import { outputFormat, render } from "../render.ts";
import { errorLines } from "../report_error.ts";
import { parseSize } from "../size.ts";
import { blobSummary, sumOfCounts } from "../blob_summary.ts";
import { count, formatDuration, formatSize } from "../text.ts";

/** Smallest part that `--split` makes. */
const MIN_PART_BYTES = 64 * 1024;

const KEEP_GOING: OptionSpec = {
  name: "keep-going",
  short: "k",
  help: "Go on with the other images when one fails; the exit code is 1 then",
};

/** `s3lo bundle save`. */
export const BUNDLE_SAVE = command({
  name: "bundle save",
  summary: "Write several images into one file, to carry where no network is",
  operands: ["[REF...]"],
  access: { net: "always", write: "always" },
  details:
    "REF is an image anywhere: a bucket, a folder, a registry, an archive, the daemon. It keeps its name, or gets the one " +
    'that is given: "REF as NAME:TAG". Blobs that images share are stored once, manifests byte for byte. The file is an ' +
    "OCI image layout in a tar, which skopeo, oras, podman and containerd read too; the same images give the same file. " +
    "With --split there are FILE.001, FILE.002 … and FILE.sha256, which sha256sum -c checks. With --since only blobs that " +
    "the earlier bundle did not bring are stored, and loading checks first that the others are there.",
  options: [
    { name: "file", short: "f", value: "FILE", help: "The file to write; - for stdout" },
    {
      name: "from",
      value: "LIST",
      multiple: true,
      help: "Read images from a file too, one a line (# starts a comment); - for stdin",
    },
    PLATFORM_OPTION,
    { name: "split", value: "SIZE", help: "Cut the file into parts of this size: 4GB, 700MB, 2GiB" },
    {
      name: "since",
      value: "FILE",
      help: "Leave out what this earlier bundle brought; FILE is it, or the JSON of bundle list or bundle save",
    },
    { name: "include-referrers", help: "Take signatures, SBOMs and whatever else refers to the images along" },
    { name: "allow-nondistributable-artifacts", help: "Take layers too that are marked as not to be distributed" },
    KEEP_GOING,
  ],
  examples: [
    ["s3lo bundle save -f disk.tar s3://b/app:v1 s3://b/db:v2 alpine:3", "Three images in one file"],
    ["s3lo bundle save -f disk.tar --from images.txt --platform linux/amd64", "A list, one platform of each"],
    ["s3lo bundle save -f disk.tar --split 4GB --from images.txt", "For small media, with checksums"],
    ["s3lo bundle save -f disk.tar -o json --from images.txt > disk.json", "Keep the JSON for the next --since"],
    ["s3lo bundle save -f june.tar --since may.json --from images.txt", "Only what is new since May"],
  ],
  read: async (texts, options) => {
    const file = options.value("file");
    if (file === undefined || file === "") {
      throw new ImageError("usage", "Missing --file", { hint: "Usage: s3lo bundle save --file FILE REF..." });
    }
    const { parseBundleItem } = await import("../../archive/bundle_names.ts");
    return { file, items: texts.map((text) => parseBundleItem(text)) };
  },
  // Lists may name more; it keeps everything anyway.
  places: () => [],
  async run({ file, items }, options, io) {
    const started = performance.now();
    const { bundleSaveCommand } = await import("../../commands/bundle_save.ts");
    const split = options.value("split");
    await using session = await openSession(options, io);
    const save = async () => {
      using progress = new Progress(io);
      return await bundleSaveCommand(session, file, items, {
        from: options.values("from"),
        platforms: options.values("platform"),
        since: options.value("since"),
        partBytes: split === undefined ? undefined : parseSize(split, "--split", MIN_PART_BYTES),
        includeReferrers: options.flag("include-referrers"),
        includeForeign: options.flag("allow-nondistributable-artifacts"),
        keepGoing: options.flag("keep-going"),
        onEvent: progress.onEvent,
        onImage: (source, name, { number, count }) => {
          progress.image(number, count);
          io.note(source === name ? `Saving ${name}` : `Saving ${source} as ${name}`);
        },
      });
    };
    const { report, failures } = await save();
    saveNotes(report, io);
    const data = failures.length > 0 ? { ...report, failures: failureList(failures) } : report;
    await io.out(
      await render(outputFormat(options), data, (shown) => saveSummary(shown, performance.now() - started)),
    );
    return reportFailures(failures, io);
  },
});

/** `s3lo bundle load`. */
export const BUNDLE_LOAD = command({
  name: "bundle load",
  summary: "Bring the images of a bundle into a bucket, a folder or a registry",
  operands: ["FILE...", "TARGET"],
  access: { net: "target", write: "always" },
  details:
    "TARGET is s3://bucket[/prefix], local://folder[//prefix] or a registry's host[/prefix]. Images of a bucket or folder " +
    "land under the names they had there, those of a registry without its host: ghcr.io/o/app:v1 as o/app:v1, alpine:3 as " +
    "library/alpine:3. With a tag TARGET is the name of the only image, or of the one that --image chooses. Of a bundle in " +
    "parts one name is enough where all lie in one folder; otherwise name each, in any order. Every digest is checked, and " +
    "the parts before anything is written. What is there already is skipped, so a load that was stopped can be run again.",
  options: [
    { name: "image", short: "i", value: "NAME", multiple: true, help: "Only this image (default: all)" },
    KEEP_GOING,
    { name: "force", help: "Replace tags that are immutable" },
    { name: "create", help: "Make a store in a local folder that already holds something else" },
    ...STORAGE_OPTIONS,
  ],
  examples: [
    ["s3lo bundle load disk.tar s3://my-bucket", "Everything into a bucket"],
    ["s3lo bundle load disk.tar localhost:5000/mirror --plain-http", "Into a registry, below mirror/"],
    ["s3lo bundle load /media/a/disk.tar.001 /media/b/disk.tar.002 local:///srv/store", "Parts from two sticks"],
    ["s3lo bundle load -i app:v1 disk.tar s3://my-bucket/app:imported", "One image, under another name"],
  ],
  read: async (operands, options) => {
    const { checkLoadOperands } = await import("../operand_order.ts");
    const { parseLoadTarget } = await import("../../oci/collection.ts");
    const { bundleAt } = await import("../../oci/locations/bundle.ts");
    const [files, text] = [operands.slice(0, -1), operands.at(-1) ?? ""];
    checkLoadOperands(files, text);
    const target = parseLoadTarget(text);
    checkStorageOptions(options, placeOf(target));
    return { bundle: bundleAt(files), target };
  },
  places: ({ bundle, target }) => [bundle, placeOf(target)],
  async run({ bundle, target }, options, io) {
    const started = performance.now();
    const { bundleLoadCommand } = await import("../../commands/bundle_load.ts");
    await using session = await openSession(options, io);
    const load = async () => {
      using progress = new Progress(io);
      return await bundleLoadCommand(session, bundle, target, {
        images: options.values("image"),
        keepGoing: options.flag("keep-going"),
        force: options.flag("force"),
        create: options.flag("create"),
        onEvent: progress.onEvent,
        onPart: (path) => io.note(`Checking ${path}`),
        onImage: (name, reference, { number, count }) => {
          progress.image(number, count);
          io.note(`Loading ${name} to ${reference}`);
        },
      });
    };
    const { images, failures } = await load();
    const data = { images, ...(failures.length > 0 ? { failures: failureList(failures) } : {}) };
    await io.out(
      await render(outputFormat(options), data, (shown) => loadSummary(shown.images, performance.now() - started)),
    );
    return reportFailures(failures, io);
  },
});

/** `s3lo bundle list`. */
export const BUNDLE_LIST = command({
  name: "bundle list",
  summary: "Show the images of a bundle, their platforms and sizes",
  operands: ["FILE..."],
  access: { net: "never", write: "always" },
  details:
    "FILE is a bundle, or the parts of one; any OCI image layout in a tar or folder will do. The JSON is what bundle save " +
    "--since takes in place of the bundle.",
  options: [{ name: "verify", help: "Read all of it and check every digest" }],
  examples: [
    ["s3lo bundle list disk.tar", "What is in it"],
    ["s3lo bundle list -o json disk.tar > disk.json", "For a later bundle save --since disk.json"],
    ["s3lo bundle list --verify disk.tar.001", "Whether a bundle came over whole"],
  ],
  read: async (files) => (await import("../../oci/locations/bundle.ts")).bundleAt(files),
  places: (bundle) => [bundle],
  async run(bundle, options, io) {
    const { bundleListCommand } = await import("../../commands/bundle_list.ts");
    await using session = await openSession(options, io);
    const { report, failures } = await bundleListCommand(session, bundle, {
      verify: options.flag("verify"),
      onPart: (path) => io.note(`Checking ${path}`),
    });
    await io.out(await render(outputFormat(options), report, listText));
    for (const error of failures) io.err(errorLines(error));
    if (options.flag("verify") && failures.length === 0) io.note(`All ${count(report.blobs.length, "blob")} are whole`);
    return failures.length > 0 ? 1 : 0;
  },
});

/** Where a bundle goes, one image or all. */
function placeOf(target: LoadTarget): Collection | ImageLocation {
  return "image" in target ? target.image : target.collection;
}

function saveNotes(report: BundleSaveReport, io: CommandIo): void {
  for (const image of report.images) {
    const leftOut = leftOutNote(image, image.source);
    if (leftOut !== undefined) io.note(leftOut);
    if (image.source_digest !== undefined) {
      const why = leftOut === undefined ? "platforms were chosen" : "not all platforms are there";
      io.note(
        `Note: the digest of ${image.name} changes, since ${why}: ${image.source_digest} -> ${image.digest}`,
      );
    }
    if (image.referrer_tags_dropped > 0) {
      io.note(
        `Note: ${count(image.referrer_tags_dropped, "tag")} of cosign (signatures, attestations) of ${image.source} ` +
          "left out: a bundle has no tags beside its images",
      );
    }
    if (image.foreign_layers_skipped > 0) {
      io.note(
        `Note: ${
          count(image.foreign_layers_skipped, "layer")
        } of ${image.name} that must not be distributed left out ` +
          "(--allow-nondistributable-artifacts takes them along)",
      );
    }
  }
}

function saveSummary(report: BundleSaveReport, elapsedMs: number): string {
  const where = report.parts ? `${report.file} in ${count(report.parts.length, "part")}` : report.file;
  const leftOut = sum(report.relies_on);
  return [
    ...report.images.map((image) => `${image.name}@${image.digest}`),
    `${where}: ${count(report.images.length, "image")}, ${count(report.blobs.length, "blob")}, ${
      formatSize(report.bytes_written)
    }` + (leftOut > 0 ? `, ${formatSize(leftOut)} left out as there already` : "") + `, ${formatDuration(elapsedMs)}`,
    "",
  ].join("\n");
}

function loadSummary(images: readonly LoadedImageReport[], elapsedMs: number): string {
  return [
    ...images.map((image) => `${image.reference}@${image.digest}`),
    `${count(images.length, "image")}, ${blobSummary(sumOfCounts(images))}, ${formatDuration(elapsedMs)}`,
    "",
  ].join("\n");
}

function listText(report: BundleListReport): string {
  const lines = report.images.flatMap((image) => [
    `${image.name}@${image.digest}`,
    ...image.platforms.map((each) => `  ${each.platform}  ${formatSize(each.size)}`),
    ...(image.attestations > 0 ? [`  Attestations: ${image.attestations}`] : []),
    ...(image.referrers > 0 ? [`  Referrers: ${image.referrers}`] : []),
    ...(image.bytes_left_out > 0 ? [`  Left out: ${formatSize(image.bytes_left_out)}`] : []),
  ]);
  const needs = report.relies_on.length > 0
    ? `, relies on ${count(report.relies_on.length, "blob")} (${formatSize(sum(report.relies_on))}) at the target`
    : "";
  const total = `${count(report.images.length, "image")}, ${count(report.blobs.length, "blob")} (${
    formatSize(sum(report.blobs))
  })${needs}`;
  return `${[...lines, total].join("\n")}\n`;
}

function sum(blobs: readonly { readonly size: number }[]): number {
  return blobs.reduce((all, blob) => all + blob.size, 0);
}

interface Failure {
  readonly reference: string;
  readonly error: ImageError;
}

function failureList(failures: readonly Failure[]): readonly { readonly reference: string; readonly error: string }[] {
  return failures.map(({ reference, error }) => ({ reference, error: error.message }));
}

function reportFailures(failures: readonly Failure[], io: CommandIo): number {
  for (const { reference, error } of failures) io.err(errorLines(error, `${reference}: `));
  if (failures.length === 0) return 0;
  io.err(`Error: ${count(failures.length, "image")} failed; the others are done\n`);
  return 1;
}
