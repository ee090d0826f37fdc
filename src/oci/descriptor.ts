import { Buffer } from "node:buffer";
import { ImageError, messageOf } from "../errors.ts";
import { algorithmOf, type Digest, digestOf, parseDigest } from "./digest.ts";
import { Members } from "./json.ts";
import { parsePlatformObject, type Platform } from "./platform.ts";

/**
 * Points at bytes: what they are, their digest and their length.
 *
 * Spec: OCI image-spec v1.1.1, descriptor.md.
 */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  /** Length of the bytes. */
  readonly size: number;
  /** Where a foreign layer can be downloaded. */
  readonly urls?: readonly string[];
  readonly annotations?: Readonly<Record<string, string>>;
  /** The bytes themselves, in base64. */
  readonly data?: string;
  readonly platform?: Platform;
  readonly artifactType?: string;
}

const MEMBERS: ReadonlySet<string> = new Set(
  ["mediaType", "digest", "size", "urls", "annotations", "data", "platform", "artifactType"],
);

/**
 * Reads a descriptor out of parsed JSON; members that the specification does not name are ignored.
 *
 * `what` names it in errors. Throws `invalid-input`.
 */
export function parseDescriptor(value: unknown, what: string): Descriptor {
  const members = new Members(value, what);
  members.refuseLookalikes(MEMBERS);
  const digestText = members.string("digest");
  if (digestText === undefined) throw members.missing("digest");
  let digest: Digest;
  try {
    digest = parseDigest(digestText);
  } catch (cause) {
    throw new ImageError("invalid-input", `Invalid ${what}: ${messageOf(cause)}`, { cause });
  }
  const size = members.size("size");
  if (size === undefined) throw members.missing("size");
  const platform = members.raw("platform");
  const optional = {
    urls: members.strings("urls"),
    annotations: members.stringMap("annotations"),
    data: members.string("data"),
    platform: platform === undefined ? undefined : parsePlatformObject(platform, `platform of ${what}`),
    artifactType: members.string("artifactType"),
  };
  return {
    mediaType: members.string("mediaType") ?? "",
    digest,
    size,
    ...Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined)),
  };
}

/**
 * The bytes that a descriptor carries itself, checked against its digest and size; undefined when it carries none.
 *
 * Throws `digest-mismatch` when the embedded bytes are not the ones described.
 */
export function embeddedBytes(descriptor: Descriptor): Uint8Array<ArrayBuffer> | undefined {
  if (descriptor.data === undefined) return undefined;
  const bytes = new Uint8Array(Buffer.from(descriptor.data, "base64"));
  if (bytes.byteLength !== descriptor.size || digestOf(bytes, algorithmOf(descriptor.digest)) !== descriptor.digest) {
    throw new ImageError("digest-mismatch", `Embedded data of "${descriptor.digest}" does not match its digest`);
  }
  return bytes;
}
