import assert from "node:assert/strict";
import { digestOf, isDigest } from "../../src/oci/digest.ts";
import { blobsOf, childrenOf, isAttestation, type Manifest, readManifest } from "../../src/oci/manifest.ts";
import { parsePlatform, selectPlatform } from "../../src/oci/platform.ts";
import { indexOf, multiImage, type Random, referrerOf, singleImage } from "../support/images.ts";
import { fuzzTest, mutated, outcomeOf, pick } from "./fuzz.ts";

const single = singleImage(parsePlatform("linux/arm/v7"), { docker: true });
const multi = multiImage({ attestations: true });
const DOCUMENTS = [single, multi, indexOf([multi, single]), referrerOf(multi.root, "a/b", new Uint8Array(3))]
  .map((image) => new TextDecoder().decode(image.root.bytes));
const MEMBERS =
  ("schemaVersion mediaType config layers manifests blobs subject artifactType annotations digest size urls data " +
    "platform os architecture variant os.version os.features fsLayers Layers SIZE __proto__ constructor toString")
    .split(" ");
const VALUES = [
  ...'null true 0 -0 -1 1e3 1.5 9007199254740993 1e999 [] {} [[]] "" "x" [null] [1] {"a":1} 2'.split(" "),
  `"application/vnd.oci.image.index.v1+json"`,
  `"application/vnd.docker.distribution.manifest.v1+prettyjws"`,
  `"sha256:${"../".repeat(20)}"`,
  `"\\u001b[31m\\ud800"`,
  `{"__proto__":{"size":1}}`,
  "[".repeat(70) + "]".repeat(70),
];
const PIECES = [
  ...VALUES,
  ...MEMBERS.map((name) => `"${name}":`),
  ...'{}[],:"\\\ufeff\u0000',
  '"a":1,"a":2',
  "\\u0061",
];

/** Sets, adds or repeats members anywhere in a document. */
function rebuilt(random: Random, text: string): string {
  const names = [...text.matchAll(/"([A-Za-z.]+)":/g)];
  const { index, 0: whole } = pick(random, names);
  const member = `"${pick(random, MEMBERS)}": ${pick(random, VALUES)}, `;
  if (random.next(2) === 0) return text.slice(0, index) + member + text.slice(index);
  const rest = text.slice(index + whole.length).replace(/^\s*("[^"]*"|\d+)/, () => pick(random, VALUES));
  return text.slice(0, index + whole.length) + rest;
}

function check(manifest: Manifest, bytes: Uint8Array): void {
  assert.equal(manifest.bytes, bytes, "the bytes are the ones that were read");
  assert.equal(manifest.descriptor.size, bytes.byteLength);
  assert.equal(manifest.descriptor.digest, digestOf(bytes));
  const document = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
  const shapes = ["manifests", "layers", "blobs"].filter((key) =>
    Object.hasOwn(document, key) && document[key] !== null
  );
  assert.ok(shapes.length <= 1, `read a document with ${shapes}`);
  const children = childrenOf(manifest.content);
  for (const child of children) {
    assert.ok(isDigest(child.digest));
    assert.ok(Number.isSafeInteger(child.size) && child.size >= 0);
    isAttestation(child);
  }
  const { blobs, foreign } = blobsOf(manifest.content);
  assert.equal(blobs.length + foreign.length, manifest.content.kind === "index" ? 0 : children.length);
  selectPlatform(children, parsePlatform("linux/arm64"), { otherArchitectures: true });
}

fuzzTest("readManifest() reads or refuses any bytes", (random) => {
  let text = random.next(2) === 0 ? pick(random, DOCUMENTS) : mutated(random, DOCUMENTS, PIECES);
  for (let changes = random.next(3); changes > 0 && text.includes('":'); changes--) {
    if (/"[A-Za-z.]+":/.test(text)) text = rebuilt(random, text);
  }
  const bytes = new Uint8Array(new TextEncoder().encode(text));
  for (let flips = random.next(8) === 0 ? 3 : 0; flips > 0 && bytes.length > 0; flips--) {
    bytes[random.next(bytes.length)] = random.next(256);
  }
  const mediaType = pick(random, [undefined, undefined, multi.root.descriptor.mediaType, "text/html", "constructor"]);
  const outcome = outcomeOf(bytes, () => readManifest(bytes, "manifest", { mediaType }));
  if ("error" in outcome) return assert.ok(["invalid-input", "unsupported"].includes(outcome.error.code));
  check(outcome.value, bytes);
});

fuzzTest("readManifest() lets no changed byte pass where the digest is known", (random) => {
  const { root } = pick(random, [single, multi]);
  const bytes = root.bytes.slice();
  const at = random.next(bytes.length);
  bytes[at] = (bytes[at]! + 1 + random.next(255)) % 256;
  const outcome = outcomeOf(bytes, () => readManifest(bytes, "manifest", { expected: root.descriptor }));
  assert.ok("error" in outcome && outcome.error.code === "digest-mismatch");
});
