import type { ImageSource } from "../image/places.ts";
import type { RepositoryLocation } from "../oci/location.ts";
import { BucketSource } from "./bucket_source.ts";
import { isImageError } from "../errors.ts";
import { bucketImage } from "./open_bucket.ts";
import { openSource } from "./open.ts";
import type { Session } from "./session.ts";

/** How many other tags of a repository are opened. */
const MAX_SIBLINGS = 6;

/**
 * The image of a reference and, in a bucket, those of its repository that were written last, for finding out what the
 * place holds already. They need not exist: reading one that does not throws `not-found`.
 */
export async function openSiblings(
  session: Session,
  location: RepositoryLocation,
): Promise<readonly ImageSource[]> {
  if (location.kind === "registry") return [await openSource(session, location)];
  try {
    const image = await bucketImage(session, location, { access: "read" });
    const tags = await image.store.newestTags(image.image, MAX_SIBLINGS).catch((error) => {
      // Who may not list goes without the others: they only save work.
      if (isImageError(error, "denied")) return [];
      throw error;
    });
    const others = tags.filter((tag) => tag !== image.tag);
    const under = (tag: string) =>
      new BucketSource({ ...image, tag, digest: undefined, name: `${image.name} (${tag})` });
    return [new BucketSource({ ...image, digest: undefined }), ...others.map(under)];
  } catch (error) {
    // A folder that is no store yet holds nothing.
    if (isImageError(error, "not-found")) return [];
    throw error;
  }
}
