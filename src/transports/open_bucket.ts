import { ImageError } from "../errors.ts";
import type { ImageStore } from "../bucket/image_store.ts";
import type { TagWriter } from "../bucket/tag_writer.ts";
import type { ImageSource, ImageTarget } from "../image/places.ts";
import { type ImageLocation, label, type StoreLocation } from "../oci/location.ts";
import { tagOf } from "../oci/locations/names.ts";
import type { BucketImage } from "./bucket_source.ts";
import { resolveLocal } from "./local_reading.ts";
import type { Session } from "./session.ts";
import type { Side } from "./sides.ts";

/** How a bucket or folder is opened for writing. */
export interface OpenBucketOptions {
  /** Replace a protected tag. */
  readonly force?: boolean;
  /** Make a store in a folder that holds something else. */
  readonly create?: boolean;
  /** Read and check what one bucket's server would copy to another by itself. */
  readonly verify?: boolean;
}

/** The image of a bucket or folder that a reference names. `side`: whose settings hold; default the target's for writing. */
export async function bucketImage(
  session: Session,
  location: StoreLocation,
  options: { readonly access: "read" | "write"; readonly create?: boolean; readonly side?: Side },
): Promise<BucketImage> {
  const pinned = { tag: tagOf(location), digest: location.digest, name: label(location) };
  if (location.kind === "s3") {
    const { side = options.access === "read" ? "source" : "target" } = options;
    return { store: await session.bucket(location.bucket, side), image: location.image, ...pinned };
  }
  const { folder, image } = await resolveLocal(location, options.access);
  const store: ImageStore = await session.folder(folder, { ...options, isNamed: location.explicit });
  return { store, image, ...pinned };
}

/** A tag of a bucket or folder, opened for being changed in place. */
export interface BucketTag {
  readonly name: string;
  readonly store: ImageStore;
  readonly source: ImageSource;
  readonly target: ImageTarget;
  readonly tag: TagWriter;
}

/** Opens a tag of a bucket or folder for being changed in place. Throws `usage` for other kinds of places. */
export async function openBucketTag(
  session: Session,
  location: ImageLocation,
  options: OpenBucketOptions = {},
): Promise<BucketTag> {
  if ((location.kind !== "s3" && location.kind !== "local") || location.digest !== undefined) {
    throw new ImageError(
      "usage",
      `Cannot change "${location.text}": only a tag of a bucket or folder can be changed in place`,
    );
  }
  const image = await bucketImage(session, location, { access: "write", create: options.create ?? false });
  const tag = image.tag ?? "";
  const [{ BucketSource }, { BucketTarget }, { TagWriter }] = await Promise.all([
    import("./bucket_source.ts"),
    import("./bucket_target.ts"),
    import("../bucket/tag_writer.ts"),
  ]);
  const force = options.force ?? false;
  const { log } = session.options;
  const { concurrentBlobs, signal, retry } = session;
  return {
    name: image.name,
    store: image.store,
    source: new BucketSource(image),
    target: new BucketTarget({ ...image, tag }, {
      force,
      verifies: options.verify ?? false,
      concurrentBlobs,
      signal,
      retry,
      log,
    }),
    tag: new TagWriter(image.store, { image: image.image, tag }, { name: image.name, force, log }),
  };
}
