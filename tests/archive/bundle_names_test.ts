import assert from "node:assert/strict";
import {
  archiveBundleName,
  bundleAnnotations,
  type BundleName,
  givenBundleName,
  landingPath,
  parseBundleItem,
  parseBundleList,
  possibleLandings,
  registryBundleName,
  storeBundleName,
} from "../../src/archive/bundle_names.ts";
import { CONTAINERD_NAME, REF_NAME } from "../../src/archive/image_names.ts";
import { ImageError, isImageError } from "../../src/errors.ts";
import { parseLocation } from "../../src/oci/location.ts";
import type { ArchiveLocation } from "../../src/oci/locations/archive.ts";
import type { DaemonLocation } from "../../src/oci/locations/daemon.ts";
import type { RegistryLocation } from "../../src/oci/locations/registry.ts";

const registryName = (text: string) => registryBundleName(parseLocation(text) as RegistryLocation);
const archiveName = (text: string) => archiveBundleName(parseLocation(text) as ArchiveLocation | DaemonLocation);

const DIGEST = `sha256:${"a".repeat(64)}`;

function landed(name: BundleName): string | undefined {
  const landing = landingPath({ [REF_NAME]: name.ref, [CONTAINERD_NAME]: name.full, ...bundleAnnotations(name) });
  return landing && `${landing.image}:${landing.tag}`;
}

Deno.test({
  name: "bundle names keep a registry's host and land without it; those of a store land as they were",
  permissions: "none",
  fn() {
    const cases: [BundleName, ref: string, full: string, landing: string][] = [
      [registryName("alpine:3"), "docker.io/library/alpine:3", "docker.io/library/alpine:3", "library/alpine:3"],
      [registryName("ghcr.io/o/app"), "ghcr.io/o/app:latest", "ghcr.io/o/app:latest", "o/app:latest"],
      [registryName(`docker://ghcr.io/o/app:v1@${DIGEST}`), "ghcr.io/o/app:v1", "ghcr.io/o/app:v1", "o/app:v1"],
      [registryName("localhost:5000/x:1"), "localhost:5000/x:1", "localhost:5000/x:1", "x:1"],
      [storeBundleName("s3://b/app:v1", "app", "v1"), "app:v1", "docker.io/library/app:v1", "app:v1"],
      [storeBundleName("s3://b/t/app:v1", "t/app", "v1"), "t/app:v1", "docker.io/t/app:v1", "t/app:v1"],
      [
        storeBundleName("s3://b/library/x:v1", "library/x", "v1"),
        "library/x:v1",
        "docker.io/library/x:v1",
        "library/x:v1",
      ],
      [storeBundleName("x", "ghcr.io/o/app", "v1"), "ghcr.io/o/app:v1", "ghcr.io/o/app:v1", "ghcr.io/o/app:v1"],
      [storeBundleName("x", "docker.io/o/app", "v1"), "docker.io/o/app:v1", "docker.io/o/app:v1", "docker.io/o/app:v1"],
      [givenBundleName("app"), "app:latest", "docker.io/library/app:latest", "app:latest"],
      [givenBundleName("quay.io/o/app:2"), "quay.io/o/app:2", "quay.io/o/app:2", "o/app:2"],
      [archiveName("docker-archive:f.tar:app:v1"), "app:v1", "docker.io/library/app:v1", "app:v1"],
      [archiveName("docker-daemon:t/app:v1"), "t/app:v1", "docker.io/t/app:v1", "t/app:v1"],
    ];
    for (const [name, ref, full, landing] of cases) {
      assert.equal(name.ref, ref);
      assert.equal(name.full, full);
      assert.equal(landed(name), landing, ref);
    }
  },
});

Deno.test({
  name: "bundle names are asked for where a reference has none",
  permissions: "none",
  fn() {
    const nameless = [
      () => registryName(`ghcr.io/o/app@${DIGEST}`),
      () => storeBundleName("s3://b/app@…", "app", undefined),
      () => archiveName("oci-archive:f.tar"),
      () => archiveName("oci:folder:v1"),
      () => archiveName("oci-archive:f.tar:@0"),
      () => archiveName(`docker-daemon:${DIGEST}`),
    ];
    for (const name of nameless) assert.throws(name, (error) => isImageError(error, "usage"));
    assert.throws(() => givenBundleName("s3://b/app:v1"), (error) => isImageError(error, "invalid-reference"));
  },
});

Deno.test({
  name: "landingPath() takes what other tools write and refuses what leads elsewhere",
  permissions: "none",
  fn() {
    // docker save: the tag, and the full name beside it.
    assert.deepEqual(landingPath({ [REF_NAME]: "v1", [CONTAINERD_NAME]: "docker.io/library/app:v1" }), {
      image: "library/app",
      tag: "v1",
    });
    assert.equal(landingPath({ [REF_NAME]: "v1" }), undefined);
    assert.equal(landingPath({}), undefined);
    for (const name of ["../x:v1", "a//b:v1", `a/b@${DIGEST}`, "A/B:v1", "a/b:\u0007"]) {
      assert.equal(landingPath({ [REF_NAME]: name }), undefined, name);
      assert.equal(landingPath({ "io.s3lo.image.path": name }), undefined, name);
    }
    assert.deepEqual(possibleLandings("ghcr.io/o/app:v1"), [
      { image: "o/app", tag: "v1" },
      { image: "ghcr.io/o/app", tag: "v1" },
    ]);
    assert.deepEqual(possibleLandings("app:v1"), [{ image: "app", tag: "v1" }]);
  },
});

Deno.test({
  name: "parseBundleList() reads one image a line, names after `as`, comments and blank lines",
  permissions: "none",
  fn() {
    assert.deepEqual(parseBundleList("# all\n\n s3://bkt/app:v1 \r\nlocal:///my disk//app:v1   as  x:2\n"), [
      { reference: "s3://bkt/app:v1", location: parseLocation("s3://bkt/app:v1") },
      {
        reference: "local:///my disk//app:v1",
        location: parseLocation("local:///my disk//app:v1"),
        name: "x:2",
      },
    ]);
    // A bad reference is a failure of its own, so that others can be saved.
    const [bad, good] = parseBundleList("Alpine\nalpine:3\n");
    assert.ok(bad!.location instanceof ImageError && bad!.location.code === "invalid-reference");
    assert.deepEqual(good!.location, parseLocation("alpine:3"));
    assert.throws(() => parseBundleItem("  "), (error) => isImageError(error, "usage"));
  },
});
