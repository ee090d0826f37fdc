import assert from "node:assert/strict";
import { ImageError } from "../../src/errors.ts";
import { hasZstd, zstdRuntime } from "../../src/bytes/zstd_runtime.ts";

Deno.test("zstdRuntime() gives the runtime's functions", { permissions: "none" }, () => {
  const { zstdCompressSync, zstdDecompressSync } = zstdRuntime('layer "x"');
  const bytes = new TextEncoder().encode("the same again");
  assert.deepEqual(new Uint8Array(zstdDecompressSync(zstdCompressSync(bytes))), bytes);
});

Deno.test("zstdRuntime() says what a runtime without zstd cannot do", { permissions: "none" }, () => {
  assert.equal(hasZstd({}), false);
  assert.throws(() => zstdRuntime('layer "sha256:ab"', { runtime: {} }), (error) => {
    assert.ok(error instanceof ImageError);
    assert.equal(error.code, "unsupported");
    assert.match(error.message, /^Cannot use layer "sha256:ab": this s3lo runs on a runtime without zstd$/);
    return true;
  });
});

Deno.test("no file but one imports zstd from the runtime by name, which older runtimes would refuse to start", async () => {
  const names = /import\s*\{[^}]*\b(?!type\b)(?:zstd\w+|create\w*Zstd\w+)[^}]*\}\s*from\s*"node:zlib"/i;
  const folders = ["src"];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for await (const entry of Deno.readDir(folder)) {
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory) folders.push(path);
      else assert.doesNotMatch((await Deno.readTextFile(path)).replaceAll(/type \w+/g, ""), names, path);
    }
  }
});
