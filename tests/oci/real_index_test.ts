import assert from "node:assert/strict";
import { blobPath } from "../../src/oci/digest.ts";
import {
  attestedDigest,
  blobsOf,
  childrenOf,
  isAttestation,
  isRunnable,
  type Manifest,
  readManifest,
} from "../../src/oci/manifest.ts";
import {
  formatPlatform,
  hostPlatform,
  normalizePlatform,
  parsePlatform,
  selectPlatform,
} from "../../src/oci/platform.ts";
import { fixturePath } from "../support/services.ts";

const store = fixturePath("s3lo-store");

/** The one tag of the store: Docker Hub's alpine as it was copied there, byte for byte. */
function realIndex(): { readonly root: Manifest; readonly readChild: (index: number) => Manifest } {
  const root = readManifest(Deno.readFileSync(tagPath(`${store}/manifests`)), "real index");
  return {
    root,
    readChild(index) {
      const expected = childrenOf(root.content)[index]!;
      return readManifest(Deno.readFileSync(`${store}/${blobPath(expected.digest)}`), "child", { expected });
    },
  };
}

function tagPath(folder: string): string {
  for (const entry of Deno.readDirSync(folder)) {
    if (entry.isDirectory) return tagPath(`${folder}/${entry.name}`);
    if (entry.name === "manifest.json") return `${folder}/${entry.name}`;
  }
  throw new Error(`No manifest below ${folder}`);
}

Deno.test({
  name: `readManifest() reads a real index of Docker Hub and all below it${store ? "" : " (skipped: no fixture)"}`,
  ignore: !store,
  permissions: { read: "inherit" },
  fn() {
    const { root, readChild } = realIndex();
    const entries = childrenOf(root.content);
    const runnable = entries.filter(isRunnable);
    const attestations = entries.filter(isAttestation);
    assert.equal(runnable.length, 8);
    assert.equal(attestations.length, 8);
    assert.deepEqual(new Set(attestations.map(attestedDigest)), new Set(runnable.map(({ digest }) => digest)));
    for (const [index, entry] of entries.entries()) {
      const { content, descriptor, bytes } = readChild(index);
      assert.equal(content.kind, "image");
      assert.equal(bytes.byteLength, entry.size);
      assert.deepEqual(descriptor, entry);
      assert.ok(blobsOf(content).blobs.length >= 2);
    }
    for (
      const [wanted, expected] of [
        ["linux/amd64/v3", "linux/amd64"],
        ["aarch64", "linux/arm64"],
        ["linux/arm", "linux/arm/v7"],
        ["linux/arm/v6", "linux/arm/v6"],
        ["linux/riscv64", "linux/riscv64"],
      ] as const
    ) {
      const chosen = selectPlatform(entries, parsePlatform(wanted));
      assert.equal(chosen?.platform && formatPlatform(normalizePlatform(chosen.platform)), expected, wanted);
    }
    assert.equal(selectPlatform(entries, parsePlatform("linux/arm/v5")), undefined);
    assert.equal(selectPlatform(entries, hostPlatform("darwin", "aarch64"))?.platform?.architecture, "arm64");
  },
});
