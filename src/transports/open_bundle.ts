import { ImageError } from "../errors.ts";
import type { ArchiveOutput } from "../archive/archive_output.ts";
import { openArchiveFile } from "../archive/archive_file.ts";
import type { OpenPartsOptions } from "../archive/archive_parts.ts";
import {
  archiveBundleName,
  type BundleItem,
  type BundleName,
  givenBundleName,
  parseBundleList,
  registryBundleName,
  storeBundleName,
} from "../archive/bundle_names.ts";
import { readAll } from "../bytes/blob_reader.ts";
import { Bundle } from "../archive/bundle_reader.ts";
import { openFolder } from "../archive/folder_files.ts";
import { openSplitOutput } from "../archive/split_output.ts";
import type { ImageLocation } from "../oci/location.ts";
import type { BundleLocation } from "../oci/locations/bundle.ts";
import { tagOf } from "../oci/locations/names.ts";
import { isStandardInput, openInput, openOutput } from "./archive_streams.ts";
import { resolveLocal } from "./local_reading.ts";
import type { Session } from "./session.ts";

/** Longest list of images that is read from standard input. */
const MAX_LIST_BYTES = 16 * 1024 * 1024;

/**
 * Opens a bundle: a file, its parts (see `openArchiveFile`), a folder with an image layout, or standard input for `-`.
 *
 * `checkParts`: read all parts through first. Throws what `openArchiveFile` and `Bundle.open` throw.
 */
export async function openBundle(
  session: Session,
  { paths }: BundleLocation,
  options: Pick<OpenPartsOptions, "checkParts" | "onPart"> = {},
): Promise<Bundle> {
  const { signal } = session;
  if (paths.length === 1 && isStandardInput(paths[0]!)) {
    return await Bundle.open(
      await openInput("-", { ...session.options.streams, signal, onPhase: session.options.onPhase }),
    );
  }
  if (paths.length === 1 && await isFolder(paths[0]!)) return await Bundle.open(await openFolder(paths[0]!));
  return await Bundle.open(await openArchiveFile(paths, { ...options, signal, onPhase: session.options.onPhase }));
}

/** Opens a bundle for writing: a file, one in parts, or standard output for `-`. */
export async function openBundleOutput(
  session: Session,
  path: string,
  partBytes: number | undefined,
): Promise<ArchiveOutput & { readonly paths?: readonly string[] }> {
  if (partBytes === undefined) return await openOutput(path, session.options.streams);
  if (path === "-") throw new ImageError("usage", "Parts cannot go to standard output", { hint: "Name a file" });
  return await openSplitOutput(path, partBytes);
}

/** What an image is called in a bundle: as the user says, else as its reference does. Throws `usage` where that has no name. */
export async function bundleNameOf(location: ImageLocation, name: string | undefined): Promise<BundleName> {
  if (name !== undefined) return givenBundleName(name);
  switch (location.kind) {
    case "registry":
      return registryBundleName(location);
    case "s3":
      return storeBundleName(location.text, location.image, tagOf(location));
    case "local":
      return storeBundleName(location.text, (await resolveLocal(location, "read")).image, tagOf(location));
    case "oci":
    case "oci-archive":
    case "docker-archive":
    case "daemon":
      return archiveBundleName(location);
  }
}

/** Reads a list of images to save (see `parseBundleList`) from a file, or from standard input for `-`. */
export async function readBundleList(session: Session, path: string): Promise<readonly BundleItem[]> {
  const { stdin } = session.options.streams ?? {};
  const isStandard = isStandardInput(path);
  if (isStandard && !stdin) throw new ImageError("usage", "Cannot read a list from standard input here");
  const bytes = isStandard ? await readAll(stdin!, MAX_LIST_BYTES, "the list on standard input") : await readFile(path);
  return parseBundleList(new TextDecoder().decode(bytes));
}

/** Reads a small file. Throws `not-found`, `denied`. */
export async function readFile(path: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return await Deno.readFile(path);
  } catch (cause) {
    const isMissing = cause instanceof Deno.errors.NotFound;
    if (!isMissing && !(cause instanceof Deno.errors.PermissionDenied)) throw cause;
    const why = isMissing ? "there is no such file" : "permission denied";
    throw new ImageError(isMissing ? "not-found" : "denied", `Cannot read "${path}": ${why}`, { cause });
  }
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isDirectory;
  } catch {
    return false;
  }
}
