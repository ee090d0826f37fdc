import type { ArchivePlace } from "../oci/locations/archive.ts";
import { openDockerArchiveImage } from "../archive/docker_archive_reader.ts";
import { checkDockerArchive, dockerArchive, type DockerArchiveOptions } from "../archive/docker_archive_writer.ts";
import { distinctNames } from "../archive/image_names.ts";
import type { IntakeOptions } from "../archive/layer_intake.ts";
import { layerCompression } from "../oci/media_types.ts";
import { openInput, openOutput, type StandardStreams } from "./archive_streams.ts";
import { ArchiveTarget } from "./archive_target.ts";
import { type ArchivedSource, openArchivedSource } from "./archived_source.ts";

/** How a docker archive is written. */
export interface DockerArchiveTargetOptions extends StandardStreams, Pick<DockerArchiveOptions, "signal"> {
  /** Image names (`app:v1`), beside the one in the reference. */
  readonly names?: readonly string[];
}

/**
 * Opens an image of a docker archive. `text`: the reference as the user wrote it.
 *
 * Throws what `openArchiveFile` and `openDockerArchiveImage` throw.
 */
export async function openDockerArchiveSource(
  { path, name }: ArchivePlace,
  text: string,
  options: StandardStreams & IntakeOptions = {},
): Promise<ArchivedSource> {
  const files = await openInput(path, options);
  return await openArchivedSource(text, files, (opened) => openDockerArchiveImage(opened, name, options));
}

/**
 * Opens a docker archive for writing; it takes one image, no index. See `dockerArchive` for what is in it.
 *
 * Throws what `openArchiveOutput` throws, `invalid-reference` for a bad name.
 */
export async function openDockerArchiveTarget(
  { path, name }: ArchivePlace,
  text: string,
  options: DockerArchiveTargetOptions = {},
): Promise<ArchiveTarget> {
  const names = distinctNames([...(name === undefined ? [] : [name]), ...(options.names ?? [])]);
  return new ArchiveTarget({
    name: text,
    acceptsIndex: false,
    holdsReferrers: false,
    output: await openOutput(path, options),
    check: (manifests) => checkDockerArchive(manifests, names),
    isUnpacked: (blob) => layerCompression(blob.mediaType) === "zstd",
    make: ({ manifests, openBlob, openRaw, skipBlob: onSkipped }) =>
      dockerArchive({ manifest: manifests[0]!, names }, openBlob, { openRaw, onSkipped, signal: options.signal }),
  });
}
