import assert from "node:assert/strict";
import { isImageError } from "../../src/errors.ts";
import { childrenOf, MAX_MANIFEST_BYTES, readManifest } from "../../src/oci/manifest.ts";
import { MEDIA_TYPES } from "../../src/oci/media_types.ts";
import { blob, bytesOf, config, DIGEST, image, index, read, refuses } from "./manifest_cases.ts";
import { cpuTime } from "../support/cpu_time.ts";

Deno.test(
  "readManifest() refuses a document that is two things at once (CVE-2021-41190)",
  { permissions: "none" },
  () => {
    refuses({ ...image, manifests: [] }, "invalid-input", /members of index and image at once/);
    refuses({ ...index, layers: [] }, "invalid-input", /members of index and image at once/);
    refuses({ ...index, config }, "invalid-input", /members of index and image at once/);
    refuses({ ...image, blobs: [] }, "invalid-input", /members of image and artifact at once/);
    refuses({ ...image, mediaType: MEDIA_TYPES.ociIndex }, "invalid-input", /not the index/);
    refuses({ ...index, mediaType: MEDIA_TYPES.ociManifest }, "invalid-input", /not the image/);
  },
);

Deno.test("readManifest() refuses members that two readers could read differently", { permissions: "none" }, () => {
  const rest = `"schemaVersion":2,"config":${JSON.stringify(config)}`;
  refuses(`{${rest},"layers":[],"layers":[${JSON.stringify(config)}]}`, "invalid-input", /names "layers" twice/);
  refuses(`{${rest},"layers":[],"l\\u0061yers":[]}`, "invalid-input", /names "layers" twice/);
  refuses(
    `{"schemaVersion":2,"config":{"digest":"${DIGEST}","size":1,"size":2}}`,
    "invalid-input",
    /names "size" twice/,
  );
  refuses(`{${rest},"annotations":{"a":"1","a":"2"}}`, "invalid-input", /names "a" twice/);
  refuses(`{${rest},"x":{"y":[{"z":1,"z":1}]}}`, "invalid-input", /names "z" twice/);
  refuses(`{${rest},"\\u001b[31m":1,"\\u001b[31m":1}`, "invalid-input", /names "\\u001b\[31m" twice/);
  // Go's reader takes "Layers" for "layers"; one that does not would see an image without layers.
  refuses({ ...image, layers: undefined, Layers: [] }, "invalid-input", /"Layers" must be spelled "layers"/);
  refuses({ ...image, MediaType: "x" }, "invalid-input", /must be spelled "mediaType"/);
  refuses({ ...image, "manife\u017fts": [] }, "invalid-input", /must be spelled "manifests"/);
  refuses({ ...image, config: { ...config, SIZE: 8 } }, "invalid-input", /"SIZE" must be spelled "size"/);
  refuses({ ...image, layers: [{ ...config, Digest: "x" }] }, "invalid-input", /layer 0 of .*must be spelled "digest"/);
  refuses(`{${rest},"x\\\\":1,"x\\\\":1}`, "invalid-input", /names "x\\" twice/);
  refuses(`{${rest},"q\\"":"\\\\","q\\"":1}`, "invalid-input", /names "q"" twice/);
  // The same name in different objects, in a text or as a value is fine; so is case in annotations.
  const fine = read({ ...image, annotations: { size: "size", Size: '"size":1,"size":2', digest: "{[" } });
  assert.equal(fine.content.annotations["Size"], `"size":1,"size":2`);
});

Deno.test("readManifest() refuses schema 1 and media types that are no manifest", { permissions: "none" }, () => {
  const schema1 = { schemaVersion: 1, name: "library/x", tag: "v1", fsLayers: [{ blobSum: DIGEST }] };
  refuses(schema1, "unsupported", /schema 1/);
  refuses({ ...image, schemaVersion: 1 }, "unsupported", /schema 1/);
  refuses({ schemaVersion: 2, fsLayers: [] }, "unsupported", /schema 1/);
  refuses({ ...image, mediaType: MEDIA_TYPES.dockerSchema1Signed }, "unsupported", /schema 1/);
  refuses({ ...image, mediaType: "" }, "unsupported", /schema 1/, { mediaType: `${MEDIA_TYPES.dockerSchema1}; x=y` });
  refuses({ ...image, mediaType: "application/vnd.example\u001b[31m" }, "unsupported", /unknown manifest media type/);
  for (const schemaVersion of [3, 0, "2", null, 2.5]) {
    refuses({ ...image, schemaVersion }, "invalid-input", /schemaVersion must be 2/);
  }
});

Deno.test("readManifest() refuses members of the wrong kind and names them", { permissions: "none" }, () => {
  const cases: [document: unknown, message: RegExp][] = [
    [{ ...image, config: undefined }, /"config" is missing/],
    [{ ...image, config: [] }, /config of manifest "app:v1": expected an object/],
    [{ ...image, layers: {} }, /"layers" must be a list/],
    [{ ...image, layers: [null] }, /layer 0 of .*: expected an object/],
    [{ ...image, layers: [config, { ...config, digest: undefined }] }, /layer 1 of .*"digest" is missing/],
    [{ ...image, layers: [{ ...config, size: undefined }] }, /"size" is missing/],
    [
      { ...image, layers: [{ ...config, digest: `sha256:../../../../etc/${"a".repeat(48)}` }] },
      /expected algorithm:hex/,
    ],
    [{ ...image, layers: [{ ...config, digest: "md5:d41d8cd98f00b204e9800998ecf8427e" }] }, /algorithm "md5"/],
    [{ ...image, layers: [{ ...config, digest: 5 }] }, /"digest" must be a string/],
    [{ ...image, layers: [{ ...config, size: -1 }] }, /"size" must be a whole number/],
    [{ ...image, layers: [{ ...config, size: 1.5 }] }, /"size" must be a whole number/],
    [{ ...image, layers: [{ ...config, size: "7" }] }, /"size" must be a whole number/],
    [{ ...image, layers: [{ ...config, mediaType: 7 }] }, /"mediaType" must be a string/],
    [{ ...image, layers: [{ ...config, urls: "https://x" }] }, /"urls" must be a list/],
    [{ ...image, layers: [{ ...config, urls: [1] }] }, /"urls" must be a list of strings/],
    [{ ...image, layers: [{ ...config, annotations: { a: 1 } }] }, /"annotations" must be an object of strings/],
    [{ ...image, annotations: ["a"] }, /"annotations" must be an object of strings/],
    [{ ...image, mediaType: 2 }, /"mediaType" must be a string/],
    [{ ...image, subject: "x" }, /subject of .*expected an object/],
    [{ ...index, manifests: [{ ...config, platform: "linux" }] }, /platform of entry 0 of .*expected an object/],
  ];
  for (const [document, message] of cases) refuses(document, "invalid-input", message);
});

Deno.test(
  "readManifest() takes sizes that are whole numbers, however they are written",
  { permissions: "none" },
  () => {
    const withSize = (size: string) => `{"schemaVersion":2,"config":{"digest":"${DIGEST}","size":${size}}}`;
    const sizeOf = (size: string) => (read(withSize(size)).content as { config: { size: number } }).config.size;
    assert.equal(sizeOf("1e3"), 1000);
    assert.equal(sizeOf("7.0"), 7);
    assert.equal(Object.is(sizeOf("-0"), 0), true);
    assert.equal(sizeOf("9007199254740991"), Number.MAX_SAFE_INTEGER);
    // Beyond 2^53 the number that was written cannot be told from its neighbours.
    for (const size of ["9007199254740992", "9007199254740993", "1e400", "18446744073709551616"]) {
      refuses(withSize(size), "invalid-input", /"size" must be a whole number/);
    }
  },
);

Deno.test("readManifest() takes __proto__ for a name like any other", { permissions: "none" }, () => {
  const text =
    `{"__proto__":{"config":1,"layers":[1]},"schemaVersion":2,"config":{"__proto__":{"size":9},"digest":"${DIGEST}",` +
    `"size":7,"annotations":{"__proto__":"x","constructor":"y"}}}`;
  const { content } = read(text);
  assert.ok(content.kind === "image");
  assert.equal(content.config.size, 7);
  assert.deepEqual(content.layers, []);
  assert.deepEqual(Object.entries(content.config.annotations ?? {}), [["__proto__", "x"], ["constructor", "y"]]);
  assert.equal(({} as Record<string, unknown>)["size"], undefined);
  refuses(`{"__proto__":{"mediaType":"x","manifests":[]},"schemaVersion":2}`, "invalid-input", /not a manifest/);
});

Deno.test("readManifest() refuses bytes that are no JSON object", { permissions: "none" }, () => {
  const what = (bytes: Iterable<number>) => () => readManifest(new Uint8Array(bytes), "manifest");
  const cases: [bytes: Iterable<number>, message: RegExp][] = [
    [[], /not valid JSON/],
    [bytesOf("null"), /not a JSON object/],
    [bytesOf("[]"), /not a JSON object/],
    [bytesOf(`"text"`), /not a JSON object/],
    [bytesOf("{"), /not valid JSON/],
    [bytesOf(JSON.stringify(image) + "x"), /not valid JSON/],
    [bytesOf("<html>"), /not valid JSON/],
    [[0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d], /not UTF-8/],
    // A byte order mark in front: Go refuses it, so the image would be unusable elsewhere.
    [[0xef, 0xbb, 0xbf, ...bytesOf(image)], /not valid JSON/],
    [[0xff, 0xfe, 0x7b, 0x00], /not UTF-8/],
  ];
  for (const [bytes, message] of cases) {
    assert.throws(what(bytes), (error) => isImageError(error, "invalid-input") && message.test(error.message));
  }
});

Deno.test("readManifest() survives nesting that would exhaust a stack", { permissions: "none" }, () => {
  const deep = (open: string, close: string, levels: number) => open.repeat(levels) + "1" + close.repeat(levels);
  const { schemaVersion: _version, ...rest } = image;
  const withDeep = (value: string) => `{"schemaVersion":2,"x":${value},${JSON.stringify(rest).slice(1)}`;
  assert.equal(read(withDeep(deep("[", "]", 63))).content.kind, "image");
  refuses(withDeep(deep("[", "]", 64)), "invalid-input", /nested deeper than 64/);
  refuses(withDeep(deep("[", "]", 100_000)), "invalid-input", /nested deeper than 64/);
  refuses(withDeep(deep(`{"a":`, "}", 100_000)), "invalid-input", /nested deeper than 64/);
  refuses(`{"x":${"[".repeat(1_000_000)}`, "invalid-input", /not valid JSON/);
});

Deno.test(
  "readManifest() reads thousands of entries fast and refuses what is over the limit",
  { permissions: "none" },
  () => {
    const entries = (count: number) => ({ ...index, manifests: Array.from({ length: count }, () => blob("x/y")) });
    const spentMs = cpuTime();
    const { content } = read(entries(30_000));
    assert.equal(childrenOf(content).length, 30_000);
    assert.ok(spentMs() < 4000);
    refuses(entries(100_000), "invalid-input", /more than a manifest may have/);
    const padding = (length: number) =>
      JSON.stringify({ ...image, annotations: { a: "" } }).replace(`"a":""`, `"a":"${"x".repeat(length)}"`);
    const exact = MAX_MANIFEST_BYTES - padding(0).length;
    assert.equal(read(padding(exact)).bytes.byteLength, MAX_MANIFEST_BYTES);
    refuses(padding(exact + 1), "invalid-input", /more than a manifest may have/);
  },
);
