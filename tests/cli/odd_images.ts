/** Images without layers whose config says whatever a test wants. */
import { blobPath, digestOf } from "../../src/oci/digest.ts";
import { MEDIA_TYPES } from "../../src/oci/media_types.ts";

/** An image in memory. */
export interface OddImage {
  readonly manifest: Uint8Array<ArrayBuffer>;
  /** Writes it into a folder as an OCI layout, under a name. */
  writeLayout(folder: string, name: string): Promise<void>;
}

function jsonBytes(value: unknown): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(value)) as Uint8Array<ArrayBuffer>;
}

/** The image of a config. */
export function imageOf(config: unknown): OddImage {
  const bytes = jsonBytes(config);
  const manifest = jsonBytes({
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociManifest,
    config: { mediaType: MEDIA_TYPES.ociConfig, digest: digestOf(bytes), size: bytes.byteLength },
    layers: [],
  });
  return {
    manifest,
    async writeLayout(folder, name) {
      await Deno.mkdir(`${folder}/blobs/sha256`, { recursive: true });
      for (const blob of [bytes, manifest]) await Deno.writeFile(`${folder}/${blobPath(digestOf(blob))}`, blob);
      await Deno.writeFile(`${folder}/oci-layout`, jsonBytes({ imageLayoutVersion: "1.0.0" }));
      const annotations = { "org.opencontainers.image.ref.name": name };
      const entry = { mediaType: MEDIA_TYPES.ociManifest, digest: digestOf(manifest), size: manifest.byteLength };
      await Deno.writeFile(
        `${folder}/index.json`,
        jsonBytes({ schemaVersion: 2, manifests: [{ ...entry, annotations }] }),
      );
    },
  };
}
