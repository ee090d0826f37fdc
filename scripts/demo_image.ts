/**
 * Makes a small, real, multi-platform image without network or compiler: `/hello` of each platform, a text file that
 * all platforms share as a layer, and a provenance attestation each, as BuildKit attaches it. Always the same bytes.
 *
 *   deno run --allow-write=DIR scripts/demo_image.ts DIR      writes it as an OCI image layout, tag "v1"
 */
import type { Descriptor } from "../src/oci/descriptor.ts";
import { blobPath, type Digest, digestOf } from "../src/oci/digest.ts";
import { MEDIA_TYPES } from "../src/oci/media_types.ts";
import { parsePlatform } from "../src/oci/platform.ts";
import { gzipStored } from "./demo/gzip_stored.ts";
import { tarBytes, type TarFile } from "./tar_bytes.ts";
import { HELLO_PLATFORMS, helloElf } from "./demo/hello_elf.ts";

const CREATED = "2026-01-01T00:00:00Z";
const PROVENANCE = "https://slsa.dev/provenance/v1";
/** The platform of entries that are no image, as BuildKit writes it. */
const UNKNOWN = { architecture: "unknown", os: "unknown" } as const;
const README = "The demo image of s3lo: /hello prints one line and exits.\n";

/** An image in memory. */
export interface DemoImage {
  /** The descriptor of the index. */
  readonly root: Pick<Descriptor, "mediaType" | "digest" | "size">;
  /** The index itself. */
  readonly rootBytes: Uint8Array<ArrayBuffer>;
  /** Everything below the index (manifests, configs, layers), by digest. */
  readonly blobs: ReadonlyMap<Digest, Uint8Array<ArrayBuffer>>;
  /** The digest of each platform's manifest. */
  readonly platforms: ReadonlyMap<string, Digest>;
}

/** The demo image. */
export function demoImage(): DemoImage {
  const builder = new Builder();
  const shared = builder.layer({ name: "README", mode: 0o644, bytes: new TextEncoder().encode(README) });
  const manifests = HELLO_PLATFORMS.map((platform) => builder.manifest(platform, shared));
  const attestations = HELLO_PLATFORMS.map((platform, at) => builder.attestation(platform, manifests[at]!));
  const entries = manifests.map((manifest, at) => ({ ...manifest, platform: platformObject(HELLO_PLATFORMS[at]!) }));
  const rootBytes = json({
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociIndex,
    manifests: [...entries, ...attestations],
  });
  return {
    root: { mediaType: MEDIA_TYPES.ociIndex, digest: digestOf(rootBytes), size: rootBytes.length },
    rootBytes,
    blobs: builder.blobs,
    platforms: new Map(HELLO_PLATFORMS.map((platform, at) => [platform, manifests[at]!.digest])),
  };
}

/** A descriptor as far as this image needs it. */
type Entry = Pick<Descriptor, "mediaType" | "digest" | "size">;

interface Layer {
  readonly path: string;
  readonly entry: Entry;
  readonly diffId: Digest;
}

class Builder {
  readonly blobs = new Map<Digest, Uint8Array<ArrayBuffer>>();

  layer(file: TarFile): Layer {
    const tar = tarBytes([file]);
    return { path: file.name, entry: this.#add(MEDIA_TYPES.ociLayerGzip, gzipStored(tar)), diffId: digestOf(tar) };
  }

  manifest(platform: string, shared: Layer): Entry {
    const layers = [shared, this.layer({ name: "hello", mode: 0o755, bytes: helloElf(platform) })];
    const config = {
      created: CREATED,
      ...platformObject(platform),
      config: {
        Entrypoint: ["/hello"],
        WorkingDir: "/",
        Labels: { "org.opencontainers.image.title": "s3lo demo", "org.opencontainers.image.licenses": "MIT" },
      },
      rootfs: { type: "layers", diff_ids: layers.map((layer) => layer.diffId) },
      history: layers.map(({ path }) => ({ created: CREATED, created_by: `COPY ${path} / # s3lo demo` })),
    };
    return this.#addManifest(config, layers.map((layer) => layer.entry));
  }

  attestation(platform: string, subject: Entry): Record<string, unknown> {
    const statement = this.#add("application/vnd.in-toto+json", json(provenance(platform, subject.digest)));
    const config = { ...UNKNOWN, config: {}, rootfs: { type: "layers", diff_ids: [statement.digest] } };
    const layer = { ...statement, annotations: { "in-toto.io/predicate-type": PROVENANCE } };
    return {
      ...this.#addManifest(config, [layer]),
      annotations: {
        "vnd.docker.reference.digest": subject.digest,
        "vnd.docker.reference.type": "attestation-manifest",
      },
      platform: UNKNOWN,
    };
  }

  #addManifest(config: Record<string, unknown>, layers: readonly Entry[]): Entry {
    const mediaType = MEDIA_TYPES.ociManifest;
    const configEntry = this.#add(MEDIA_TYPES.ociConfig, json(config));
    return this.#add(mediaType, json({ schemaVersion: 2, mediaType, config: configEntry, layers }));
  }

  #add(mediaType: string, bytes: Uint8Array<ArrayBuffer>): Entry {
    const digest = digestOf(bytes);
    this.blobs.set(digest, bytes);
    return { mediaType, digest, size: bytes.length };
  }
}

function platformObject(platform: string): Record<string, string> {
  const { os, architecture, variant } = parsePlatform(platform);
  return { architecture, os, ...(variant ? { variant } : {}) };
}

/** Writes the image as an OCI image layout. Spec: image-spec v1.1.1, image-layout.md. */
export async function writeLayout(image: DemoImage, folder: string, tag: string): Promise<void> {
  await writeBlobs(image, folder);
  await Deno.writeFile(`${folder}/${blobPath(image.root.digest)}`, image.rootBytes);
  const named = { ...image.root, annotations: { "org.opencontainers.image.ref.name": tag } };
  await Deno.writeFile(`${folder}/oci-layout`, json({ imageLayoutVersion: "1.0.0" }));
  await Deno.writeFile(
    `${folder}/index.json`,
    json({ schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests: [named] }),
  );
}

/** Writes the image into a folder as a store of this program holds it. */
export async function writeStore(image: DemoImage, folder: string, name: string, tag: string): Promise<void> {
  await writeBlobs(image, folder);
  await Deno.mkdir(`${folder}/manifests/${name}/${tag}`, { recursive: true });
  await Deno.writeFile(`${folder}/manifests/${name}/${tag}/manifest.json`, image.rootBytes);
}

async function writeBlobs(image: DemoImage, folder: string): Promise<void> {
  await Deno.mkdir(`${folder}/blobs/sha256`, { recursive: true });
  for (const [digest, bytes] of image.blobs) await Deno.writeFile(`${folder}/${blobPath(digest)}`, bytes);
}

/** A provenance statement (in-toto v1, SLSA v1) that says how the image came to be. */
function provenance(platform: string, manifest: Digest): Record<string, unknown> {
  return {
    _type: "https://in-toto.io/Statement/v1",
    subject: [{ name: `hello (${platform})`, digest: { sha256: manifest.slice("sha256:".length) } }],
    predicateType: PROVENANCE,
    predicate: {
      buildDefinition: {
        buildType: "urn:s3lo:demo-image:v1",
        externalParameters: { platform },
        resolvedDependencies: [],
      },
      runDetails: { builder: { id: "scripts/demo_image.ts" } },
    },
  };
}

function json(value: unknown): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(value)) as Uint8Array<ArrayBuffer>;
}

if (import.meta.main) {
  const [folder] = Deno.args;
  if (folder === undefined || Deno.args.length > 1) {
    throw new Error("Say one folder to write the image layout to");
  }
  await writeLayout(demoImage(), folder, "v1");
}
