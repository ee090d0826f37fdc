import { clipped } from "../../errors.ts";
import {
  checkCharacters,
  checkControl,
  checkStoreTag,
  invalid,
  type Pin,
  prefixOf,
  splitPin,
  storeNameProblem,
} from "./names.ts";

/** How a reference to a bucket begins. */
export const S3_SCHEME = "s3://";

/** An image in an S3 bucket. */
export interface S3Location extends Pin {
  readonly kind: "s3";
  readonly bucket: string;
  readonly image: string;
  /** As it was written; for messages. */
  readonly text: string;
}

/** A bucket, or the part of it whose image names start with a prefix. */
export interface S3Collection {
  readonly kind: "s3";
  readonly bucket: string;
  /** Empty, or ends in `/`. */
  readonly prefix: string;
  /** As it was written; for messages. */
  readonly text: string;
}

const BUCKET = /^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$/;

/** Reads `s3://bucket/image[:tag][@digest]`. Throws `invalid-reference`. */
export function parseS3Location(text: string): S3Location {
  checkControl(text, text);
  const rest = text.slice(S3_SCHEME.length);
  const slash = rest.indexOf("/");
  const [bucket, path] = slash < 0 ? [rest, ""] : [rest.slice(0, slash), rest.slice(slash + 1)];
  checkCharacters(bucket, text);
  checkBucket(bucket, text);
  const { name: image, ...pin } = splitPin(path, text, path.indexOf("@"), checkStoreTag);
  if (image === "") {
    const hint = `Name an image: s3://${bucket}/IMAGE:TAG; those that are there: s3lo list s3://${bucket}`;
    throw invalid(text, "the image name is missing", hint);
  }
  const problem = storeNameProblem(image, pin.tag !== undefined);
  if (problem) throw invalid(text, problem);
  return { kind: "s3", bucket, image, ...pin, text };
}

/** Reads `s3://bucket[/prefix]`. Throws `invalid-reference`. */
export function parseS3Collection(text: string): S3Collection {
  checkControl(text, text);
  const [bucket = "", ...prefix] = text.slice(S3_SCHEME.length).split("/");
  checkBucket(bucket, text);
  return { kind: "s3", bucket, prefix: prefixOf(prefix, text), text };
}

/** An image of a bucket. Throws `invalid-reference` for what is no name there. */
export function s3LocationIn(
  { bucket, prefix }: S3Collection,
  { image, tag }: { readonly image: string; readonly tag: string },
): S3Location {
  return parseS3Location(`${S3_SCHEME}${bucket}/${prefix}${image}:${tag}`);
}

function checkBucket(bucket: string, text: string): void {
  if (bucket === "") throw invalid(text, "the bucket is missing", "Write s3://BUCKET/IMAGE:TAG, with two slashes");
  if (!BUCKET.test(bucket) || bucket.includes("..")) throw invalid(text, `"${clipped(bucket)}" is not a bucket name`);
}
