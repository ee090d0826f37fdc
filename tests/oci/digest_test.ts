import assert from "node:assert/strict";
import { isImageError } from "../../src/errors.ts";
import { algorithmOf, blobPath, digestOf, Hasher, hexOf, isDigest, parseDigest } from "../../src/oci/digest.ts";
import { shortDigest } from "../../src/oci/short_digest.ts";

const HEX = "0123456789abcdef".repeat(4);

Deno.test("parseDigest() takes sha256 and sha512 in lower case", { permissions: "none" }, () => {
  assert.equal(parseDigest(`sha256:${HEX}`), `sha256:${HEX}`);
  assert.equal(parseDigest(`sha512:${HEX}${HEX}`), `sha512:${HEX}${HEX}`);
});

Deno.test("parseDigest() refuses everything else with its code", { permissions: "none" }, () => {
  const cases: [text: string, code: "invalid-reference" | "unsupported", message: RegExp][] = [
    ["", "invalid-reference", /expected algorithm:hex/],
    [HEX, "invalid-reference", /expected algorithm:hex/],
    ["sha256:", "invalid-reference", /expected algorithm:hex/],
    [`:${HEX}`, "invalid-reference", /expected algorithm:hex/],
    [`sha256:${HEX.slice(1)}`, "invalid-reference", /64 lower-case hex digits/],
    [`sha256:${HEX}0`, "invalid-reference", /64 lower-case hex digits/],
    [`sha256:${HEX.toUpperCase()}`, "invalid-reference", /64 lower-case hex digits/],
    [`SHA256:${HEX}`, "invalid-reference", /expected algorithm:hex/],
    [`sha256:${"g".repeat(64)}`, "invalid-reference", /64 lower-case hex digits/],
    [`sha512:${HEX}`, "invalid-reference", /128 lower-case hex digits/],
    [`sha256:${HEX}\n`, "invalid-reference", /expected algorithm:hex/],
    [`sha256:../../${"a".repeat(58)}`, "invalid-reference", /expected algorithm:hex/],
    [`sha256 :${HEX}`, "invalid-reference", /expected algorithm:hex/],
    [`sha384:${HEX}`, "unsupported", /algorithm "sha384"/],
    [`blake3:${HEX}`, "unsupported", /algorithm "blake3"/],
    [`sha256+b64u:${HEX}`, "unsupported", /algorithm "sha256\+b64u"/],
    // Names that every object inherits are no algorithms.
    [`constructor:${HEX}`, "unsupported", /algorithm "constructor"/],
  ];
  for (const [text, code, message] of cases) {
    assert.equal(isDigest(text), false, text);
    assert.throws(() => parseDigest(text), (error) => {
      assert.ok(isImageError(error, code), `${text}: ${error}`);
      assert.match(error.message, message, text);
      return true;
    });
  }
});

Deno.test("digestOf() and Hasher give the known digests of known bytes", { permissions: "none" }, () => {
  const abc = new TextEncoder().encode("abc");
  const sha256 = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  assert.equal(digestOf(abc), sha256);
  assert.match(digestOf(abc, "sha512"), /^sha512:ddaf35a193617aba.*2a9ac94fa54ca49f$/);
  assert.equal(digestOf(new Uint8Array()), "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");

  const hasher = new Hasher("sha256");
  hasher.update(abc.subarray(0, 1));
  const fork = hasher.copy();
  hasher.update(abc.subarray(1));
  assert.equal(hasher.digest(), sha256);
  assert.equal(hasher.digest(), sha256, "asking does not end it");
  fork.update(new TextEncoder().encode("x"));
  assert.equal(fork.digest(), digestOf(new TextEncoder().encode("ax")), "a copy goes its own way");
  assert.equal(hasher.digest(), sha256);
});

Deno.test("digest parts and the blob path come from the checked text", { permissions: "none" }, () => {
  const digest = parseDigest(`sha512:${HEX}${HEX}`);
  assert.equal(algorithmOf(digest), "sha512");
  assert.equal(hexOf(digest), HEX + HEX);
  assert.equal(blobPath(digest), `blobs/sha512/${HEX}${HEX}`);
  assert.equal(shortDigest(digest), "sha512:0123456789ab");
});
