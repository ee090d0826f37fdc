import assert from "node:assert/strict";
import { zstdCompressSync } from "node:zlib";
import { openArchiveStream } from "../../src/archive/archive_file.ts";
import { openDockerArchiveImage } from "../../src/archive/docker_archive_reader.ts";
import { TAR_SIZE } from "../../src/archive/layer_compression.ts";
import { bytesReader, readAll } from "../../src/bytes/blob_reader.ts";
import { addressConnection } from "../../src/engine/connection.ts";
import { EngineClient } from "../../src/engine/engine_client.ts";
import { isImageError } from "../../src/errors.ts";
import { digestOf } from "../../src/oci/digest.ts";
import { MEDIA_TYPES } from "../../src/oci/media_types.ts";
import { openRawLayer } from "../../src/transports/docker_daemon_raw_layer.ts";
import { pullInto } from "../support/daemon_api.ts";
import { readImage } from "../support/daemon_images.ts";
import { fakeEngine } from "../support/fake_engine.ts";
import { singleImage, tarOf } from "../support/images.ts";

const tar = tarOf("file.txt", new Uint8Array(100_000).fill(97));
const halves = [tar.subarray(0, 30_000), tar.subarray(30_000)];
/** Two frames, as layers that are stored in chunks have them. */
const layer = new Uint8Array(halves.flatMap((half) => [...zstdCompressSync(half)]));

/** The layer as a target gets it, with a count of how often it was opened. */
function content(tarSize?: number) {
  const counter = { opened: 0 };
  const blob = {
    mediaType: MEDIA_TYPES.ociLayerZstd,
    digest: digestOf(layer),
    size: layer.byteLength,
    ...(tarSize === undefined ? {} : { annotations: { [TAR_SIZE]: String(tarSize) } }),
  };
  const open = () => {
    counter.opened++;
    return Promise.resolve(bytesReader(layer));
  };
  return { counter, content: { blob, open } };
}

for (const [tarSize, opened] of [[undefined, 2], [tar.byteLength, 1]] as const) {
  Deno.test({
    name: `openRawLayer() opens a layer ${opened} times ${tarSize ? "with" : "without"} the annotation of its length`,
    permissions: "none",
    fn: async () => {
      const given = content(tarSize);
      const raw = await openRawLayer(given.content);
      await using reader = raw.content;
      assert.equal(raw.sizeBytes, tar.byteLength);
      assert.equal(digestOf(await readAll(reader, tar.byteLength, "layer")), digestOf(tar));
      assert.equal(given.counter.opened, opened);
    },
  });
}

Deno.test({
  name: "openRawLayer() refuses a layer that is longer than announced, before its last bytes",
  permissions: "none",
  fn: async () => {
    const raw = await openRawLayer(content(tar.byteLength - 512).content);
    await using reader = raw.content;
    await assert.rejects(
      readAll(reader, tar.byteLength, "layer"),
      (error) => isImageError(error, "digest-mismatch") && /expected \d+ bytes, got more/.test(error.message),
    );
  },
});

Deno.test("DaemonTarget sends zstd layers decompressed to daemons that do not know zstd", async () => {
  const image = singleImage({ os: "linux", architecture: "amd64" }, { compression: "zstd", layersPerPlatform: 3 });
  for (const [apiVersion, compression] of [["1.41", "none"], ["1.42", "zstd"]] as const) {
    let sent = new Uint8Array(0);
    const config = image.root.content.kind === "image" ? image.root.content.config.digest : "";
    await using engine = await fakeEngine({
      apiVersion,
      handle: async (request, path) => {
        if (path === "/images/json") return Response.json([]);
        if (path.startsWith("/images/load")) sent = new Uint8Array(await request.arrayBuffer());
        if (sent.byteLength > 0) return Response.json({ Id: config, Os: "linux", Architecture: "amd64" });
        return Response.json({ message: "No such image" }, { status: 404 });
      },
    });
    using client = await EngineClient.connect(addressConnection(engine.address, "test"));
    await pullInto(client, image, "app:1");
    await using files = await openArchiveStream(bytesReader(sent), "sent");
    await using archived = await openDockerArchiveImage(files, "app:1", { compression: "none" });
    const layers = archived.root.content.kind === "image" ? archived.root.content.layers : [];
    const expected = compression === "zstd" ? MEDIA_TYPES.ociLayerZstd : MEDIA_TYPES.ociLayer;
    assert.deepEqual(layers.map((found) => found.mediaType), [expected, expected, expected]);
    const read = await readImage({
      name: "sent",
      parallelRanges: 1,
      root: () => Promise.resolve(archived.root),
      manifest: (child) => archived.manifest(child),
      openBlob: (blob, range) => archived.openBlob(blob, range),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    });
    assert.ok(read.blobs.has(config as ReturnType<typeof digestOf>));
  }
});
