import type { IndexCommandOptions, IndexReport } from "../../commands/index.ts";
import type { ImageLocation } from "../../oci/location.ts";
import { command, type CommandIo, type Settings } from "../command.ts";
import { leftOutNote } from "../left_out_note.ts";
import { openSession } from "../open_session.ts";
import { SIDE_OPTIONS } from "../options.ts";
import { checkSideOptions } from "../side_options.ts";
import { checkStorageOptions, STORAGE_OPTIONS, VERIFY_OPTION } from "../storage_options.ts";
import { Progress } from "../progress.ts";
import { outputFormat, render } from "../render.ts";
import type { Session } from "../../transports/session.ts";
import { blobSummary } from "../blob_summary.ts";
import { count } from "../text.ts";

const FORCE = { name: "force", short: "f", help: "Change a tag that is immutable" };
const CREATE = { name: "create", help: "Make a store in a local folder that already holds something else" };
const PLATFORM = {
  name: "platform",
  value: "OS/ARCH",
  multiple: true,
  help: "Take only these platforms of each source (default: all that it has)",
};
const REPLACE = { name: "replace", help: "Let an added image take the place of the one of its platform" };

/** `s3lo index create`. */
export const INDEX_CREATE = command({
  name: "index create",
  summary: "Join images of single platforms into one multi-arch tag",
  operands: ["TARGET", "SOURCE..."],
  access: { net: "references", write: "always" },
  details:
    "The platform of each image is taken from its config. Nothing is downloaded: what TARGET's bucket has stays where " +
    "it is, and what another bucket has is copied by the store itself. Two images of one platform are refused.",
  options: [PLATFORM, FORCE, CREATE, VERIFY_OPTION, ...SIDE_OPTIONS, ...STORAGE_OPTIONS],
  examples: [
    ["s3lo index create s3://b/app:v1 s3://b/app:v1-amd64 s3://b/app:v1-arm64", "Two single-arch tags become one tag"],
    [
      "s3lo index create s3://b/app:v1 s3://b/app@sha256:… s3://c/other:v1",
      "Images by digest, and from another bucket",
    ],
  ],
  read: readPlaces,
  places: ({ target, sources }) => [target, ...sources],
  run: async ({ target, sources }, options, io) =>
    await run(options, io, async (session, given) => {
      const { createIndex } = await import("../../commands/index.ts");
      return await createIndex(session, target, sources, given);
    }),
});

/** `s3lo index add`. */
export const INDEX_ADD = command({
  name: "index add",
  summary: "Add images to a multi-arch tag, or start it",
  operands: ["TARGET", "SOURCE..."],
  access: { net: "references", write: "always" },
  details: "Jobs that build one platform each can add to the same tag at the same time: none of them is lost.",
  options: [PLATFORM, REPLACE, FORCE, CREATE, VERIFY_OPTION, ...SIDE_OPTIONS, ...STORAGE_OPTIONS],
  examples: [
    ["s3lo index add s3://b/app:v1 s3://b/app:v1-riscv64", "One more platform"],
    ["s3lo index add --replace s3://b/app:v1 s3://b/app:v1-arm64", "A platform built anew"],
  ],
  read: readPlaces,
  places: ({ target, sources }) => [target, ...sources],
  run: async ({ target, sources }, options, io) =>
    await run(options, io, async (session, given) => {
      const { addToIndex } = await import("../../commands/index.ts");
      return await addToIndex(session, target, sources, given);
    }),
});

/** `s3lo index remove`. */
export const INDEX_REMOVE = command({
  name: "index remove",
  summary: "Take platforms out of a multi-arch tag",
  operands: ["TARGET", "PLATFORM..."],
  access: { net: "references", write: "always" },
  options: [FORCE, ...STORAGE_OPTIONS],
  examples: [["s3lo index remove s3://b/app:v1 linux/arm/v7", "A platform that is no longer built"]],
  read: async ([target = "", ...platforms], options) => ({ ...await readPlaces([target], options), platforms }),
  places: ({ target }) => [target],
  run: async ({ target, platforms }, options, io) =>
    await run(options, io, async (session, given) => {
      const { removeFromIndex } = await import("../../commands/index.ts");
      return await removeFromIndex(session, target, platforms, given);
    }),
});

/** The places that are named, held against the options for them. */
async function readPlaces(
  [text = "", ...texts]: readonly string[],
  options: Settings,
): Promise<{ readonly target: ImageLocation; readonly sources: readonly ImageLocation[] }> {
  const { parseLocation } = await import("../../oci/location.ts");
  const [target, sources] = [parseLocation(text), texts.map((each) => parseLocation(each))];
  checkStorageOptions(options, target);
  checkSideOptions(options, { source: sources, target: [target] });
  return { target, sources };
}

async function run(
  options: Settings,
  io: CommandIo,
  change: (session: Session, given: IndexCommandOptions) => Promise<IndexReport>,
): Promise<number> {
  await using session = await openSession(options, io, { hasSides: true });
  let report: IndexReport;
  {
    using progress = new Progress(io);
    report = await change(session, {
      platforms: options.values("platform"),
      replace: options.flag("replace"),
      force: options.flag("force"),
      create: options.flag("create"),
      verify: options.flag("verify"),
      onEvent: progress.onEvent,
    });
  }
  const leftOut = leftOutNote(report, "the sources");
  if (leftOut !== undefined) io.note(leftOut);
  await io.out(await render(outputFormat(options), report, text));
  return 0;
}

function text(report: IndexReport): string {
  const platforms = report.platforms.map((each) => each.platform).join(", ");
  const hasBlobs = report.blobs_copied + report.blobs_linked + report.blobs_skipped > 0;
  return [
    `${report.reference}@${report.digest}`,
    `${count(report.platforms.length, "platform")}: ${platforms}`,
    ...(hasBlobs ? [blobSummary(report)] : []),
    "",
  ].join("\n");
}
