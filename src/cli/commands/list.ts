import { command } from "../command.ts";
import { openSession } from "../open_session.ts";
import { outputFormat, render } from "../render.ts";
import { count } from "../text.ts";

/** `s3lo list`. */
export const LIST = command({
  name: "list",
  summary: "List the images and tags of a bucket or a registry repository",
  operands: ["LOCATION"],
  access: { net: "references", write: "never" },
  details:
    "LOCATION is s3://bucket[/prefix], local://folder[//prefix], a registry repository, or a registry's host where it " +
    "has a catalog (localhost:5000).",
  options: [{ name: "all", help: "Also tags that only hold what refers to another image (sha256-…)" }],
  examples: [
    ["s3lo list s3://my-bucket", "Every image and tag of a bucket"],
    ["s3lo list s3://my-bucket/team", "Only images whose names start with team/"],
    ["s3lo list ghcr.io/o/app", "The tags of a registry repository"],
  ],
  read: async ([location = ""]) => (await import("../../oci/collection.ts")).parseListedCollection(location),
  places: (collection) => [collection],
  remembers: (collection) => [{ place: collection }],
  async run(collection, options, io) {
    const { listCommand, listPages } = await import("../../commands/list.ts");
    await using session = await openSession(options, io);
    const chosen = { all: options.flag("all") };
    const format = outputFormat(options);
    // Lines are printed as they come: a registry may have more tags than anybody wants to hold, or to wait for.
    const pages = format === "text"
      ? listPages(session, collection, chosen)
      : [await listCommand(session, collection, chosen)];
    const isWhole = collection.kind === "s3" && collection.prefix === "";
    const seen: string[] = [];
    let isEmpty = true;
    let hiddenTags = 0;
    for await (const page of pages) {
      if (page.images.length > 0) isEmpty = false;
      hiddenTags += page.hiddenTags;
      if (isWhole) seen.push(...page.images.flatMap(({ name, tags }) => tags.map((tag) => `${name}:${tag}`)));
      if (format === "text" && page.images.length === 0) continue;
      // Whoever reads no more wants no more.
      if (!await io.out(await render(format, page.images, listText))) return 0;
    }
    if (isWhole) await io.remember({ place: collection, all: seen });
    if (isEmpty) io.note("No images found.");
    if (hiddenTags > 0) {
      io.note(`${count(hiddenTags, "tag")} of signatures and other referrers not shown (--all shows them)`);
    }
    return 0;
  },
});

/** One line an image and tag. */
function listText(images: readonly { readonly name: string; readonly tags: readonly string[] }[]): string {
  return images.flatMap(({ name, tags }) => tags.map((tag) => `${name}:${tag}\n`)).join("");
}
