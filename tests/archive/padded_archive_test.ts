/** Compressed archives, and compressed layers in archives, that end in zeros: as tapes and writers of whole blocks leave them. */
import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { openArchiveFile } from "../../src/archive/archive_file.ts";
import { openDockerArchiveImage } from "../../src/archive/docker_archive_reader.ts";
import { isImageError } from "../../src/errors.ts";
import { digestOf, hexOf } from "../../src/oci/digest.ts";
import { jsonBytes } from "../../src/oci/json.ts";
import { concat } from "../support/concat.ts";
import { Random, tarOf } from "../support/images.ts";
import { checkWhole, FILES, rawTar, temporaryFolder } from "./support.ts";

const tar = tarOf("file", new Random(2).bytes(30_000));
const gzip = (bytes: Uint8Array) => new Uint8Array(gzipSync(bytes));
const padded = (bytes: Uint8Array<ArrayBuffer>) => concat([bytes, new Uint8Array(10_240)]);

function archiveOf(layer: Uint8Array): Uint8Array<ArrayBuffer> {
  const config = jsonBytes({
    os: "linux",
    architecture: "amd64",
    rootfs: { type: "layers", diff_ids: [digestOf(tar)] },
  });
  const name = `${hexOf(digestOf(config))}.json`;
  return rawTar([
    { name: "layer.tar", content: layer },
    { name, content: config },
    { name: "manifest.json", content: JSON.stringify([{ Config: name, RepoTags: ["a:v1"], Layers: ["layer.tar"] }]) },
  ]);
}

async function load(bytes: Uint8Array): Promise<number> {
  await using folder = await temporaryFolder();
  await Deno.writeFile(`${folder.path}/x.tar.gz`, bytes);
  await using files = await openArchiveFile(`${folder.path}/x.tar.gz`);
  await using image = await openDockerArchiveImage(files, undefined, { compression: "gzip" });
  return await checkWhole(image);
}

Deno.test({
  name: "an archive is read although zeros follow its gzip data, and that of its layer",
  permissions: FILES,
  async fn() {
    assert.equal(await load(padded(gzip(archiveOf(tar)))), 2);
    assert.equal(await load(archiveOf(padded(gzip(tar)))), 2);
    assert.equal(await load(padded(gzip(archiveOf(padded(gzip(tar)))))), 2);
  },
});

Deno.test({
  name: "an archive or layer is refused when something else follows its gzip data",
  permissions: FILES,
  async fn() {
    const text = new TextEncoder().encode("something else") as Uint8Array<ArrayBuffer>;
    for (const bytes of [concat([gzip(archiveOf(tar)), text]), archiveOf(concat([padded(gzip(tar)), text]))]) {
      await assert.rejects(load(bytes), (error: unknown) => isImageError(error, "invalid-input"));
    }
  },
});
