import { ImageError } from "../errors.ts";
import { DEFAULT_TAG, parseReference } from "../oci/reference.ts";

/** A name with a tag, as a daemon keeps it. */
export interface DaemonName {
  /** Host and repository: `docker.io/library/alpine`. */
  readonly repository: string;
  readonly tag: string;
  /** Both: `docker.io/library/alpine:latest`. */
  readonly full: string;
}

/**
 * Reads the name that an image gets in a daemon; the tag is `latest` where none is given.
 *
 * Throws `invalid-reference` for a store's reference, a digest, or what is no name.
 */
export function parseDaemonName(text: string): DaemonName {
  const reference = parseReference(text);
  if (reference.kind !== "registry" || reference.digest !== undefined) {
    throw new ImageError("invalid-reference", `Invalid name "${text}" for an image in the daemon: expected name:tag`);
  }
  const repository = `${reference.registry}/${reference.repository}`;
  const tag = reference.tag ?? DEFAULT_TAG;
  return { repository, tag, full: `${repository}:${tag}` };
}
