/** The Go tool takes nearly any name for an image of a bucket; those that are safe are read here too, registries' stay strict. */
import assert from "node:assert/strict";
import { isImageError } from "../../src/errors.ts";
import { parseStoreCollection } from "../../src/oci/collection.ts";
import { parseLocation } from "../../src/oci/location.ts";
import { isPortableName } from "../../src/oci/locations/names.ts";
import { spelled } from "../support/spelled.ts";

const pure = (name: string, fn: () => void) => Deno.test({ name, permissions: "none", fn });

const NAMES: readonly (readonly [image: string, tag: string])[] = [
  ["MyApp", "v1"],
  ["Team/Sub/MyApp", "V1"],
  ["My App", "v1"],
  ["team/.hidden", "v1"],
  ["a__b___c", "v1"],
  ["-x-", "v1"],
  ["100%", "v1"],
  ["café", "v1"],
  ["host:5000/app", "v1"],
  ["a:b", "v1"],
  ["app", "release 1"],
  ["app", "v1+build.5"],
  ["app", "-rc"],
];

pure("parseLocation() reads images of buckets and folders as the Go tool names them", () => {
  for (const [image, tag] of NAMES) {
    const text = `s3://bucket/${image}:${tag}`;
    const s3 = parseLocation(text);
    assert.deepEqual(s3, { kind: "s3", bucket: "bucket", image, tag, text });
    assert.equal(spelled(s3), text);
    const local = parseLocation(`local://./store//${image}:${tag}`);
    assert.ok(local.kind === "local");
    assert.deepEqual(local.readings, [{ folder: "./store", image }]);
    assert.equal(local.tag, tag);
    assert.deepEqual(parseLocation(spelled(local)), local);
  }
  assert.deepEqual(parseLocation("s3://bucket/MyApp"), {
    kind: "s3",
    bucket: "bucket",
    image: "MyApp",
    text: "s3://bucket/MyApp",
  });
  const local = parseLocation("local://./store/MyOrg/App:v1");
  assert.ok(local.kind === "local");
  assert.deepEqual(local.readings[1], { folder: "./store", image: "MyOrg/App" });
  assert.deepEqual(parseStoreCollection("s3://bucket/MyOrg"), {
    kind: "s3",
    bucket: "bucket",
    prefix: "MyOrg/",
    text: "s3://bucket/MyOrg",
  });
});

pure("parseLocation() refuses names in buckets and folders that are not safe", () => {
  const unsafe = [
    "a\\b:v1",
    "a\u202eb:v1",
    "a\u00a0b:v1",
    "a\u0007b:v1",
    " a:v1",
    "a /b:v1",
    "a:v1\\x",
    "a:.",
    "a:..",
    "a: v1",
    "a//b:v1",
    "./a:v1",
    "a/..:v1",
    "host:5000/app",
    `${"x".repeat(256)}:v1`,
    `a:${"x".repeat(129)}`,
    "\ud800:v1",
  ];
  for (const name of unsafe) {
    for (const text of [`s3://bucket/${name}`, `local://./store//${name}`]) {
      assert.throws(() => parseLocation(text), (error: unknown) => isImageError(error, "invalid-reference"), text);
    }
  }
});

pure("parseLocation() stays as strict as registries are for registries", () => {
  for (const [image, tag] of NAMES.filter(([image]) => image !== "host:5000/app")) {
    assert.throws(
      () => parseLocation(`ghcr.io/o/${image}:${tag}`),
      (error: unknown) => isImageError(error, "invalid-reference"),
      `${image}:${tag}`,
    );
    assert.equal(isPortableName(image, tag), false, `${image}:${tag}`);
  }
  assert.equal(isPortableName("team/app", "V1"), true);
});
