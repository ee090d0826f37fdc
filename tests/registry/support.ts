/** Copies between places as the copier does, in the small, and other helpers of the registry's tests. */
import { bytesReader } from "../../src/bytes/blob_reader.ts";
import { readAll } from "../../src/bytes/blob_reader.ts";
import type { BlobContent, ImageTarget } from "../../src/image/places.ts";
import type { Descriptor } from "../../src/oci/descriptor.ts";
import type { Digest } from "../../src/oci/digest.ts";
import { childrenOf, type Manifest, readManifest } from "../../src/oci/manifest.ts";
import { parseLocation } from "../../src/oci/location.ts";
import type { RegistryLocation } from "../../src/oci/locations/registry.ts";
import { RegistrySession, type RegistrySessionOptions } from "../../src/registry/session.ts";
import type { RegistrySource } from "../../src/transports/registry.ts";
import type { TestImage } from "../support/images.ts";

/** Reads a reference that is known to name a registry. */
export function registryReference(text: string): RegistryLocation {
  const reference = parseLocation(text);
  if (reference.kind !== "registry") throw new Error(`${text} names no registry`);
  return reference;
}

/** A session that looks into no credentials of the machine and waits next to nothing between tries. */
export function testSession(options: RegistrySessionOptions = {}): RegistrySession {
  return new RegistrySession({
    env: () => undefined,
    ...options,
    retry: { baseDelayMs: 1, maxDelayMs: 50, ...options.retry },
  });
}

/** Bytes in memory as the content of a blob. */
export function contentOf(blob: Descriptor, bytes: Uint8Array): BlobContent {
  return { blob, open: (offset = 0) => Promise.resolve(bytesReader(bytes.subarray(offset))) };
}

/** Everything below a test image's root, children before parents: blobs, then manifests. */
export function partsOf(image: TestImage): {
  readonly blobs: readonly Descriptor[];
  readonly manifests: readonly Manifest[];
} {
  const blobs = new Map<Digest, Descriptor>();
  const manifests = new Map<Digest, Manifest>();
  const visit = (manifest: Manifest) => {
    for (const child of childrenOf(manifest.content)) {
      if (manifest.content.kind !== "index") {
        blobs.set(child.digest, child);
        continue;
      }
      const bytes = image.blobs.get(child.digest);
      if (!bytes) throw new Error(`the image misses ${child.digest}`);
      const nested = readManifest(new Uint8Array(bytes), "child", { expected: child });
      visit(nested);
      manifests.set(child.digest, nested);
    }
  };
  visit(image.root);
  return { blobs: [...blobs.values()], manifests: [...manifests.values()] };
}

/** Writes a test image to a target, everything of it. */
export async function pushImage(target: ImageTarget, image: TestImage): Promise<void> {
  const { blobs, manifests } = partsOf(image);
  for (const blob of blobs) await target.writeBlob(contentOf(blob, image.blobs.get(blob.digest)!));
  for (const manifest of manifests) await target.writeManifest(manifest);
  await target.publish(image.root);
}

/** Reads an image back, everything of it, by digest. */
export async function pullImage(source: RegistrySource): Promise<Map<Digest, Uint8Array>> {
  const found = new Map<Digest, Uint8Array>();
  const visit = async (manifest: Manifest) => {
    found.set(manifest.descriptor.digest, manifest.bytes);
    for (const child of childrenOf(manifest.content)) {
      if (manifest.content.kind === "index") await visit(await source.manifest(child));
      else found.set(child.digest, await readBlob(source, child));
    }
  };
  await visit(await source.root());
  return found;
}

/** Reads a whole blob. */
export async function readBlob(source: RegistrySource, blob: Descriptor): Promise<Uint8Array> {
  await using reader = await source.openBlob(blob);
  return await readAll(reader, blob.size + 1, "the blob");
}
