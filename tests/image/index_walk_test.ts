/**
 * Indexes can name each other, and themselves many times over: a few documents then stand for more manifests than there is
 * memory. Whoever follows an index (a copy, a choice of platform, a description) does it by the same bounded walk.
 */
import assert from "node:assert/strict";
import { isImageError } from "../../src/errors.ts";
import { copyImage } from "../../src/image/copy_image.ts";
import { loadGraph } from "../../src/image/image_graph.ts";
import type { ImageSource } from "../../src/image/places.ts";
import { platformsOf, selectPlatforms } from "../../src/image/select_platforms.ts";
import { wholePart } from "../../src/image/whole_part.ts";
import type { Descriptor } from "../../src/oci/descriptor.ts";
import type { Digest } from "../../src/oci/digest.ts";
import { jsonBytes } from "../../src/oci/json.ts";
import { MAX_INDEX_DEPTH, MAX_MANIFESTS, MAX_MANIFESTS_BYTES, MAX_NAMED_BLOBS } from "../../src/oci/limits.ts";
import { type Manifest, MAX_MANIFEST_BYTES, readManifest } from "../../src/oci/manifest.ts";
import { MEDIA_TYPES } from "../../src/oci/media_types.ts";
import { formatPlatform, parsePlatform } from "../../src/oci/platform.ts";
import { singleImage, type TestImage } from "../support/images.ts";
import { MemorySource, MemoryTarget } from "../support/memory_place.ts";

const pure = (name: string, fn: () => Promise<void>) => Deno.test({ name, permissions: "none", fn });

const AMD64 = parsePlatform("linux/amd64");
const LEAF = singleImage(AMD64);

/** An index of the given manifests, the whole list `times` over. */
function indexOver(children: readonly Manifest[], times = 1): Manifest {
  const entries = children.map(({ descriptor, content }) => ({
    mediaType: descriptor.mediaType,
    digest: descriptor.digest,
    size: descriptor.size,
    ...(content.kind === "image" ? { platform: { os: "linux", architecture: "amd64" } } : {}),
  }));
  const manifests = Array.from({ length: times }, () => entries).flat();
  return readManifest(jsonBytes({ schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests }), "test index");
}

/** An image of these manifests, the root first; counts how often each was asked for, and how many at once. */
class CountingSource extends MemorySource {
  readonly asked = new Map<Digest, number>();
  mostAtOnce = 0;
  #atOnce = 0;

  constructor([root, ...others]: readonly Manifest[], referrers: readonly TestImage[] = []) {
    const blobs = new Map([...LEAF.blobs, ...others.map((each) => [each.descriptor.digest, each.bytes] as const)]);
    super({ root: root!, blobs, platforms: new Map() }, { referrers });
  }

  override async manifest(child: Descriptor): Promise<Manifest> {
    this.asked.set(child.digest, (this.asked.get(child.digest) ?? 0) + 1);
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.#atOnce);
    await Promise.resolve();
    try {
      return await super.manifest(child);
    } finally {
      this.#atOnce--;
    }
  }

  get total(): number {
    return [...this.asked.values()].reduce((sum, count) => sum + count, 0);
  }
}

/** Everything that follows an index. */
const USES: Record<string, (source: ImageSource, root: Manifest) => Promise<unknown>> = {
  "a choice of one platform": (source, root) => selectPlatforms(source, root, [AMD64]),
  "a choice of two platforms": (source, root) => selectPlatforms(source, root, [AMD64, AMD64]),
  "a list of platforms": (source, root) => platformsOf(source, root),
  "a copy": (source, root) => copyImage(source, new MemoryTarget(), { root }),
};

for (const [use, run] of Object.entries(USES)) {
  pure(`${use} reads each manifest once, however often indexes name it`, async () => {
    // 300 to the power of 4 images, in five documents.
    const levels = [LEAF.root];
    for (let level = 0; level < 4; level++) levels.unshift(indexOver([levels[0]!], 300));
    const source = new CountingSource(levels);
    await run(source, levels[0]!);
    assert.deepEqual([...source.asked.values()].filter((count) => count !== 1), []);
    assert.ok(source.total <= levels.length, `${source.total} manifests read`);
  });

  pure(`${use} reads a bounded number of manifests at once`, async () => {
    const inner = Array.from({ length: 60 }, (_, position) => indexOver([LEAF.root], position + 1));
    const source = new CountingSource([indexOver(inner), ...inner, LEAF.root]);
    await run(source, await source.root());
    assert.ok(source.mostAtOnce <= 16, `${source.mostAtOnce} at once`);
  });

  pure(`${use} ends where indexes are nested deeper than an image's`, async () => {
    const levels = [LEAF.root];
    for (let level = 0; level <= MAX_INDEX_DEPTH; level++) levels.unshift(indexOver([levels[0]!]));
    await assert.rejects(run(new CountingSource(levels), levels[0]!), (error: unknown) => {
      assert.ok(isImageError(error, "invalid-input"), String(error));
      assert.match(error.message, /nested too deep/);
      return true;
    });
    await run(new CountingSource(levels.slice(1)), levels[1]!);
  });

  pure(`${use} ends where indexes list more than an image does`, async () => {
    const inner = Array.from({ length: 21 }, (_, position) => indexOver([LEAF.root], 500 + position));
    const source = new CountingSource([indexOver(inner), ...inner, LEAF.root]);
    await assert.rejects(run(source, await source.root()), (error: unknown) => {
      assert.ok(isImageError(error, "invalid-input"), String(error));
      assert.match(error.message, new RegExp(`more than ${MAX_MANIFESTS} entries`));
      return true;
    });
  });
}

pure("an index that is not whole is taken apart once, however often others name it", async () => {
  const other = singleImage(AMD64, { seed: 44 });
  const levels = [indexOver([LEAF.root, other.root])];
  for (let level = 0; level < 4; level++) levels.unshift(indexOver([levels[0]!], 300));
  const source = new CountingSource([...levels, LEAF.root]);
  // The other image's manifest is not there.
  const holds = ({ digest }: Descriptor) => Promise.resolve(LEAF.blobs.has(digest));
  const { root, leftOut } = await wholePart(Object.assign(source, { holds }), levels[0]!);
  assert.ok(root.content.kind === "index");
  assert.deepEqual(root.content.manifests.map(({ digest }) => digest), [LEAF.root.descriptor.digest]);
  assert.equal(leftOut.length, 1);
});

pure("a platform is found in an index that two others name", async () => {
  const shared = indexOver([LEAF.root]);
  const left = indexOver([shared], 2);
  const right = indexOver([shared], 3);
  const root = indexOver([left, right]);
  const { root: chosen } = await selectPlatforms(new CountingSource([root, left, right, shared, LEAF.root]), root, [
    AMD64,
  ]);
  assert.equal(chosen.descriptor.digest, LEAF.root.descriptor.digest);
});

pure("an image that an index lists for two platforms stays listed for both", async () => {
  const { mediaType, digest, size } = LEAF.root.descriptor;
  const manifests = ["amd64", "arm64"].map((architecture) => ({
    mediaType,
    digest,
    size,
    platform: { os: "linux", architecture },
  }));
  const root = readManifest(jsonBytes({ schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests }), "index");
  const found = await platformsOf(new CountingSource([root, LEAF.root]), root);
  assert.deepEqual(found.map(formatPlatform), ["linux/amd64", "linux/arm64"]);
});

pure("copyImage() writes what an index names before it, though another index names it higher up", async () => {
  const inner = indexOver([LEAF.root], 2);
  const root = indexOver([inner, LEAF.root]);
  const source = new CountingSource([root, inner, LEAF.root]);
  const target = new MemoryTarget();
  await copyImage(source, target);
  const place = ({ descriptor }: Manifest) => target.events.indexOf(`manifest ${descriptor.digest}`);
  assert.ok(place(LEAF.root) >= 0 && place(LEAF.root) < place(inner));
});

/** A manifest of nearly the largest size. */
function largeManifest(seed: number, subject?: Manifest): Manifest {
  const filler = "x".repeat(MAX_MANIFEST_BYTES - 4096);
  const { mediaType, digest, size } = LEAF.root.content.kind === "image" ? LEAF.root.content.config : assert.fail();
  return readManifest(
    jsonBytes({
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.ociManifest,
      config: { mediaType, digest, size },
      layers: [],
      annotations: { filler: `${seed} ${filler}` },
      ...(subject ? { subject: { ...subject.descriptor } } : {}),
    }),
    "large manifest",
  );
}

pure("the manifests of one image are bounded in bytes, not only in number", async () => {
  const large = Array.from({ length: 24 }, (_, seed) => largeManifest(seed));
  const source = new CountingSource([indexOver(large), ...large]);
  await assert.rejects(loadGraph(source, await source.root()), (error: unknown) => {
    assert.ok(isImageError(error, "invalid-input"), String(error));
    assert.match(error.message, new RegExp(`more than ${MAX_MANIFESTS_BYTES} bytes of manifests`));
    return true;
  });
  assert.ok(source.total <= 17, `${source.total} manifests read before the end`);
});

pure("the layers that manifests name are bounded in number", async () => {
  const { mediaType, digest, size } = LEAF.root.content.kind === "image" ? LEAF.root.content.config : assert.fail();
  const many = Array.from({ length: 12 }, (_, seed) =>
    readManifest(
      jsonBytes({
        schemaVersion: 2,
        mediaType: MEDIA_TYPES.ociManifest,
        config: { mediaType, digest, size },
        layers: Array.from({ length: MAX_NAMED_BLOBS / 10 }, (_, place) => ({
          mediaType: MEDIA_TYPES.ociLayerGzip,
          digest: `sha256:${(seed * MAX_NAMED_BLOBS + place).toString(16).padStart(64, "0")}`,
          size: 1,
        })),
      }),
      "manifest",
    ));
  const source = new CountingSource([indexOver(many), ...many]);
  await assert.rejects(
    loadGraph(source, await source.root()),
    (error: unknown) => isImageError(error, "invalid-input") && /more than 100000 blobs/.test(error.message),
  );
});

pure("referrers count with the image that they refer to", async () => {
  const referrers = Array.from({ length: 24 }, (_, seed): TestImage => {
    const root = largeManifest(seed, LEAF.root);
    return { root, blobs: LEAF.blobs, platforms: new Map() };
  });
  const source = new CountingSource([LEAF.root], referrers);
  await assert.rejects(
    copyImage(source, new MemoryTarget(), { includeReferrers: true }),
    (error: unknown) => isImageError(error, "invalid-input"),
  );
  await copyImage(new CountingSource([LEAF.root], referrers.slice(0, 5)), new MemoryTarget(), {
    includeReferrers: true,
  });
});

pure("a source that lists referrers without end is left", async () => {
  const source = new CountingSource([LEAF.root]);
  source.referrers = () =>
    Promise.resolve(
      Array.from({ length: MAX_MANIFESTS + 1 }, (_, position) => ({
        mediaType: MEDIA_TYPES.ociManifest,
        digest: `sha256:${position.toString(16).padStart(64, "0")}` as Digest,
        size: 100,
      })),
    );
  await assert.rejects(
    copyImage(source, new MemoryTarget(), { includeReferrers: true }),
    (error: unknown) => isImageError(error, "invalid-input") && /more than 10000 referrers/.test(error.message),
  );
  assert.equal(source.total, 0);
});
