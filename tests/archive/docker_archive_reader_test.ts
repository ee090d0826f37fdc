import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { openArchiveFile } from "../../src/archive/archive_file.ts";
import { openDockerArchiveImage } from "../../src/archive/docker_archive_reader.ts";
import { dockerArchive } from "../../src/archive/docker_archive_writer.ts";
import type { IntakeOptions } from "../../src/archive/layer_intake.ts";
import { bytesReader } from "../../src/bytes/blob_reader.ts";
import { rawTarReader } from "../../src/bytes/decompress.ts";
import { isImageError } from "../../src/errors.ts";
import { blobPath, digestOf, hexOf } from "../../src/oci/digest.ts";
import type { ImageManifest, Manifest } from "../../src/oci/manifest.ts";
import { layerCompression } from "../../src/oci/media_types.ts";
import { Random, singleImage, tarOf, type TestImage } from "../support/images.ts";
import { checkWhole, contentOf, FILES, type RawEntry, rawTar, temporaryFolder } from "./support.ts";

const LINUX = { os: "linux", architecture: "amd64" };

/** Raw layers and the config that names them. */
function rawParts(seed: number, count = 2) {
  const random = new Random(seed);
  const layers = Array.from({ length: count }, (_, index) => tarOf(`file-${seed}-${index}`, random.bytes(40_000)));
  const config = new TextEncoder().encode(JSON.stringify({
    ...LINUX,
    rootfs: { type: "layers", diff_ids: layers.map((layer) => digestOf(layer)) },
  }));
  return { layers, config, id: hexOf(digestOf(config)) };
}

type Parts = ReturnType<typeof rawParts>;

/** As Docker before 25 writes: a folder for each layer, a layer that was there before as a link. */
function legacyArchive({ layers, config, id }: Parts, names: readonly string[] = ["app:v1"]): RawEntry[] {
  const seen = new Map<string, string>();
  const files = layers.flatMap((layer, index): RawEntry[] => {
    const folder = hexOf(digestOf(new TextEncoder().encode(`${id}${index}`)));
    const digest = digestOf(layer);
    const earlier = seen.get(digest);
    if (!earlier) seen.set(digest, folder);
    return [
      { name: `${folder}/`, type: "5" },
      { name: `${folder}/VERSION`, content: "1.0" },
      { name: `${folder}/json`, content: "{}" },
      earlier
        ? { name: `${folder}/layer.tar`, type: "2", linkName: `../${earlier}/layer.tar` }
        : { name: `${folder}/layer.tar`, content: layer },
    ];
  });
  const layerFiles = files.filter((file) => file.name.endsWith("/layer.tar")).map((file) => file.name);
  return [
    ...files,
    { name: `${id}.json`, content: config },
    { name: "manifest.json", content: JSON.stringify([{ Config: `${id}.json`, RepoTags: names, Layers: layerFiles }]) },
    { name: "repositories", content: "{}" },
  ];
}

async function withArchive<T>(
  entries: readonly RawEntry[],
  wanted: string | undefined,
  body: (image: Awaited<ReturnType<typeof openDockerArchiveImage>>) => Promise<T>,
  options: IntakeOptions = {},
): Promise<T> {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/in.tar`;
  await Deno.writeFile(path, rawTar(entries));
  await using files = await openArchiveFile(path);
  await using image = await openDockerArchiveImage(files, wanted, options);
  return await body(image);
}

function imageContent(manifest: Manifest): ImageManifest {
  assert.ok(manifest.content.kind === "image");
  return manifest.content;
}

Deno.test({
  name: "openDockerArchiveImage() builds a manifest from docker save's older form and keeps the config",
  permissions: FILES,
  async fn() {
    const parts = rawParts(1, 3);
    parts.layers[2] = parts.layers[0]!;
    const config = JSON.parse(new TextDecoder().decode(parts.config));
    config.rootfs.diff_ids[2] = config.rootfs.diff_ids[0];
    parts.config = new TextEncoder().encode(JSON.stringify(config));
    parts.id = hexOf(digestOf(parts.config));
    const digests = new Set<string>();
    for (const compression of [undefined, "zstd", "gzip", "none"] as const) {
      await withArchive(legacyArchive(parts), undefined, async (image) => {
        assert.equal(image.isOriginal, false);
        assert.equal(await checkWhole(image), 4);
        const content = imageContent(image.root);
        assert.equal(hexOf(content.config.digest), parts.id);
        assert.deepEqual(content.layers[0], content.layers[2]);
        for (const [index, layer] of content.layers.entries()) {
          const kind = layerCompression(layer.mediaType);
          assert.equal(kind, compression ?? "zstd");
          const stored = await image.openBlob(layer);
          const tar = await contentOf(rawTarReader(stored, kind ?? "none", { what: "layer" }));
          assert.deepEqual(tar, parts.layers[index]);
        }
        digests.add(image.root.descriptor.digest);
      }, { compression });
    }
    assert.equal(digests.size, 3, "no compression named means zstd, and the same each time");
  },
});

Deno.test({
  name: "openDockerArchiveImage() takes compressed layers as they are, whatever their file is called",
  permissions: FILES,
  async fn() {
    const { layers, config, id } = rawParts(2);
    const packed = layers.map((layer) => new Uint8Array(gzipSync(layer)));
    const names = [`${hexOf(digestOf(packed[0]!))}.tar.gz`, "elsewhere/layer.tar"];
    const archive = [
      { name: `./sha256:${id}`, content: config },
      ...packed.map((content, index) => ({ name: names[index]!, content })),
      { name: "manifest.json", content: JSON.stringify([{ Config: `sha256:${id}`, RepoTags: null, Layers: names }]) },
    ];
    await withArchive(archive, undefined, async (image) => {
      const content = imageContent(image.root);
      assert.deepEqual(content.layers.map((layer) => layer.digest), packed.map((bytes) => digestOf(bytes)));
      assert.equal(await checkWhole(image), 3);
    });
  },
});

Deno.test({
  name: "openDockerArchiveImage() lets the name choose among several images and lists them otherwise",
  permissions: FILES,
  async fn() {
    const [first, second] = [rawParts(3), rawParts(4)];
    const archives = [
      legacyArchive(first, ["app:v1", "docker.io/library/db:2"]),
      legacyArchive(second, ["quay.io/x/y:z"]),
    ];
    const manifests = archives.flatMap((entries) => {
      const file = entries.find((entry) => entry.name === "manifest.json");
      return JSON.parse(file!.content as string);
    });
    const both = [
      ...archives.flat().filter((entry) => !["manifest.json", "repositories"].includes(entry.name)),
      { name: "manifest.json", content: JSON.stringify(manifests) },
    ];
    for (
      const [wanted, id] of [["app:v1", first.id], ["db:2", first.id], ["quay.io/x/y:z", second.id], ["@1", second.id]]
    ) {
      await withArchive(both, wanted, (image) => {
        assert.equal(hexOf(imageContent(image.root).config.digest), id);
        return Promise.resolve();
      });
    }
    const fails = (wanted: string | undefined, code: "usage" | "not-found") =>
      assert.rejects(
        withArchive(both, wanted, () => Promise.resolve()),
        (error) => isImageError(error, code) && /"app:v1".*"quay.io\/x\/y:z"/.test(error.message),
      );
    await fails(undefined, "usage");
    await fails("app:v2", "not-found");
    await fails("@2", "not-found");
  },
});

Deno.test({
  name: "openDockerArchiveImage() refuses layers and configs that are not what the image says",
  permissions: FILES,
  async fn() {
    const parts = rawParts(5);
    const good = legacyArchive(parts);
    const replace = (test: (entry: RawEntry) => boolean, change: (entry: RawEntry) => RawEntry | undefined) => {
      const index = good.findIndex(test);
      const changed = change(good[index]!);
      return [...good.slice(0, index), ...(changed ? [changed] : []), ...good.slice(index + 1)];
    };
    const isLayer = (entry: RawEntry) => entry.name.endsWith("layer.tar");
    const isConfig = (entry: RawEntry) => entry.name === `${parts.id}.json`;
    const isManifest = (entry: RawEntry) => entry.name === "manifest.json";
    const other = tarOf("other", new Uint8Array(40_000));
    const cases: [RawEntry[], Parameters<typeof isImageError>[1]][] = [
      [replace(isLayer, (entry) => ({ ...entry, content: other })), "digest-mismatch"],
      [replace(isLayer, (entry) => ({ ...entry, content: gzipSync(other) })), "digest-mismatch"],
      [
        replace(isLayer, (entry) => ({ ...entry, content: gzipSync(parts.layers[0]!).subarray(0, -9) })),
        "invalid-input",
      ],
      [replace(isLayer, (entry) => ({ ...entry, content: "BZh91AY" })), "unsupported"],
      [replace(isLayer, () => undefined), "not-found"],
      [replace(isConfig, (entry) => ({ ...entry, content: "{}" })), "digest-mismatch"],
      [replace(isConfig, () => undefined), "not-found"],
      [replace(isManifest, () => undefined), "invalid-input"],
      [replace(isManifest, (entry) => ({ ...entry, content: "{" })), "invalid-input"],
      [replace(isManifest, (entry) => ({ ...entry, content: "[{}]" })), "invalid-input"],
      [
        replace(isManifest, (entry) => ({
          ...entry,
          content: JSON.stringify([{ Config: `${parts.id}.json`, RepoTags: [], Layers: [] }]),
        })),
        "invalid-input",
      ],
      [
        replace(
          isManifest,
          (entry) => ({ ...entry, content: JSON.stringify([{ Config: "../../etc/passwd", Layers: [] }]) }),
        ),
        "invalid-input",
      ],
      [replace(isManifest, (entry) => ({ ...entry, content: "[]" })), "not-found"],
    ];
    for (const [entries, code] of cases) {
      await assert.rejects(
        withArchive(entries, undefined, () => Promise.resolve()),
        (error) => isImageError(error, code) && !error.message.includes("\n"),
      );
    }
    await withArchive(good, undefined, checkWhole);
  },
});

/** An archive as we write it. */
async function ownArchive(image: TestImage, path: string): Promise<void> {
  const reader = await dockerArchive(
    { manifest: image.root, names: ["app:v1"] },
    ({ digest }) => Promise.resolve(bytesReader(image.blobs.get(digest)!)),
  );
  await Deno.writeFile(path, await contentOf(reader));
}

Deno.test({
  name: "openDockerArchiveImage() gives the manifest of our own archives byte for byte, unless zstd was taken out",
  permissions: FILES,
  async fn() {
    await using folder = await temporaryFolder();
    const path = `${folder.path}/own.tar`;
    for (const compression of ["gzip", "none", "zstd"] as const) {
      const source = singleImage(LINUX, { compression, layerBytes: 50_000 });
      await ownArchive(source, path);
      await using files = await openArchiveFile(path);
      await using image = await openDockerArchiveImage(files, "app:v1");
      const isConverted = compression === "zstd";
      assert.equal(image.isOriginal, !isConverted);
      assert.equal(image.root.descriptor.digest === source.root.descriptor.digest, !isConverted);
      assert.equal(imageContent(image.root).config.digest, imageContent(source.root).config.digest);
      assert.equal(await checkWhole(image), 3);
    }
  },
});

Deno.test({
  name: "openDockerArchiveImage() compresses the raw layers of Docker's classic store, whose manifest is made up",
  permissions: FILES,
  async fn() {
    const source = singleImage(LINUX, { compression: "none" });
    const { layers, config } = imageContent(source.root);
    const { mediaType, digest, size } = source.root.descriptor;
    const blobs = new Map(source.blobs).set(digest, source.root.bytes);
    const archive = (sources: unknown): RawEntry[] => [
      ...[...blobs].map(([name, content]) => ({ name: blobPath(name), content })),
      { name: "index.json", content: JSON.stringify({ schemaVersion: 2, manifests: [{ mediaType, digest, size }] }) },
      {
        name: "manifest.json",
        content: JSON.stringify([{
          Config: blobPath(config.digest),
          RepoTags: ["app:v1"],
          Layers: layers.map((layer) => blobPath(layer.digest)),
          LayerSources: sources,
        }]),
      },
      { name: "oci-layout", content: '{"imageLayoutVersion":"1.0.0"}' },
    ];
    const classic = Object.fromEntries(layers.map((layer) => [layer.digest, layer]));
    for (
      const [sources, compression, isKept] of [
        [classic, undefined, false],
        [classic, "none", true],
        [undefined, undefined, true],
      ] as const
    ) {
      await withArchive(archive(sources), "app:v1", async (image) => {
        assert.equal(image.isOriginal, isKept);
        assert.equal(image.root.descriptor.digest === digest, isKept);
        assert.equal(imageContent(image.root).config.digest, config.digest);
        assert.equal(await checkWhole(image), 3);
      }, { compression });
    }
  },
});

Deno.test({
  name: "openDockerArchiveImage() refuses an archive whose layout and Docker list are different images",
  permissions: FILES,
  async fn() {
    await using folder = await temporaryFolder();
    const path = `${folder.path}/trick.tar`;
    const [first, second] = [singleImage(LINUX, { seed: 1 }), singleImage(LINUX, { seed: 2 })];
    const { config } = imageContent(second.root);
    const layers = imageContent(second.root).layers;
    const { mediaType, digest, size } = first.root.descriptor;
    await Deno.writeFile(
      path,
      rawTar([
        ...[...first.blobs, ...second.blobs, [digest, first.root.bytes] as const].map(([digest, content]) => ({
          name: blobPath(digest),
          content,
        })),
        { name: "oci-layout", content: '{"imageLayoutVersion":"1.0.0"}' },
        { name: "index.json", content: JSON.stringify({ schemaVersion: 2, manifests: [{ mediaType, digest, size }] }) },
        {
          name: "manifest.json",
          content: JSON.stringify([{
            Config: blobPath(config.digest),
            RepoTags: ["app:v1"],
            Layers: layers.map((layer) => blobPath(layer.digest)),
          }]),
        },
      ]),
    );
    await using files = await openArchiveFile(path);
    await assert.rejects(openDockerArchiveImage(files, undefined), (error) => isImageError(error, "invalid-input"));
  },
});

Deno.test({
  name: "openDockerArchiveImage() does not read a layer that is known, and makes it when it is wanted after all",
  permissions: FILES,
  async fn() {
    const parts = rawParts(6);
    const known = new Map<string, ReturnType<typeof imageContent>["layers"][number]>();
    const first = await withArchive(legacyArchive(parts), undefined, (image) => {
      const { layers } = imageContent(image.root);
      parts.layers.forEach((layer, index) => known.set(digestOf(layer), layers[index]!));
      return Promise.resolve(image.root);
    });
    const knownLayers = (diffId: string) => known.get(diffId);
    await withArchive(legacyArchive(parts), undefined, async (image) => {
      assert.deepEqual(image.root.bytes, first.bytes);
      assert.equal(await checkWhole(image), 3);
    }, { knownLayers });
    await withArchive(legacyArchive(parts), undefined, async (image) => {
      const [layer] = imageContent(image.root).layers;
      await assert.rejects(image.openBlob(layer!), (error) => isImageError(error, "digest-mismatch"));
    }, { knownLayers, level: 19 });
  },
});
