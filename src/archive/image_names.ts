import { ImageError } from "../errors.ts";
import { DEFAULT_TAG } from "../oci/locations/names.ts";
import { formatRegistryImage, parseRegistryImage } from "../oci/locations/registry.ts";

/** The annotation of an index entry that holds a tag or a name. Spec: OCI image-spec v1.1.1, annotations.md. */
export const REF_NAME = "org.opencontainers.image.ref.name";

/** The annotation with an image's full name, as containerd and Docker read and write it. */
export const CONTAINERD_NAME = "io.containerd.image.name";

/** The annotation of an index entry whose manifest was made from another one: the digest of that one. */
export const ORIGINAL_DIGEST = "io.s3lo.original.digest";

/** An image's name in the spellings that archives use. */
export interface ImageName {
  /** `docker.io/library/app:v1` */
  readonly full: string;
  /** As `docker images` shows it: `app:v1`. */
  readonly familiar: string;
  readonly tag: string;
}

/**
 * Reads an image name as `docker tag` takes it; the tag defaults to `latest`. Throws `invalid-reference`.
 */
export function parseImageName(text: string): ImageName {
  const image = parseRegistryImage(text);
  if (image.digest !== undefined) {
    throw new ImageError("invalid-reference", `Invalid image name "${text}": expected name[:tag]`);
  }
  const tag = image.tag ?? DEFAULT_TAG;
  const full = formatRegistryImage({ ...image, tag });
  return { full, familiar: full.replace(/^docker\.io\/(?:library\/)?/, ""), tag };
}

/** A name of an entry in an image layout. */
export interface LayoutName {
  /** The value of {@linkcode REF_NAME}. */
  readonly ref: string;
  /** The value of {@linkcode CONTAINERD_NAME}. */
  readonly full?: string;
}

/**
 * The name of a layout's entry as a user wrote it behind the path: it is kept as it is, as other tools look for it; where
 * it is an image name and not only a tag, the full one stands beside it. Throws `invalid-reference` for an empty name.
 */
function layoutName(text: string): LayoutName {
  if (text === "" || /[\s\p{Cc}]/u.test(text)) {
    throw new ImageError("invalid-reference", `Invalid name "${text}" in an image layout`);
  }
  try {
    return /[/:]/.test(text) ? { ref: text, full: parseImageName(text).full } : { ref: text };
  } catch {
    return { ref: text };
  }
}

/** The name of a layout's entry for an image name, as Docker and containerd write it: `v1` and the full name. */
export function dockerLayoutName(text: string): LayoutName {
  const { full, tag } = parseImageName(text);
  return { ref: tag, full };
}

/**
 * All names of a layout's entry: the one behind the path first, then the image names; each image name once.
 *
 * Throws `invalid-reference`.
 */
export function layoutNames(name: string | undefined, imageNames: readonly string[] = []): LayoutName[] {
  const all = [...(name === undefined ? [] : [layoutName(name)]), ...imageNames.map((text) => dockerLayoutName(text))];
  return all.filter(({ full }, at) => full === undefined || all.findIndex((other) => other.full === full) === at);
}

/** Image names without those that mean the same as one before. Throws `invalid-reference`. */
export function distinctNames(names: readonly string[]): string[] {
  return [...new Map(names.map((name) => [parseImageName(name).full, name])).keys()];
}

/** Whether two image names mean the same; texts that are no image names are compared as they are. */
export function isSameName(left: string, right: string): boolean {
  return canonical(left) === canonical(right);
}

function canonical(text: string): string {
  try {
    return parseImageName(text).full;
  } catch {
    return text;
  }
}
