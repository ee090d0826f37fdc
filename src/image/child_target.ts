import type { ImageTarget } from "./places.ts";

/**
 * The same target for an image that shall not be visible yet, because an index is going to name it: its root is written
 * under its digest (where `keepRoot`; an index whose entries are taken over is not kept) and no tag is touched.
 */
export function childTarget(target: ImageTarget, keepRoot: boolean): ImageTarget {
  return {
    name: target.name,
    limits: target.limits,
    findBlobs: (blobs) => target.findBlobs(blobs),
    linkBlob: (content, source) => target.linkBlob(content, source),
    writeBlob: (content) => target.writeBlob(content),
    writeManifest: (manifest) => target.writeManifest(manifest),
    publish: async (root) => keepRoot ? await target.writeManifest(root) : undefined,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
