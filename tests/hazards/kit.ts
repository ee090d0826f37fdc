/** What the tests on hazards have in common: a folder with stores, images with chunked layers, the program's commands. */
import { blobPath, type Digest, digestOf } from "../../src/oci/digest.ts";
import { type Manifest, readManifest } from "../../src/oci/manifest.ts";
import { Session } from "../../src/transports/session.ts";
import { type ChunkedLayer, jsonBytes } from "../support/chunked_layers.ts";
import { copyCommand } from "../support/by_text.ts";

/** Copies from one place to another, as `s3lo copy` does. */
export async function copy(source: string, target: string): Promise<void> {
  await using session = new Session();
  await copyCommand(session, source, target);
}

/** Writes one object of a store in a folder. */
export async function putObject(folder: string, key: string, bytes: Uint8Array): Promise<void> {
  const path = `${folder}/${key}`;
  await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  await Deno.writeFile(path, bytes);
}

/** Writes a tag whose image has these layers and this config; gives its manifest. Layers are not written. */
export async function putImage(
  folder: string,
  reference: readonly [image: string, tag: string],
  layers: readonly { readonly mediaType: string; readonly digest: Digest; readonly size: number }[],
  diffIds: readonly Digest[],
  more: Readonly<Record<string, unknown>> = {},
): Promise<Manifest> {
  const config = jsonBytes({
    os: "linux",
    architecture: "amd64",
    rootfs: { type: "layers", diff_ids: diffIds },
    ...more,
  });
  await putObject(folder, blobPath(digestOf(config)), config);
  const bytes = jsonBytes({
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: {
      mediaType: "application/vnd.oci.image.config.v1+json",
      digest: digestOf(config),
      size: config.byteLength,
    },
    layers,
  });
  await putObject(folder, `manifests/${reference.join("/")}/manifest.json`, bytes);
  return readManifest(bytes, "test image");
}

/** Writes everything of a chunked layer. */
export async function putChunks(folder: string, layer: ChunkedLayer): Promise<void> {
  for (const [key, bytes] of layer.objects) await putObject(folder, key, bytes);
}
