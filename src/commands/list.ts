import { isDigestTag } from "../oci/referrers.ts";
import { type ListedImage, listImages } from "../transports/list_images.ts";
import type { Session } from "../transports/session.ts";

/** What a listing gives. */
export interface ListReport {
  readonly images: readonly ListedImage[];
  /** Tags left out because they only hold what refers to another image (signatures, SBOMs). */
  readonly hiddenTags: number;
}

/** Lists the images and tags of a store, of one registry repository, or of a registry that has a catalog. */
export async function listCommand(
  session: Session,
  location: string,
  options: { readonly all?: boolean } = {},
): Promise<ListReport> {
  const listed = await listImages(session, location);
  const shown = options.all
    ? listed
    : listed.map((image) => ({ ...image, tags: image.tags.filter((tag) => !isDigestTag(tag)) }));
  const count = (images: readonly ListedImage[]) => images.reduce((sum, image) => sum + image.tags.length, 0);
  return { images: shown.filter((image) => image.tags.length > 0), hiddenTags: count(listed) - count(shown) };
}
