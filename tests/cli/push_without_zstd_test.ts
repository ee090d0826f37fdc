import assert from "node:assert/strict";
import { digestOf, hexOf } from "../../src/oci/digest.ts";
import { rawTar } from "../archive/support.ts";
import { Random, tarOf } from "../support/images.ts";
import { compressionArguments, s3lo, s3loJson } from "./program.ts";

/**
 * A program that was compiled on a runtime without zstd cannot compress a layer as push does by default. It says so in one
 * line, with the way around, whatever the size: of a large layer a helper thread used to die of it, with its stack trace,
 * while the push went on waiting for that thread.
 */
const lacksZstd = compressionArguments().length > 0;

/** What Docker's older `docker save` makes: raw layers, and no manifest of their own. */
function savedImage(layerBytes: readonly number[]): Uint8Array {
  const random = new Random(18);
  const layers = layerBytes.map((count, index) => tarOf(`file-${index}`, random.bytes(count)));
  const rootfs = { type: "layers", diff_ids: layers.map((layer) => digestOf(layer)) };
  const config = new TextEncoder().encode(JSON.stringify({ os: "linux", architecture: "amd64", rootfs }));
  const file = `${hexOf(digestOf(config))}.json`;
  const names = layers.map((_, index) => `${index}/layer.tar`);
  return rawTar([
    ...layers.map((content, index) => ({ name: names[index]!, content })),
    { name: file, content: config },
    { name: "manifest.json", content: JSON.stringify([{ Config: file, RepoTags: ["app:v1"], Layers: names }]) },
  ]);
}

for (const [what, sizes] of [["small", [30_000]], ["large", [5_000_000, 4_500_000, 6_000_000]]] as const) {
  Deno.test({
    name: `push of ${what} raw layers without zstd says so in one line, and --compression gzip works` +
      (lacksZstd ? "" : " (skipped: this program has zstd)"),
    ignore: !lacksZstd,
    async fn() {
      const folder = await Deno.makeTempDir();
      await Deno.writeFile(`${folder}/app.tar`, savedImage(sizes));
      const args = ["push", "-f", `${folder}/app.tar`, `local://${folder}/store//app:v1`];
      const run = await s3lo(args, { killAfterMs: 120_000 });
      assert.equal(run.code, 1, run.stderr);
      assert.deepEqual(run.stderr.trimEnd().split("\n"), [
        "Error: Cannot use zstd compression: this s3lo runs on a runtime without zstd",
        "  Install a release of s3lo, or run it with the current Deno, or compress with --compression gzip",
      ]);
      assert.equal((await s3loJson([...args, "--compression", "gzip"])).blobs_copied, sizes.length + 1);
      await Deno.remove(folder, { recursive: true });
    },
  });
}
