import type { BlobReader } from "../bytes/blob_reader.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { blobPath, type Digest } from "../oci/digest.ts";
import { isContainerImage } from "../oci/container_image.ts";
import { jsonBytes } from "../oci/json.ts";
import { childrenOf, type ImageManifest, isAttestation, type Manifest } from "../oci/manifest.ts";
import { MEDIA_TYPES } from "../oci/media_types.ts";
import { CONTAINERD_NAME, type LayoutName, REF_NAME } from "./image_names.ts";
import { bytesMember, type TarMember } from "./tar_writer.ts";

/** The file that marks an image layout. Spec: OCI image-spec v1.1.1, image-layout.md, "oci-layout file". */
export const LAYOUT_BYTES: Uint8Array<ArrayBuffer> = jsonBytes({ imageLayoutVersion: "1.0.0" });

/** An entry of `index.json`, as it is written. */
export interface LayoutEntry {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** The entries of one root under some names; one without a name when there are none. */
export function layoutEntries(
  root: Descriptor,
  names: readonly LayoutName[],
  annotations: Readonly<Record<string, string>> = {},
): LayoutEntry[] {
  const named = names.map(({ full, ref }) => ({
    ...(full === undefined ? {} : { [CONTAINERD_NAME]: full }),
    [REF_NAME]: ref,
  }));
  return (named.length === 0 ? [{}] : named).map((own) => {
    const all = { ...own, ...annotations };
    return {
      mediaType: root.mediaType,
      digest: root.digest,
      size: root.size,
      ...(root.artifactType === undefined ? {} : { artifactType: root.artifactType }),
      ...(Object.keys(all).length > 0 ? { annotations: all } : {}),
    };
  });
}

/** The `index.json` of a layout. Spec: OCI image-spec v1.1.1, image-layout.md, "index.json file". */
export function layoutIndex(entries: readonly unknown[]): Uint8Array<ArrayBuffer> {
  return jsonBytes({ schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests: entries });
}

/** What an OCI archive is made of. */
export interface OciArchiveImage {
  /** The blobs, in the order in which they are written. */
  readonly blobs: readonly Descriptor[];
  readonly names: readonly LayoutName[];
  openBlob(blob: Descriptor): Promise<BlobReader>;
  /** Asked for after the last blob: the root first, each before its children, then what refers to them. */
  manifests(): Promise<readonly Manifest[]>;
}

/**
 * The files of an OCI archive in order: blobs, manifests (children before what names them), `index.json`, `oci-layout`, so
 * that one that was cut off shows no image. Where the root comes down to one image for containers, Docker's `manifest.json`
 * follows, and the same file works with `docker load` of any version that can read the layers as they are.
 */
export async function* ociArchiveMembers(image: OciArchiveImage): AsyncGenerator<TarMember> {
  const written = new Set<Digest>();
  const isNew = ({ digest }: Descriptor) => !written.has(digest) && written.add(digest);
  for (const blob of image.blobs.filter(isNew)) {
    yield { name: blobPath(blob.digest), sizeBytes: blob.size, open: () => image.openBlob(blob) };
  }
  const manifests = await image.manifests();
  for (const { descriptor, bytes } of manifests.toReversed().filter(({ descriptor }) => isNew(descriptor))) {
    yield bytesMember(blobPath(descriptor.digest), bytes);
  }
  const [root] = manifests;
  if (!root) return;
  const entries = [...layoutEntries(root.descriptor, image.names), ...looseEntries(manifests)];
  yield bytesMember("index.json", layoutIndex(entries));
  yield bytesMember("oci-layout", LAYOUT_BYTES);
  const only = onlyImage(manifests);
  const names = image.names.flatMap(({ full }) => full ?? []);
  if (only) yield bytesMember("manifest.json", dockerList([{ image: only, names }]));
}

/** What Docker's list says of an image. */
export interface DockerListImage {
  readonly config: Pick<Descriptor, "digest">;
  readonly layers: readonly Pick<Descriptor, "digest">[];
}

/** Docker's `manifest.json` of images whose blobs lie where the layout has them. */
export function dockerList(
  images: readonly { readonly image: DockerListImage; readonly names: readonly string[] }[],
): Uint8Array<ArrayBuffer> {
  return jsonBytes(images.map(({ image, names }) => ({
    Config: blobPath(image.config.digest),
    RepoTags: names,
    Layers: image.layers.map((layer) => blobPath(layer.digest)),
  })));
}

/** Entries for manifests that nothing below the root (the first) names (signatures), so that they can be found. */
export function looseEntries(manifests: readonly Manifest[]): LayoutEntry[] {
  const [root, ...others] = manifests;
  const named = new Set(
    manifests.flatMap(({ content }) => content.kind === "index" ? childrenOf(content).map(({ digest }) => digest) : []),
  );
  const loose = others.filter(({ descriptor }) =>
    !named.has(descriptor.digest) && descriptor.digest !== root?.descriptor.digest
  );
  return loose.flatMap(({ descriptor }) => layoutEntries(descriptor, []));
}

/** The image of a root (the first) that holds one image for containers, maybe with attestations around it. */
export function onlyImage(manifests: readonly Manifest[]): ImageManifest | undefined {
  const [root] = manifests;
  if (!root) return undefined;
  const { content } = root;
  if (content.kind === "image") return isContainerImage(content) ? content : undefined;
  if (content.kind !== "index") return undefined;
  const entries = content.manifests.filter((entry) => !isAttestation(entry));
  const found = manifests.find(({ descriptor }) => descriptor.digest === entries[0]?.digest)?.content;
  return entries.length === 1 && found && isContainerImage(found) ? found : undefined;
}
