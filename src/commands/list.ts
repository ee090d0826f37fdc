import type { Collection } from "../oci/location.ts";
import { isDigestTag } from "../oci/referrers.ts";
import { imagePages, type ListedImage, listImages } from "../transports/list_images.ts";
import type { Session } from "../transports/session.ts";

/** What a listing gives. */
export interface ListReport {
  readonly images: readonly ListedImage[];
  /** Tags left out because they only hold what refers to another image (signatures, SBOMs). */
  readonly hiddenTags: number;
}

/** Which tags are listed. */
export interface ListOptions {
  /** Also those that only hold what refers to another image. */
  readonly all?: boolean;
}

/** Lists the images and tags of a store, of one registry repository, or of a registry that has a catalog. */
export async function listCommand(
  session: Session,
  collection: Collection,
  options: ListOptions = {},
): Promise<ListReport> {
  return report(await listImages(session, collection), options);
}

/** As {@linkcode listCommand}, page by page while they come; nothing is held. */
export async function* listPages(
  session: Session,
  collection: Collection,
  options: ListOptions = {},
): AsyncGenerator<ListReport, void> {
  for await (const page of imagePages(session, collection)) yield report(page, options);
}

function report(listed: readonly ListedImage[], { all = false }: ListOptions): ListReport {
  const images = all
    ? listed
    : listed.map((image) => ({ ...image, tags: image.tags.filter((tag) => !isDigestTag(tag)) }));
  const count = (each: readonly ListedImage[]) => each.reduce((sum, image) => sum + image.tags.length, 0);
  return { images: images.filter((image) => image.tags.length > 0), hiddenTags: count(listed) - count(images) };
}
