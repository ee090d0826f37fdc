/** The media types that s3lo knows by name. Spec: OCI image-spec v1.1.1, media-types.md; Docker image manifest v2.2. */
export const MEDIA_TYPES = {
  ociIndex: "application/vnd.oci.image.index.v1+json",
  ociManifest: "application/vnd.oci.image.manifest.v1+json",
  ociArtifact: "application/vnd.oci.artifact.manifest.v1+json",
  ociConfig: "application/vnd.oci.image.config.v1+json",
  ociEmpty: "application/vnd.oci.empty.v1+json",
  ociLayer: "application/vnd.oci.image.layer.v1.tar",
  ociLayerGzip: "application/vnd.oci.image.layer.v1.tar+gzip",
  ociLayerZstd: "application/vnd.oci.image.layer.v1.tar+zstd",
  dockerIndex: "application/vnd.docker.distribution.manifest.list.v2+json",
  dockerManifest: "application/vnd.docker.distribution.manifest.v2+json",
  dockerSchema1: "application/vnd.docker.distribution.manifest.v1+json",
  dockerSchema1Signed: "application/vnd.docker.distribution.manifest.v1+prettyjws",
  dockerConfig: "application/vnd.docker.container.image.v1+json",
  dockerLayer: "application/vnd.docker.image.rootfs.diff.tar",
  dockerLayerGzip: "application/vnd.docker.image.rootfs.diff.tar.gzip",
  octetStream: "application/octet-stream",
} as const;

/** What kind of manifest a document is; see {@linkcode manifestKind}. */
export type ManifestKind = "image" | "index" | "artifact";

const KINDS: ReadonlyMap<string, ManifestKind> = new Map([
  [MEDIA_TYPES.ociIndex, "index"],
  [MEDIA_TYPES.dockerIndex, "index"],
  [MEDIA_TYPES.ociManifest, "image"],
  [MEDIA_TYPES.dockerManifest, "image"],
  [MEDIA_TYPES.ociArtifact, "artifact"],
]);

/** The manifest media types, in the order in which a client prefers them (for an `Accept` header). */
export const MANIFEST_MEDIA_TYPES: readonly string[] = [...KINDS.keys()];

/** The kind of manifest that a media type names; undefined for anything that is not a manifest. Parameters are ignored. */
export function manifestKind(mediaType: string): ManifestKind | undefined {
  return KINDS.get(bareMediaType(mediaType));
}

/** A media type without parameters (`; charset=utf-8`), trimmed and in lower case. */
export function bareMediaType(mediaType: string): string {
  const end = mediaType.indexOf(";");
  return (end < 0 ? mediaType : mediaType.slice(0, end)).trim().toLowerCase();
}

/** Whether a layer's media type says that it may not be distributed and lies at its `urls`. */
export function isForeignLayer(mediaType: string): boolean {
  const bare = bareMediaType(mediaType);
  return bare.startsWith("application/vnd.docker.image.rootfs.foreign.diff.tar") ||
    bare.startsWith("application/vnd.oci.image.layer.nondistributable.v1.tar");
}

/** How a layer's bytes are compressed, as its media type says. */
export type LayerCompression = "none" | "gzip" | "zstd";

/** The compression that a layer's media type names; undefined when it is no tar layer that s3lo knows. */
export function layerCompression(mediaType: string): LayerCompression | undefined {
  const bare = bareMediaType(mediaType);
  if (/[.+]tar[.+]gzip$/.test(bare)) return "gzip";
  if (/[.+]tar[.+]zstd$/.test(bare)) return "zstd";
  return /\.tar$/.test(bare) ? "none" : undefined;
}
