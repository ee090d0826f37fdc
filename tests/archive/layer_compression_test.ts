import assert from "node:assert/strict";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { threadedCompressReader } from "../../src/archive/compress_thread.ts";
import { compressReader } from "../../src/archive/layer_compression.ts";
import { type BlobReader, bytesReader } from "../../src/bytes/blob_reader.ts";
import { digestOf } from "../../src/oci/digest.ts";
import { Random } from "../support/images.ts";
import { contentOf, FILES } from "./support.ts";

/** Hands bytes out in pieces of random length. */
function chopped(bytes: Uint8Array, random: Random): BlobReader {
  const inner = bytesReader(bytes);
  return { ...inner, read: (into) => inner.read(into.subarray(0, 1 + random.next(300_000))) };
}

Deno.test({
  name: "threadedCompressReader() and compressReader() make the same bytes, however the input comes",
  permissions: FILES,
  async fn() {
    const random = new Random(3);
    const content = random.bytes(5_300_000);
    for (const compression of ["zstd", "gzip"] as const) {
      for (const level of [undefined, 1]) {
        const options = { compression, level };
        const plain = await contentOf(compressReader(bytesReader(content), content.byteLength, options));
        const unpacked = compression === "gzip" ? gunzipSync(plain) : zstdDecompressSync(plain);
        assert.equal(digestOf(unpacked), digestOf(content));
        const cut = await contentOf(compressReader(chopped(content, random), content.byteLength, options));
        const threaded = await contentOf(
          await threadedCompressReader(chopped(content, random), content.byteLength, options),
        );
        assert.equal(digestOf(cut), digestOf(plain));
        assert.equal(digestOf(threaded), digestOf(plain));
        if (compression === "gzip") {
          assert.deepEqual([...plain.subarray(3, 10)].filter((_, at) => at !== 5), [0, 0, 0, 0, 0, 255]);
        }
      }
    }
    const none = await contentOf(compressReader(bytesReader(new Uint8Array(0)), 0, { compression: "zstd" }));
    assert.equal(zstdDecompressSync(none).byteLength, 0);
  },
});

Deno.test({
  name: "threadedCompressReader() can be closed early, passes on errors, and works without a thread",
  permissions: FILES,
  async fn() {
    const content = new Random(4).bytes(4_500_000);
    const options = { compression: "zstd" } as const;
    const early = await threadedCompressReader(bytesReader(content), content.byteLength, options);
    await early.read(new Uint8Array(100));
    await early[Symbol.asyncDispose]();
    let count = 0;
    const breaking: BlobReader = {
      ...bytesReader(content),
      read: (into) => count++ < 2 ? Promise.resolve(into) : Promise.reject(new TypeError("source broke")),
    };
    await using broken = await threadedCompressReader(breaking, content.byteLength, options);
    await assert.rejects(contentOf(broken), /source broke/);
  },
});
