/** What people type when they mean a place that s3lo knows: each is told apart, with what to write instead. */
import assert from "node:assert/strict";
import { ImageError } from "../../src/errors.ts";
import { isPathText } from "../../src/oci/near_misses.ts";
import { parseStoreCollection } from "../../src/oci/collection.ts";
import { parseLocation } from "../../src/oci/location.ts";
import { spelled } from "../support/spelled.ts";

function refusal(parse: () => unknown, text: string): ImageError {
  try {
    parse();
  } catch (error) {
    assert.ok(error instanceof ImageError, `${text}: ${error}`);
    return error;
  }
  throw new assert.AssertionError({ message: `"${text}" was taken` });
}

const IMAGES: readonly (readonly [text: string, why: RegExp, hint: RegExp])[] = [
  ["s3:/b/app:v1", /begins with "s3:\/"/, /^Write s3:\/\/b\/app:v1$/],
  ["s3:b/app:v1", /begins with "s3:"/, /^Write s3:\/\/b\/app:v1$/],
  ["s3//b/app", /begins with "s3\/\/"/, /^Write s3:\/\/b\/app$/],
  ["S3://b/app", /begins with "S3:\/\/"/, /^Write s3:\/\/b\/app$/],
  ["s3:\\\\b\\app", /begins with/, /^Write s3:\/\/b/],
  ["s3:b", /begins with "s3:"/, /s3:\/\/b, or docker\.io\/library\/s3:b/],
  ["s3:", /begins with "s3:"/, /^Write s3:\/\/bucket$/],
  ["s3:///b/app", /bucket is missing/, /two slashes/],
  ["s3://bucket", /image name is missing/, /s3lo list s3:\/\/bucket$/],
  ["local:/srv/st/app:v1", /begins with "local:\/"/, /^Write local:\/\/\/srv\/st\/app:v1$/],
  ["local:st/app", /begins with "local:"/, /^Write local:\/\/st\/app$/],
  ["Local://st/app", /begins with "Local:\/\/"/, /^Write local:\/\/st\/app$/],
  ["local//st/app", /begins with "local\/\/"/, /^Write local:\/\/st\/app$/],
  ["./store", /a path alone/, /local:\/\/\.\/store\/\/IMAGE:TAG .* oci:\.\/store/],
  ["./store/app:v1", /a path alone/, /local:\/\/\.\/store\/app:v1/],
  ["/srv/store/", /a path alone/, /local:\/\/\/srv\/store\/\/IMAGE:TAG/],
  ["..", /a path alone/, /oci:\.\./],
  ["~/store", /a path alone/, /oci:~\/store/],
  ["C:\\st\\app", /a path alone/, /local:\/\/C:\/st\/app\/\/IMAGE:TAG/],
  ["/x.tar", /a path alone/, /oci-archive:\/x\.tar or docker-archive:\/x\.tar .*--file \/x\.tar/],
  ["out.tar", /called like a file/, /oci-archive:out\.tar .*docker\.io\/library\/out\.tar/],
  ["dir/out.tar.gz", /called like a file/, /docker\.io\/dir\/out\.tar\.gz/],
  ["image.tgz", /called like a file/, /--file image\.tgz/],
  ["oci://folder:v1", /come no slashes/, /^Write oci:folder:v1$/],
  ["OCI-Archive://x.tar", /come no slashes/, /^Write oci-archive:x\.tar$/],
  ["docker-daemon://app", /come no slashes/, /^Write docker-daemon:app$/],
  ["containers-storage:localhost/app:v1", /no kind of place/, /docker-daemon:NAME/],
  ["arn:aws:s3:::bucket/key", /no kind of place/, /s3:\/\/BUCKET/],
  ["file:///srv/x.tar", /unknown scheme/, /oci-archive:FILE/],
  ["https://b.s3.eu-west-1.amazonaws.com/app", /unknown scheme/, /^Write s3:\/\/b\/app$/],
];
for (const [text, why, hint] of IMAGES) {
  Deno.test(`parseLocation() says what "${text}" was meant to be`, { permissions: "none" }, () => {
    const error = refusal(() => parseLocation(text), text);
    assert.equal(error.code, "invalid-reference");
    assert.match(error.message, why);
    assert.match(error.hint ?? "", hint);
    assert.ok(error.message.length + (error.hint?.length ?? 0) < 400);
  });
}

const STORES: readonly (readonly [text: string, hint: RegExp])[] = [
  ["s3:/b", /^Write s3:\/\/b$/],
  ["S3://b", /^Write s3:\/\/b$/],
  ["local:/srv/store", /^Write local:\/\/\/srv\/store$/],
  ["./store", /^Write local:\/\/\.\/store for a store$/],
  ["gs://b", /Reach Google Cloud Storage/],
];
for (const [text, hint] of STORES) {
  Deno.test(`parseStoreCollection() says what "${text}" was meant to be`, { permissions: "none" }, () => {
    assert.match(refusal(() => parseStoreCollection(text), text).hint ?? "", hint);
  });
}

Deno.test("what looks like a near miss and is none keeps its meaning", { permissions: "none" }, () => {
  const taken: Record<string, string> = {
    "s3:5000/app": "s3:5000/app", // a registry on a host that is called s3
    "s3/app": "docker.io/s3/app",
    "local/app:v1": "docker.io/local/app:v1",
    "docker.io/library/out.tar": "docker.io/library/out.tar",
    "docker.io/library/s3:b": "docker.io/library/s3:b",
    "registry.example.com/out.tar": "registry.example.com/out.tar",
    "app:v1.tar": "docker.io/library/app:v1.tar", // a tag
    "tar": "docker.io/library/tar",
    "docker:dind": "docker.io/library/docker:dind",
    "local://./out.tar": "local://.//out.tar",
  };
  for (const [text, meaning] of Object.entries(taken)) {
    assert.equal(spelled(parseLocation(text)), meaning, text);
  }
});

Deno.test("isPathText() tells paths of files and folders from names of images", { permissions: "none" }, () => {
  for (const text of ["out.tar", "./x", "/x", "a\\b", "d/o.tar.zst", "~/x"]) assert.ok(isPathText(text), text);
  for (const text of ["app", "app:v1", "user/app", "docker.io/library/out.tar", "s3://b/app"]) {
    assert.ok(!isPathText(text), text);
  }
});

Deno.test(
  "parseLocation() says how a folder of Windows is written, and takes it with //",
  { permissions: "none" },
  () => {
    const { code, hint } = refusal(() => parseLocation("local://C:\\st\\app:v1"), "a folder of Windows");
    assert.equal(code, "invalid-reference");
    assert.equal(hint, "Write local://C:/st//app:v1");
    for (const text of ["local://C:\\st//app:v1", "local://C:/st//app:v1", "local:///srv/a\\b//app:v1"]) {
      assert.equal(parseLocation(text).kind, "local", text);
    }
  },
);
