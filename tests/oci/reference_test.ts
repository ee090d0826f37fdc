import assert from "node:assert/strict";
import { ImageError } from "../../src/errors.ts";
import { parseLocation } from "../../src/oci/location.ts";
import { tagOf } from "../../src/oci/locations/names.ts";
import { parseRegistryImage } from "../../src/oci/locations/registry.ts";
import { spelled } from "../support/spelled.ts";

const HEX = "0123456789abcdef".repeat(4);
const DIGEST = `sha256:${HEX}`;
const DIGEST512 = `sha512:${HEX}${HEX}`;

/** Runs a parser that must refuse a text, and gives its error. */
function refusal(parse: () => unknown): ImageError {
  try {
    parse();
  } catch (error) {
    assert.ok(error instanceof ImageError, `expected an ImageError, got ${error}`);
    return error;
  }
  throw new assert.AssertionError({ message: "expected the text to be refused" });
}

Deno.test("parseLocation() reads registry references as docker pull does", { permissions: "none" }, () => {
  const cases: Record<string, string> = {
    "alpine": "docker.io/library/alpine",
    "alpine:3": "docker.io/library/alpine:3",
    "user/app:v1": "docker.io/user/app:v1",
    "a/b/c": "docker.io/a/b/c",
    "docker.io/alpine": "docker.io/library/alpine",
    "docker.io/library/alpine:3": "docker.io/library/alpine:3",
    "index.docker.io/alpine": "docker.io/library/alpine",
    "index.docker.io/user/app": "docker.io/user/app",
    "registry-1.docker.io/library/alpine": "docker.io/library/alpine",
    "docker://alpine:3": "docker.io/library/alpine:3",
    [`ghcr.io/o/i@${DIGEST}`]: `ghcr.io/o/i@${DIGEST}`,
    [`ghcr.io/o/i:v1@${DIGEST}`]: `ghcr.io/o/i:v1@${DIGEST}`,
    [`ghcr.io/o/i@${DIGEST512}`]: `ghcr.io/o/i@${DIGEST512}`,
    [`alpine@${DIGEST}`]: `docker.io/library/alpine@${DIGEST}`,
    "localhost/x": "localhost/x",
    "localhost:5000/x": "localhost:5000/x",
    "localhost:5000/x:y": "localhost:5000/x:y",
    // Without a slash there is no host, so this is tag 5000 of an image.
    "localhost:5000": "docker.io/library/localhost:5000",
    "example.com": "docker.io/library/example.com",
    "127.0.0.1:5000/a/b:t": "127.0.0.1:5000/a/b:t",
    "[::1]/x": "[::1]/x",
    "[::1]:5000/x": "[::1]:5000/x",
    "[2001:db8::1]:5000/x/y:z": "[2001:db8::1]:5000/x/y:z",
    "example.com:443/x": "example.com:443/x",
    "123456789012.dkr.ecr.eu-central-1.amazonaws.com/team/app:v1":
      "123456789012.dkr.ecr.eu-central-1.amazonaws.com/team/app:v1",
    "public.ecr.aws/docker/library/alpine:3": "public.ecr.aws/docker/library/alpine:3",
    // A first part with upper-case letters cannot be a namespace, so it is a host.
    "MYHOST/app": "MYHOST/app",
    "Registry.Example.com/app": "Registry.Example.com/app",
    "my-app__x_y/a--b---c.d:T_a.g-1": "docker.io/my-app__x_y/a--b---c.d:T_a.g-1",
    "a:b": "docker.io/library/a:b",
    // An image ID is refused only where it stands alone.
    [`${HEX}:tag`]: `docker.io/library/${HEX}:tag`,
    [`user/${HEX}`]: `docker.io/user/${HEX}`,
    [DIGEST]: `docker.io/library/${DIGEST}`,
    [`xn--bcher-kva.example/app`]: "xn--bcher-kva.example/app",
  };
  for (const [text, expected] of Object.entries(cases)) {
    const location = parseLocation(text);
    assert.ok(location.kind === "registry", text);
    assert.equal(spelled(location), expected, text);
    assert.deepEqual(parseLocation(expected), { ...location, text: expected }, `canonical form of ${text}`);
    const { kind: _kind, text: _text, ...image } = location;
    assert.deepEqual(parseRegistryImage(text), image, "the name of an image alone is read in the same way");
  }
});

Deno.test("parseLocation() keeps tag and digest, and fills in neither", { permissions: "none" }, () => {
  const text = `s3://bucket/team/app:v1@${DIGEST}`;
  const both = parseLocation(text);
  assert.ok(both.kind === "s3");
  assert.deepEqual(both, { kind: "s3", bucket: "bucket", image: "team/app", tag: "v1", digest: DIGEST, text });
  assert.equal(tagOf(both), "v1");
  const pinned = parseLocation(`alpine@${DIGEST}`);
  assert.ok(pinned.kind === "registry");
  assert.equal(pinned.tag, undefined);
  assert.equal(tagOf(pinned), undefined);
  const bare = parseLocation("alpine");
  assert.ok(bare.kind === "registry");
  assert.equal(bare.tag, undefined);
  assert.equal(tagOf(bare), "latest");
});

Deno.test("parseLocation() takes names and tags up to their longest, and not beyond", { permissions: "none" }, () => {
  const name255 = `${"a".repeat(127)}/${"b".repeat(127)}`;
  assert.equal(name255.length, 255);
  // The host does not count, as with docker pull.
  assert.equal(spelled(parseLocation(`registry.example.com/${name255}`)), `registry.example.com/${name255}`);
  assert.match(refusal(() => parseLocation(`registry.example.com/${name255}c`)).message, /longer than 255/);
  assert.match(refusal(() => parseLocation("a".repeat(248))).message, /longer than 255/, "library/ counts");
  assert.match(refusal(() => parseLocation(`s3://bucket/${"a".repeat(256)}`)).message, /longer than 255/);
  assert.match(refusal(() => parseLocation(`local://x//${"a".repeat(256)}`)).message, /longer than 255/);
  const tag128 = "T".repeat(128);
  assert.equal(spelled(parseLocation(`alpine:${tag128}`)), `docker.io/library/alpine:${tag128}`);
  const tooLong = refusal(() => parseLocation(`s3://bucket/app:${tag128}x`));
  assert.match(tooLong.message, /tag is longer than 128 characters/);
  assert.ok(tooLong.message.length < 300, "the message stays readable");
});

Deno.test("parseLocation() refuses what names no image, and says why", { permissions: "none" }, () => {
  const cases: [text: string, message: RegExp][] = [
    ["", /repository is missing/],
    ["docker://", /repository is missing/],
    ["ghcr.io/", /repository is missing/],
    ["docker.io/", /repository is missing/],
    [":v1", /repository is missing/],
    ["alpine:", /tag is empty/],
    ["alpine:-x", /"-x" is not a tag/],
    ["alpine:.x", /"\.x" is not a tag/],
    ["alpine:a+b", /"a\+b" is not a tag/],
    ["Alpine", /upper-case/],
    ["user/App", /upper-case/],
    ["ghcr.io/User/app", /upper-case/],
    ["a//b", /part of its name is empty/],
    ["/a", /a path alone/],
    ["a/", /part of its name is empty/],
    ["a/../b", /its name holds "\.\."/],
    ["../a", /a path alone/],
    ["./a", /a path alone/],
    ["a/./b", /its name holds "\."/],
    ["a_-b", /not a valid part/],
    ["a___b", /not a valid part/],
    ["-a", /not a valid part/],
    ["a-", /not a valid part/],
    ["a..b", /not a valid part/],
    ["a\\b", /a path alone/],
    ["a%2fb", /not a valid part/],
    ["café", /not a valid part/],
    [" alpine", /white space/],
    ["alpine\t", /control character/],
    ["alpine\u0000", /control character/],
    ["al\u001b[31mpine", /control character/],
    ["al\u00a0pine", /white space/],
    [HEX, /image ID/],
    ["bad host.example/x", /white space/],
    ["-bad.example/x", /not a registry host/],
    ["bad_host.example/x", /not a registry host/],
    ["example.com:port/x", /not a registry host/],
    ["example.com:/x", /not a registry host/],
    ["example.com:65536/x", /not a registry host/],
    ["[::1/x", /not a registry host/],
    ["[:::::]/x", /not a registry host/],
    ["[fe80::1%25eth0]/x", /not a registry host/],
    ["::1/x", /not a registry host/],
    ["user@example.com/x", /expected algorithm:hex/],
    ["alpine@", /expected algorithm:hex/],
    ["alpine@sha256:abc", /sha256 takes 64/],
    [`alpine@${DIGEST.toUpperCase()}`, /expected algorithm:hex/],
    [`alpine@sha256:${HEX.toUpperCase()}`, /64 lower-case hex/],
    [`alpine@md5:${HEX}`, /algorithm "md5"/],
    [`alpine@${DIGEST}@${DIGEST}`, /expected algorithm:hex/],
    [`alpine@${DIGEST}:tag`, /expected algorithm:hex/],
    ["s3://", /bucket is missing/],
    ["s3:///app", /bucket is missing/],
    ["s3://bucket", /image name is missing/],
    ["s3://bucket/", /image name is missing/],
    ["s3://bucket/:v1", /image name is missing/],
    ["s3://bucket/app:", /tag is empty/],
    ["s3://bucket/App :v1", /white space at an end/],
    ["s3://bucket/App:v1 ", /"v1 " is not a tag/],
    ["s3://bucket/a//b:v1", /part of its name is empty/],
    ["s3://bucket/../b:v1", /its name holds "\.\."/],
    ["s3://bucket/a/..:v1", /its name holds "\.\."/],
    ["s3://bucket/host:5000/app", /not a valid part/],
    ["s3://..:v1/app", /not a bucket name/],
    ["s3://b..c/app", /not a bucket name/],
    ["s3://a b/app", /white space/],
    ["s3://bu\u0007cket/app", /control character/],
    ["gs://bucket/app", /unknown scheme "gs:\/\/"/],
    ["az://bucket/app", /unknown scheme "az:\/\/"/],
    ["http://ghcr.io/o/i", /unknown scheme "http:\/\/"/],
    ["https://ghcr.io/o/i", /unknown scheme "https:\/\/"/],
    ["S3://bucket/app", /not with "s3:\/\/"/],
    // Names that every object inherits are no schemes.
    ["constructor://x/y", /unknown scheme/],
    ["toString://x/y", /unknown scheme/],
  ];
  for (const [text, message] of cases) {
    const error = refusal(() => parseLocation(text));
    assert.equal(error.code, "invalid-reference", text);
    assert.match(error.message, message, text);
    assert.doesNotMatch(error.message, /\p{Cc}/u, "nothing in the message steers a terminal");
    assert.ok(error.hint === undefined || typeof error.hint === "string");
  }
});

Deno.test("parseLocation() says what to do instead of an unknown scheme", { permissions: "none" }, () => {
  assert.match(
    refusal(() => parseLocation("gs://b/app:v1")).hint ?? "",
    /--endpoint https:\/\/storage\.googleapis\.com/,
  );
  assert.match(refusal(() => parseLocation("az://b/app:v1")).hint ?? "", /Azure/);
  assert.match(refusal(() => parseLocation("http://r/app")).hint ?? "", /--plain-http/);
  assert.match(refusal(() => parseLocation("HTTPS://r/app")).hint ?? "", /Leave out https/);
  assert.match(refusal(() => parseLocation("constructor://r/app")).hint ?? "", /^Use s3:\/\//);
});

Deno.test("parseLocation() clips a long text in its message", { permissions: "none" }, () => {
  for (
    const text of [
      `a${"!".repeat(5000)}`,
      `x.y${"!".repeat(5000)}/a`,
      `s3://${"!".repeat(5000)}/a`,
      `a@${"!".repeat(5000)}`,
    ]
  ) {
    assert.ok(refusal(() => parseLocation(text)).message.length < 450, text.slice(0, 20));
  }
});
