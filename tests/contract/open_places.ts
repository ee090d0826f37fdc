/** The one file of the contract tests that turns a reference into a source or a target. */
import { givenBundleName } from "../../src/archive/bundle_names.ts";
import { BundleWriter, writtenImage } from "../../src/archive/bundle_writer.ts";
import type { ImageSource, ImageTarget } from "../../src/image/places.ts";
import { BundleSource } from "../../src/transports/bundle_source.ts";
import { BundleTarget } from "../../src/transports/bundle_target.ts";
import { openSource, openTarget } from "../../src/transports/open.ts";
import { openBundle, openBundleOutput } from "../../src/transports/open_bundle.ts";
import { parseLocation } from "../../src/oci/location.ts";
import { bundleAt } from "../../src/oci/locations/bundle.ts";
import type { Session } from "../../src/transports/session.ts";

/** Opens a reference for reading. */
export async function sourceAt(session: Session, reference: string): Promise<ImageSource> {
  return await openSource(session, parseLocation(reference));
}

/** Opens a reference for writing what `source` holds. */
export async function targetAt(session: Session, reference: string, source?: ImageSource): Promise<ImageTarget> {
  return await openTarget(session, parseLocation(reference), { create: true, ...(source ? { source } : {}) });
}

/** Opens an image of a bundle for reading; closing it closes the bundle. */
export async function bundleSourceAt(session: Session, path: string, name: string): Promise<ImageSource> {
  const bundle = await openBundle(session, bundleAt([path]));
  try {
    const source = new BundleSource(bundle, bundle.choose([name])[0]!);
    return Object.assign(source, { [Symbol.asyncDispose]: () => bundle[Symbol.asyncDispose]() });
  } catch (error) {
    await bundle[Symbol.asyncDispose]();
    throw error;
  }
}

/** Opens a bundle of one image for writing, as `bundle save` makes it. */
export async function bundleTargetAt(session: Session, path: string, name: string): Promise<ImageTarget> {
  const writer = new BundleWriter(await openBundleOutput(session, path, undefined));
  const target = new BundleTarget(writer, givenBundleName(name), new Map());
  return {
    name: target.name,
    limits: target.limits,
    plan: (manifests, blobs) => target.plan(manifests, blobs),
    findBlobs: (blobs) => target.findBlobs(blobs),
    linkBlob: () => target.linkBlob(),
    writeBlob: (content) => target.writeBlob(content),
    writeManifest: (manifest) => target.writeManifest(manifest),
    async publish(root) {
      await target.publish(root);
      await writer.finish([writtenImage(target.image.name, target.image.manifests)], []);
    },
    async [Symbol.asyncDispose]() {
      await target[Symbol.asyncDispose]();
      await writer[Symbol.asyncDispose]();
    },
  };
}
