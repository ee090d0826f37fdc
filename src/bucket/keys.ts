import { ImageError } from "../errors.ts";
import type { Digest } from "../oci/digest.ts";
import { ListedNames } from "../oci/limits.ts";

/** The bucket's own configuration. */
export const SETTINGS_KEY = "s3lo.yaml";

/** Prefix of every tag. */
export const TAGS_PREFIX = "manifests/";

const TAG_FILE = "/manifest.json";

/** An image's name and one of its tags. */
export interface ImageTag {
  readonly image: string;
  readonly tag: string;
}

/** By image, then tag, code unit by code unit. */
export function compareTags(left: ImageTag, right: ImageTag): number {
  return compare(left.image, right.image) || compare(left.tag, right.tag);
}

function compare(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}

/** The one object that is a tag: the manifest or index that it means. */
export function tagKey(image: string, tag: string): string {
  return `${TAGS_PREFIX}${image}/${tag}${TAG_FILE}`;
}

/** Prefix of the signature records of a tag. */
export function signaturesPrefix(image: string, tag: string): string {
  return `${TAGS_PREFIX}${image}/${tag}/signatures/`;
}

/**
 * The image and tag that a key names; undefined for keys of anything else. The tag is the last part before
 * `/manifest.json`, all before it is the image.
 */
export function parseTagKey(key: string): ImageTag | undefined {
  if (!key.startsWith(TAGS_PREFIX) || !key.endsWith(TAG_FILE)) return undefined;
  const path = key.slice(TAGS_PREFIX.length, -TAG_FILE.length);
  const split = path.lastIndexOf("/");
  return split <= 0 || split === path.length - 1
    ? undefined
    : { image: path.slice(0, split), tag: path.slice(split + 1) };
}

/** Checks that a digest can name a blob of a bucket. Throws `unsupported`: the layout knows sha256 alone. */
export function checkBucketDigest(digest: Digest): Digest {
  if (!digest.startsWith("sha256:")) {
    throw new ImageError(
      "unsupported",
      `Cannot store "${digest.slice(0, 30)}…": a bucket holds blobs named by sha256 only`,
    );
  }
  return digest;
}

/** Counts the names that are listed of a store. `name`: the store's. */
export function listedNames(name: string): ListedNames {
  return new ListedNames(`Cannot list "${name}"`, "Name a part of it, or one of its images");
}
