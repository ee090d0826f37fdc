/** Images for daemons: a real one from the shared test data, and a small copier that stands in for the real mover. */
import { type BlobReader, bytesReader, readAll } from "../../src/bytes/blob_reader.ts";
import { ImageError } from "../../src/errors.ts";
import type { BlobContent, ImageSource, ImageTarget } from "../../src/image/places.ts";
import type { Descriptor } from "../../src/oci/descriptor.ts";
import { blobPath, type Digest, digestOf } from "../../src/oci/digest.ts";
import { blobsOf, isAttestation, type Manifest, readManifest } from "../../src/oci/manifest.ts";
import { formatPlatform } from "../../src/oci/platform.ts";
import type { TestImage } from "./images.ts";

/** The Alpine image of the shared test data "s3lo-store" in `folder`, with those platforms of which everything is there. */
export async function alpineImage(folder: string): Promise<TestImage> {
  const root = readManifest(await Deno.readFile(`${folder}/manifests/alpine/latest/manifest.json`), "alpine");
  const blobs = new Map<Digest, Uint8Array<ArrayBuffer>>();
  const platforms = new Map<string, Manifest>();
  if (root.content.kind !== "index") throw new Error("alpine is no index");
  for (const entry of root.content.manifests) {
    const manifest = readManifest(await Deno.readFile(`${folder}/${blobPath(entry.digest)}`), "alpine", {
      expected: entry,
    });
    const parts = await Promise.all(
      blobsOf(manifest.content).blobs.map(async ({ digest }) => {
        const bytes = await Deno.readFile(`${folder}/${blobPath(digest)}`).catch(() => undefined);
        return [digest, bytes] as const;
      }),
    );
    blobs.set(entry.digest, manifest.bytes);
    for (const [digest, bytes] of parts) if (bytes) blobs.set(digest, bytes);
    const isWhole = parts.every(([, bytes]) => bytes !== undefined);
    if (isWhole && entry.platform && entry.platform.os !== "unknown") {
      platforms.set(formatPlatform(entry.platform), manifest);
    }
  }
  return { root, blobs, platforms };
}

/** The images below a root that are whole in memory. */
export function imagesBelow(image: TestImage, root: Manifest): Manifest[] {
  if (root.content.kind !== "index") return [root];
  return root.content.manifests.flatMap((entry) => {
    const bytes = image.blobs.get(entry.digest);
    if (!bytes) return [];
    const child = readManifest(bytes, "child", { expected: entry });
    return child.content.kind !== "image" || blobsOf(child.content).blobs.every((blob) => image.blobs.has(blob.digest))
      ? [child]
      : [];
  });
}

/** How {@linkcode writeImage} goes wrong, or what it learns. */
export interface WriteImageOptions {
  /** Blobs whose bytes are not what they should be. */
  readonly corrupt?: ReadonlySet<Digest>;
  /** Gets every blob whose bytes were asked for. */
  readonly opened?: Digest[];
}

/** Writes an image, or one platform of it, in the order that targets ask for; bytes are checked as the mover does it. */
export async function writeImage(
  image: TestImage,
  target: ImageTarget,
  options: WriteImageOptions & { readonly root?: Manifest } = {},
): Promise<void> {
  const root = options.root ?? image.root;
  const children = imagesBelow(image, root);
  const all = new Map(children.flatMap((child) => blobsOf(child.content).blobs.map((blob) => [blob.digest, blob])));
  target.plan?.([root, ...children.filter((child) => child !== root)], [...all.values()]);
  const held = await target.findBlobs([...all.values()]);
  const missing = [...all.values()].filter((blob) => !held.has(blob.digest));
  const results = await Promise.allSettled(missing.map((blob) => target.writeBlob(content(image, blob, options))));
  for (const result of results) if (result.status === "rejected") throw result.reason;
  for (const child of children) if (child !== root) await target.writeManifest(child);
  await target.publish(root);
}

function content(image: TestImage, blob: Descriptor, options: WriteImageOptions): BlobContent {
  return {
    blob,
    open: () => {
      options.opened?.push(blob.digest);
      const bytes = image.blobs.get(blob.digest);
      if (!bytes) throw new ImageError("not-found", `No blob ${blob.digest}`);
      return Promise.resolve(checkedReader(options.corrupt?.has(blob.digest) ? bytes.map((b) => b ^ 1) : bytes, blob));
    },
  };
}

/** A reader that throws instead of handing out the last bytes when they are wrong. */
function checkedReader(bytes: Uint8Array, blob: Descriptor): BlobReader {
  const reader = bytesReader(bytes);
  let left = bytes.byteLength;
  return {
    async read(into) {
      const piece = await reader.read(into.subarray(0, Math.min(into.byteLength, 64 * 1024)));
      left -= piece.byteLength;
      if (left === 0 && digestOf(bytes) !== blob.digest) {
        throw new ImageError("digest-mismatch", `Cannot use blob "${blob.digest}": its bytes have another digest`);
      }
      return piece;
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** Reads everything of a source into memory; every byte is checked against its descriptor. */
export async function readImage(source: ImageSource): Promise<TestImage> {
  const root = await source.root();
  const blobs = new Map<Digest, Uint8Array<ArrayBuffer>>();
  const platforms = new Map<string, Manifest>();
  const visit = async (manifest: Manifest): Promise<void> => {
    if (manifest !== root) blobs.set(manifest.descriptor.digest, manifest.bytes);
    if (manifest.content.kind === "index") {
      for (const entry of manifest.content.manifests) {
        const child = await source.manifest(entry);
        if (entry.platform && !isAttestation(entry)) platforms.set(formatPlatform(entry.platform), child);
        await visit(child);
      }
      return;
    }
    for (const blob of blobsOf(manifest.content).blobs) {
      await using reader = await source.openBlob(blob);
      const bytes = await readAll(reader, blob.size, `blob "${blob.digest}"`);
      if (digestOf(bytes) !== blob.digest) throw new Error(`wrong bytes for ${blob.digest}`);
      blobs.set(blob.digest, bytes);
    }
  };
  await visit(root);
  return { root, blobs, platforms };
}
