import assert from "node:assert/strict";
import { isImageError } from "../../src/errors.ts";
import { parseStoreCollection } from "../../src/oci/collection.ts";
import { parseLocation, schemeOf } from "../../src/oci/location.ts";
import type { LocalLocation } from "../../src/oci/locations/local.ts";
import { spelled } from "../support/spelled.ts";

const DIGEST = `sha256:${"0123456789abcdef".repeat(4)}`;

function readings(text: string): string[] {
  const reference = parseLocation(text) as LocalLocation;
  assert.equal(reference.kind, "local", text);
  return reference.readings.map(({ folder, image }) => `${folder} | ${image}`);
}

Deno.test("parseLocation() reads a local path with the deepest store first", { permissions: "none" }, () => {
  assert.deepEqual(readings("local://./store/img:tag"), ["./store | img", ". | store/img"]);
  assert.deepEqual(readings("local://../store/app:v1"), ["../store | app", ".. | store/app"]);
  assert.deepEqual(readings("local:///srv/app:v1"), ["/srv | app", "/ | srv/app"]);
  assert.deepEqual(readings("local://store/app"), ["store | app"]);
  assert.deepEqual(readings("local:///srv/store/team/app:v1"), [
    "/srv/store/team | app",
    "/srv/store | team/app",
    "/srv | store/team/app",
    "/ | srv/store/team/app",
  ]);
  // A part that is no image name ends the readings: it can only belong to the folder.
  assert.deepEqual(readings("local:///srv/My Store/team/app"), [
    "/srv/My Store/team | app",
    "/srv/My Store | team/app",
  ]);
  assert.deepEqual(readings("local://a/../b/app"), ["a/../b | app", "a/.. | b/app"]);
});

Deno.test("parseLocation() lets // decide between store and image", { permissions: "none" }, () => {
  const cases: Record<string, string> = {
    "local:///srv/store//team/app:v1": "/srv/store | team/app",
    "local://./store//app": "./store | app",
    "local://.//app": ". | app",
    "local://..//app": ".. | app",
    "local://///app": "/ | app",
    "local://C:/data/store//team/app:v1": "C:/data/store | team/app",
    "local:///home/me@work/store//app:v1": "/home/me@work/store | app",
    "local:///Volumes/My Disk/Store//app:v1": "/Volumes/My Disk/Store | app",
    [`local:///srv//app:v1@${DIGEST}`]: "/srv | app",
  };
  for (const [text, expected] of Object.entries(cases)) {
    assert.deepEqual(readings(text), [expected], text);
    assert.equal((parseLocation(text) as LocalLocation).explicit, true);
  }
  const pinned = parseLocation(`local:///home/me@work/store//app:v1@${DIGEST}`);
  assert.ok(pinned.kind === "local");
  assert.equal(pinned.tag, "v1");
  assert.equal(pinned.digest, DIGEST);
  assert.equal(spelled(pinned), `local:///home/me@work/store//app:v1@${DIGEST}`);
});

Deno.test("parseLocation() refuses local paths that name no image", { permissions: "none" }, () => {
  const cases: [text: string, message: RegExp][] = [
    ["local://", /folder is missing/],
    ["local://:v1", /folder is missing/],
    ["local://app", /no folder before the image/],
    ["local://app:v1", /no folder before the image/],
    ["local:///", /image name is missing/],
    ["local://./store/", /image name is missing/],
    ["local://./store//", /image name is missing/],
    ["local:////app", /folder before \/\/ is missing/],
    ["local://store//../app", /its name holds "\.\."/],
    ["local://store/..", /its name holds "\.\."/],
    ["local://store//a//b", /part of its name is empty/],
    ["local://store//app ", /white space at an end/],
    ["local://store/ app", /white space at an end/],
    ["local://store//a\\b", /not a valid part/],
    ["local://store//host:5000/app", /not a valid part/],
    ["local://sto\nre//app", /control character/],
    ["local://sto\u001bre/app", /control character/],
    ["local://store//app:", /tag is empty/],
    ["local://store//app@sha256:12", /64 lower-case hex/],
  ];
  for (const [text, message] of cases) {
    assert.throws(() => parseLocation(text), (error) => {
      assert.ok(isImageError(error, "invalid-reference"), text);
      assert.match(error.message, message, text);
      return true;
    });
  }
});

Deno.test("parseStoreCollection() reads stores and prefixes that end in /", { permissions: "none" }, () => {
  const local = (path: string, prefix: string, explicit: boolean) => ({ kind: "local", path, prefix, explicit });
  const s3 = (bucket: string, prefix: string) => ({ kind: "s3", bucket, prefix });
  const cases: [text: string, expected: object][] = [
    ["s3://bucket", s3("bucket", "")],
    ["s3://bucket/", s3("bucket", "")],
    ["s3://bucket/team", s3("bucket", "team/")],
    ["s3://bucket/team/sub/", s3("bucket", "team/sub/")],
    ["local://./store", local("./store", "", false)],
    ["local://./store/", local("./store", "", false)],
    ["local:///", local("/", "", false)],
    ["local:///srv/store", local("/srv/store", "", false)],
    ["local:///srv/store//", local("/srv/store", "", true)],
    ["local://///team", local("/", "team/", true)],
    ["local:///srv/store//team", local("/srv/store", "team/", true)],
    ["local:///srv/My Store//team/", local("/srv/My Store", "team/", true)],
  ];
  for (const [text, expected] of cases) assert.deepEqual(parseStoreCollection(text), { ...expected, text }, text);
});

Deno.test("parseStoreCollection() refuses what names no store", { permissions: "none" }, () => {
  const cases: [text: string, message: RegExp][] = [
    ["", /expected s3:\/\/bucket/],
    ["alpine", /expected s3:\/\/bucket/],
    ["s3://", /bucket is missing/],
    ["s3:///x", /bucket is missing/],
    ["s3://bucket//x", /part of its name is empty/],
    ["s3://bucket/../x", /its name holds "\.\."/],
    ["s3://bucket/ Team", /white space at an end/],
    ["s3://bucket/app:v1", /"app:v1" is not a valid part/],
    ["local://", /folder is missing/],
    ["local:////x", /folder before \/\/ is missing/],
    ["local://./store//..", /its name holds "\.\."/],
    ["local://./sto\u0000re", /control character/],
    ["gs://bucket", /unknown scheme/],
    ["https://bucket", /unknown scheme/],
  ];
  for (const [text, message] of cases) {
    assert.throws(() => parseStoreCollection(text), (error) => {
      assert.ok(isImageError(error, "invalid-reference"), text);
      assert.match(error.message, message, text);
      return true;
    });
  }
});

Deno.test("schemeOf() tells the kinds apart, and leaves the spellings of others alone", { permissions: "none" }, () => {
  const kinds: Record<string, string | undefined> = {
    "s3://b": "s3",
    "local://x/y": "local",
    "local:////x": "local",
    "docker://alpine": "registry",
    "oci:folder": "oci",
    "oci-archive:x.tar:app:v1": "oci-archive",
    "docker-archive:-": "docker-archive",
    "docker-daemon:app": "daemon",
    "alpine": undefined,
    "s3": undefined,
    "s3:b": undefined,
    "oci://x": undefined,
    "docker-daemon://app": undefined,
    "OCI:x": undefined,
  };
  for (const [text, kind] of Object.entries(kinds)) assert.equal(schemeOf(text), kind, text);
});
