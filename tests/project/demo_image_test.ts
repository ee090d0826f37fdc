import assert from "node:assert/strict";
import { gunzipSync } from "node:zlib";
import { gzipStored } from "../../scripts/demo/gzip_stored.ts";
import { tarBytes } from "../../scripts/tar_bytes.ts";
import { HELLO_PLATFORMS, helloElf, helloText } from "../../scripts/demo/hello_elf.ts";
import { verifyStore } from "../../scripts/demo/verify_store.ts";
import { demoImage, writeLayout, writeStore } from "../../scripts/demo_image.ts";
import { blobPath, digestOf } from "../../src/oci/digest.ts";
import { readManifest } from "../../src/oci/manifest.ts";
import { programTest } from "../support/services.ts";

/** What the demo image's digest is on every machine and with every version of Deno. */
const ROOT_DIGEST = "sha256:1454f3cc13d8752c5d9e8caa70bad563bde99759f08c11a4177ce4384826c12b";

async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "s3lo-demo-" });
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test({
  name: "demoImage() is always the same image, and every blob is named by its digest",
  permissions: "none",
  fn: () => {
    const image = demoImage();
    assert.equal(image.root.digest, ROOT_DIGEST);
    for (const [digest, bytes] of image.blobs) assert.equal(digestOf(bytes), digest);
    assert.deepEqual([...image.platforms.keys()], HELLO_PLATFORMS);
    assert.equal(readManifest(image.rootBytes, "demo").descriptor.digest, ROOT_DIGEST);
  },
});

Deno.test({
  name: "helloElf() has the header of its platform and ends with its text",
  permissions: "none",
  fn: () => {
    const expected: Record<string, [bits: number, little: boolean, machine: number]> = {
      "linux/amd64": [64, true, 62],
      "linux/386": [32, true, 3],
      "linux/arm64": [64, true, 183],
      "linux/arm/v7": [32, true, 40],
      "linux/ppc64le": [64, true, 21],
      "linux/riscv64": [64, true, 243],
      "linux/s390x": [64, false, 22],
    };
    assert.deepEqual([...HELLO_PLATFORMS].sort(), Object.keys(expected).sort());
    for (const [platform, [bits, little, machine]] of Object.entries(expected)) {
      const bytes = helloElf(platform);
      const view = new DataView(bytes.buffer);
      assert.equal(view.getUint32(0), 0x7f454c46);
      assert.deepEqual([bytes[4], bytes[5]], [bits / 32, little ? 1 : 2]);
      assert.equal(view.getUint16(18, little), machine, platform);
      assert.ok(new TextDecoder("latin1").decode(bytes).endsWith(helloText(platform)));
    }
    assert.throws(() => helloElf("linux/sparc"), RangeError);
  },
});

Deno.test({
  name: "gzipStored() is gzip that any reader takes, tarBytes() a tar whose checksum holds",
  permissions: "none",
  fn: () => {
    const tar = tarBytes([{ name: "a", mode: 0o755, bytes: new Uint8Array(513).fill(7) }]);
    assert.equal(tar.length, 512 + 1024 + 1024);
    assert.deepEqual(new Uint8Array(gunzipSync(gzipStored(tar))), tar);
    const header = tar.slice(0, 512);
    const told = Number.parseInt(new TextDecoder().decode(header.slice(148, 154)), 8);
    header.fill(0x20, 148, 156);
    assert.equal(header.reduce((sum, byte) => sum + byte, 0), told);
    assert.throws(() => gzipStored(new Uint8Array(70_000)), RangeError);
  },
});

Deno.test("verifyStore() reaches every blob of the demo image, and finds a flipped byte and a missing blob", async () => {
  await withFolder(async (folder) => {
    const image = demoImage();
    await writeStore(image, folder, "hello", "v1");
    const found = await verifyStore(folder, "hello", "v1");
    assert.deepEqual([found.root, found.reached], [ROOT_DIGEST, image.blobs.size]);
    for (const [digest, bytes] of image.blobs) {
      const path = `${folder}/${blobPath(digest)}`;
      const flipped = bytes.slice();
      flipped[flipped.length >> 1]! ^= 1;
      await Deno.writeFile(path, flipped);
      await assert.rejects(verifyStore(folder, "hello", "v1"), { message: new RegExp(digest) });
      await Deno.remove(path);
      await assert.rejects(verifyStore(folder, "hello", "v1"), Deno.errors.NotFound);
      await Deno.writeFile(path, bytes);
    }
  });
});

programTest("writeLayout() writes a layout that skopeo copies whole", ["skopeo"], async ([skopeo = ""]) => {
  await withFolder(async (folder) => {
    await writeLayout(demoImage(), `${folder}/layout`, "v1");
    const args = ["--insecure-policy", "copy", "--quiet", "--all", `oci:${folder}/layout:v1`, `dir:${folder}/copy`];
    const { success, stderr } = await new Deno.Command(skopeo, { args, stdin: "null" }).output();
    assert.ok(success, new TextDecoder().decode(stderr));
    const manifest = await Deno.readFile(`${folder}/copy/manifest.json`);
    assert.equal(digestOf(manifest), ROOT_DIGEST);
  });
});

Deno.test({
  name: "the demo image's program runs on this machine",
  ignore: Deno.build.os !== "linux" || Deno.build.arch !== "x86_64",
  fn: async () => {
    await withFolder(async (folder) => {
      await Deno.writeFile(`${folder}/hello`, helloElf("linux/amd64"), { mode: 0o755 });
      const { code, stdout } = await new Deno.Command("sh", { args: ["-c", `${folder}/hello`] }).output();
      assert.deepEqual([code, new TextDecoder().decode(stdout)], [0, helloText("linux/amd64")]);
    });
  },
});
