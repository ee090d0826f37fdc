import assert from "node:assert/strict";
import { isImageError } from "../../src/errors.ts";
import { embeddedBytes, parseDescriptor } from "../../src/oci/descriptor.ts";
import { digestOf } from "../../src/oci/digest.ts";
import {
  attestedDigest,
  blobsOf,
  childrenOf,
  isAttestation,
  isRunnable,
  readManifest,
} from "../../src/oci/manifest.ts";
import { isForeignLayer, layerCompression, manifestKind, MEDIA_TYPES } from "../../src/oci/media_types.ts";
import { indexOf, multiImage, referrerOf } from "../support/images.ts";
import { blob, bytesOf, config, DIGEST, image, index, read, refuses } from "./manifest_cases.ts";

Deno.test("readManifest() reads every kind and keeps the bytes", { permissions: "none" }, () => {
  const text = `{\n\t"schemaVersion" : 2, "config": ${
    JSON.stringify(config)
  },"layers":null, "org.example.unknown": [1e3]\n}\n`;
  const bytes = bytesOf(text);
  const manifest = readManifest(bytes, "manifest");
  assert.equal(manifest.bytes, bytes);
  assert.equal(new TextDecoder().decode(manifest.bytes), text);
  assert.deepEqual(manifest.descriptor, {
    mediaType: MEDIA_TYPES.ociManifest,
    digest: digestOf(bytes),
    size: bytes.length,
  });
  assert.deepEqual(manifest.content, {
    kind: "image",
    mediaType: MEDIA_TYPES.ociManifest,
    annotations: {},
    config: { ...config, digest: DIGEST },
    layers: [],
  });

  assert.equal(read(index).content.kind, "index");
  assert.equal(read({ ...index, mediaType: MEDIA_TYPES.dockerIndex }).content.kind, "index");
  assert.equal(read({ ...index, manifests: null }).content.kind, "index");
  assert.equal(read({ ...image, mediaType: MEDIA_TYPES.dockerManifest }).content.kind, "image");
  const artifact = read({
    mediaType: MEDIA_TYPES.ociArtifact,
    artifactType: "a/b",
    blobs: [blob("x/y")],
    subject: config,
  });
  assert.equal(artifact.content.kind, "artifact");
  assert.equal(artifact.descriptor.artifactType, "a/b");
  assert.equal(artifact.content.subject?.digest, DIGEST);
});

Deno.test("readManifest() reads subject, data, urls, annotations and media types it does not know", {
  permissions: "none",
}, () => {
  const layer = blob("application/vnd.example.model.v9+weird", {
    urls: ["https://example.com/layer"],
    annotations: { a: "b", "": "empty" },
    data: "YWJj",
    artifactType: "application/vnd.example",
    platform: { os: "linux", architecture: "arm", variant: "v7" },
    "org.example.unknown": { deep: [true] },
  });
  const { content } = read({ ...image, layers: [layer], subject: config, annotations: { x: "y" } });
  assert.ok(content.kind === "image");
  const { "org.example.unknown": _unknown, ...known } = layer as Record<string, unknown>;
  assert.deepEqual(content.layers, [known]);
  assert.deepEqual(content.subject, config);
  assert.deepEqual(content.annotations, { x: "y" });
  // Missing and null members are the same, as Go's JSON writes them.
  assert.deepEqual(parseDescriptor({ ...config, urls: null, annotations: null, platform: null }, "config"), config);
});

Deno.test(
  "readManifest() goes by mediaType, then by what it was served as, then by shape",
  { permissions: "none" },
  () => {
    const { mediaType: _image, ...bareImage } = image;
    const { mediaType: _index, ...bareIndex } = index;
    const kindOf = (document: unknown, mediaType?: string) => read(document, { mediaType }).content;
    assert.equal(kindOf(bareImage).mediaType, MEDIA_TYPES.ociManifest);
    assert.equal(kindOf(bareIndex).mediaType, MEDIA_TYPES.ociIndex);
    assert.equal(kindOf(bareImage, MEDIA_TYPES.dockerManifest).mediaType, MEDIA_TYPES.dockerManifest);
    assert.equal(kindOf(bareIndex, `${MEDIA_TYPES.dockerIndex}; charset=utf-8`).mediaType, MEDIA_TYPES.dockerIndex);
    assert.equal(kindOf(bareIndex, "application/json").kind, "index");
    assert.equal(kindOf({ ...bareImage, mediaType: "" }, "text/plain").kind, "image");
    assert.equal(kindOf({ mediaType: MEDIA_TYPES.ociIndex }).kind, "index");

    refuses(image, "invalid-input", /calls itself .*image\.manifest.* and was given as .*image\.index/, {
      mediaType: MEDIA_TYPES.ociIndex,
    });
    refuses(bareImage, "invalid-input", /not the index it was given as/, { mediaType: MEDIA_TYPES.ociIndex });
    refuses(bareIndex, "invalid-input", /not the image it was given as/, { mediaType: MEDIA_TYPES.dockerManifest });
    refuses({ schemaVersion: 2 }, "invalid-input", /not the index/, { mediaType: MEDIA_TYPES.ociIndex });
    refuses({ schemaVersion: 2 }, "invalid-input", /not a manifest/);
  },
);

Deno.test("readManifest() checks digest and size against what was expected", { permissions: "none" }, () => {
  const bytes = bytesOf(image);
  const sha512 = digestOf(bytes, "sha512");
  const expected = {
    mediaType: MEDIA_TYPES.ociManifest,
    digest: digestOf(bytes),
    size: bytes.length,
    annotations: { a: "b" },
  };
  assert.deepEqual(read(image, { expected }).descriptor, expected);
  assert.equal(read(image, { digest: sha512 }).descriptor.digest, sha512);
  assert.equal(read(image, { expected: { ...expected, mediaType: "" } }).descriptor.mediaType, MEDIA_TYPES.ociManifest);
  refuses(image, "digest-mismatch", /its bytes have digest/, { digest: digestOf(new Uint8Array(1)) });
  refuses(image, "digest-mismatch", /its bytes have digest/, { digest: digestOf(new Uint8Array(1), "sha512") });
  refuses(image, "digest-mismatch", /bytes, not 1$/, { expected: { ...expected, size: 1 } });
  // Wrong bytes are told before what they might say.
  refuses("<html>", "digest-mismatch", /its bytes have digest/, { expected });
  refuses(image, "invalid-input", /was given as/, { expected: { ...expected, mediaType: MEDIA_TYPES.ociIndex } });
});

Deno.test("childrenOf() and blobsOf() tell manifests, blobs and foreign layers apart", { permissions: "none" }, () => {
  const foreign = blob("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", {
    urls: ["https://example.com/1"],
  });
  const kept = blob("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip");
  const { content } = read({ ...image, layers: [foreign, kept] });
  assert.equal(childrenOf(content).length, 3);
  assert.deepEqual(blobsOf(content), { blobs: [config, kept], foreign: [foreign] });
  assert.deepEqual(blobsOf(read(index).content), { blobs: [], foreign: [] });
  assert.equal(childrenOf(read(index).content).length, 1);
});

Deno.test("attestedDigest(), isAttestation() and isRunnable() read BuildKit's marks", { permissions: "none" }, () => {
  const mark = (type: unknown, digest: unknown, platform: unknown) =>
    parseDescriptor({
      ...config,
      annotations: { "vnd.docker.reference.type": type, "vnd.docker.reference.digest": digest },
      platform,
    }, "entry");
  const unknown = { os: "unknown", architecture: "unknown" };
  const attestation = mark("attestation-manifest", DIGEST, unknown);
  assert.equal(attestedDigest(attestation), DIGEST);
  assert.equal(isAttestation(attestation), true);
  assert.equal(isRunnable(attestation), false);
  assert.equal(attestedDigest(mark("attestation-manifest", "nonsense", unknown)), undefined);
  assert.equal(isAttestation(mark("x", DIGEST, { os: "linux", architecture: "amd64" })), true);
  const plain = (platform?: unknown) => parseDescriptor({ ...config, platform }, "entry");
  assert.equal(attestedDigest(plain(unknown)), undefined);
  assert.equal(isAttestation(plain(unknown)), true);
  assert.equal(isRunnable(plain({ os: "linux", architecture: "amd64" })), true);
  assert.equal(isRunnable(plain()), false);
  assert.equal(isRunnable(plain({ os: "", architecture: "" })), false);
});

Deno.test("embeddedBytes() gives the bytes of data only when they match", { permissions: "none" }, () => {
  const bytes = new TextEncoder().encode("{}");
  const descriptor = { mediaType: MEDIA_TYPES.ociEmpty, digest: digestOf(bytes), size: 2, data: "e30=" };
  assert.deepEqual(embeddedBytes(descriptor), new Uint8Array(bytes));
  const { data: _data, ...without } = descriptor;
  assert.equal(embeddedBytes(without), undefined);
  for (
    const wrong of [{ data: "e34=" }, { size: 3 }, { data: "" }, { data: "!!" }, {
      digest: digestOf(bytes, "sha512"),
      data: "eA==",
    }]
  ) {
    assert.throws(() => embeddedBytes({ ...descriptor, ...wrong }), (error) => isImageError(error, "digest-mismatch"));
  }
});

Deno.test("media types are read without parameters and whatever their case", { permissions: "none" }, () => {
  assert.equal(manifestKind("Application/vnd.OCI.image.index.v1+JSON; charset=utf-8"), "index");
  assert.equal(manifestKind("application/json"), undefined);
  assert.equal(manifestKind("constructor"), undefined);
  const compressions = {
    [MEDIA_TYPES.ociLayer]: "none",
    [MEDIA_TYPES.ociLayerGzip]: "gzip",
    [MEDIA_TYPES.ociLayerZstd]: "zstd",
    [MEDIA_TYPES.dockerLayer]: "none",
    [MEDIA_TYPES.dockerLayerGzip]: "gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd": "zstd",
    "application/vnd.example+zip": undefined,
    "": undefined,
  };
  for (const [type, expected] of Object.entries(compressions)) assert.equal(layerCompression(type), expected, type);
  assert.equal(isForeignLayer("Application/vnd.oci.image.layer.nondistributable.v1.tar+zstd"), true);
  assert.equal(isForeignLayer(MEDIA_TYPES.ociLayer), false);
});

Deno.test(
  "readManifest() reads nested indexes, Docker lists and referrers of made images",
  { permissions: "none" },
  () => {
    const multi = multiImage({ attestations: true });
    const nested = indexOf([multi, multiImage({ seed: 2, docker: true })]);
    assert.deepEqual(childrenOf(nested.root.content).map((child) => child.mediaType), [
      MEDIA_TYPES.ociIndex,
      MEDIA_TYPES.dockerIndex,
    ]);
    for (const child of childrenOf(nested.root.content)) {
      const bytes = nested.blobs.get(child.digest)!;
      const manifest = readManifest(new Uint8Array(bytes), "child", { expected: child });
      assert.equal(manifest.content.kind, "index");
      assert.deepEqual(manifest.bytes, bytes);
    }
    const entries = childrenOf(multi.root.content);
    assert.deepEqual(
      entries.filter(isAttestation).map(attestedDigest),
      entries.filter(isRunnable).map(({ digest }) => digest),
    );
    const referrer = referrerOf(multi.root, "application/vnd.example.sbom", new Uint8Array(5));
    assert.equal(referrer.root.content.subject?.digest, multi.root.descriptor.digest);
    assert.equal(referrer.root.descriptor.artifactType, "application/vnd.example.sbom");
  },
);
