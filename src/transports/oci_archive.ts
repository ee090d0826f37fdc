import type { ArchivePlace } from "../oci/locations/archive.ts";
import { openLayoutImage } from "../archive/archived_image.ts";
import { layoutNames } from "../archive/image_names.ts";
import { ociArchiveMembers } from "../archive/layout_writer.ts";
import { tarReader } from "../archive/tar_writer.ts";
import type { SpoolOptions } from "../archive/temporary_file.ts";
import { openInput, openOutput, type StandardStreams } from "./archive_streams.ts";
import { ArchiveTarget } from "./archive_target.ts";
import { type ArchivedSource, openArchivedSource } from "./archived_source.ts";

/** How an archive is written. */
export interface OciArchiveTargetOptions extends StandardStreams {
  /** Image names for loaders (`app:v1`), beside the one in the reference. */
  readonly names?: readonly string[];
}

/**
 * Opens an image of an OCI archive; index and manifests come byte for byte. `text`: the reference as the user wrote it.
 *
 * Throws what `openArchiveFile` and `openLayoutImage` throw.
 */
export async function openOciArchiveSource(
  { path, name }: ArchivePlace,
  text: string,
  options: StandardStreams & SpoolOptions = {},
): Promise<ArchivedSource> {
  return await openArchivedSource(text, await openInput(path, options), (files) => openLayoutImage(files, name));
}

/**
 * Opens an OCI archive for writing; see {@linkcode ArchiveTarget}. It holds everything as it is, and for a single image
 * Docker's `manifest.json` too.
 *
 * Throws what `openArchiveOutput` throws, `invalid-reference` for a bad name.
 */
export async function openOciArchiveTarget(
  { path, name }: ArchivePlace,
  text: string,
  options: OciArchiveTargetOptions = {},
): Promise<ArchiveTarget> {
  const names = layoutNames(name, options.names);
  return new ArchiveTarget({
    name: text,
    acceptsIndex: true,
    holdsReferrers: true,
    output: await openOutput(path, options),
    make: (plan) =>
      Promise.resolve(tarReader(ociArchiveMembers({
        names,
        blobs: plan.blobs,
        openBlob: plan.openBlob,
        manifests: plan.allManifests,
      }))),
  });
}
