import assert from "node:assert/strict";
import { isDigest, parseDigest } from "../../src/oci/digest.ts";
import { formatPlatform, parsePlatform, selectPlatform } from "../../src/oci/platform.ts";
import { locationIn, parseListedCollection, parseLoadTarget, parseStoreCollection } from "../../src/oci/collection.ts";
import { access, label, parseLocation } from "../../src/oci/location.ts";
import { nameProblem, storeNameProblem } from "../../src/oci/locations/names.ts";
import { spelled } from "../support/spelled.ts";
import { fuzzTest, mutated, outcomeOf, pick } from "./fuzz.ts";

const HEX = "0123456789abcdef".repeat(4);
const DIGESTS = [`sha256:${HEX}`, `sha512:${HEX}${HEX}`, `sha384:${HEX}`, HEX, "sha256+b64u.x-y_z:abc=", "a:b"];
const REFERENCES = [
  "alpine",
  "user/app:v1",
  "ghcr.io/o/i",
  `ghcr.io/o/i:v1@${DIGESTS[0]}`,
  "localhost:5000/x/y__z-a.b:T_1",
  "[2001:db8::1]:5000/x",
  "123456789012.dkr.ecr.eu-central-1.amazonaws.com/team/app:v1",
  `s3://bucket/team/app:v1@${DIGESTS[1]}`,
  "local:///srv/My Store//team/app:v1",
  "local://./store/img:tag",
  "local://a/b/c/d/e",
  "s3://bucket/team/",
  "docker://alpine",
  "oci:C:\\images:v1",
  "oci-archive:/a/b.tar:app:v1",
  "docker-archive:-:localhost:5000/app:v1",
  "docker-daemon:app:v1",
  "localhost:5000",
  "docker.io/",
  "gs://x/y",
];
const PIECES = [
  ..."/:@.-_[]()+%*\\ \t\n\0\u001b\u00a0éA0a",
  ..."// .. ../ :: @@ -- __ ___ ._ :// s3:// local:// oci: oci-archive: docker-daemon: %2f %00 0.0 a. a- a_ -a a.a/ sha256: __proto__ constructor"
    .split(
      " ",
    ),
];
const PLATFORMS = [
  "linux/amd64",
  "linux/arm/v7",
  "linux/arm64/v8.2",
  "linux/arm64/v9.1",
  "windows(10.0.17763.1+win32k+x)/amd64",
  "windows(10.0.20348)",
  "linux(1%2B2)/ppc64le/power10",
  "riscv64",
  "macos",
  "armhf",
];

fuzzTest("parseLocation() reads or refuses any text, and reads its own spelling back", (random) => {
  const text = mutated(random, REFERENCES, PIECES);
  const outcome = outcomeOf(text, () => parseLocation(text));
  if ("error" in outcome) return assert.equal(outcome.error.code, "invalid-reference");
  const reference = outcome.value;
  assert.equal(reference.text, text);
  assert.ok(label(reference) !== "" && access(reference));
  if (reference.kind === "daemon") return assert.equal(label(reference), `docker-daemon:${reference.name}`);
  if (reference.kind !== "registry" && reference.kind !== "s3" && reference.kind !== "local") {
    const { kind, path, name } = reference;
    assert.ok(path !== "" && !path.includes("\0") && name !== "", text);
    return assert.equal(text, `${kind}:${path}${name === undefined ? "" : `:${name}`}`);
  }
  const names = reference.kind === "local"
    ? reference.readings.map(({ image }) => image)
    : [reference.kind === "s3" ? reference.image : reference.repository];
  for (const name of names) {
    const problem: string | undefined = reference.kind === "registry"
      ? nameProblem(name)
      : storeNameProblem(name, true);
    assert.equal(problem, undefined);
    assert.ok(!name.split("/").some((part) => part === "" || part === "." || part === ".."), name);
  }
  const tag = reference.kind === "registry" ? /^\w[\w.-]{0,127}$/ : /^(?!\.{1,2}$)[^/\\@:\p{Cc}]{1,128}$/u;
  if (reference.tag !== undefined) assert.match(reference.tag, tag);
  if (reference.digest !== undefined) assert.ok(isDigest(reference.digest));
  if (reference.kind === "registry") assert.ok(URL.canParse(`https://${reference.registry}/v2/`), reference.registry);
  const spelling = spelled(reference);
  const again = parseLocation(spelling);
  // A local reference is spelled with //, which keeps its first reading alone.
  const expected = reference.kind === "local"
    ? { ...reference, readings: [reference.readings[0]], explicit: true, text: spelling }
    : { ...reference, text: spelling };
  assert.deepEqual(again, expected, spelling);
});

fuzzTest("parseStoreCollection() reads or refuses any text", (random) => {
  const text = mutated(random, REFERENCES, PIECES);
  const outcome = outcomeOf(text, () => parseStoreCollection(text));
  if ("error" in outcome) return assert.equal(outcome.error.code, "invalid-reference");
  const { prefix } = outcome.value;
  if (prefix !== "") assert.equal(storeNameProblem(prefix.slice(0, -1)), undefined, text);
});

fuzzTest("parseListedCollection() and parseLoadTarget() read or refuse any text", (random) => {
  const text = mutated(random, REFERENCES, PIECES);
  const listed = outcomeOf(text, () => parseListedCollection(text));
  if ("error" in listed) assert.equal(listed.error.code, "invalid-reference");
  else assert.ok(access(listed.value));
  const target = outcomeOf(text, () => parseLoadTarget(text));
  if ("error" in target) return assert.ok(["invalid-reference", "usage"].includes(target.error.code), text);
  const { value } = target;
  if ("image" in value) return assert.deepEqual(value.image, parseLocation(text));
  const landed = outcomeOf(text, () => locationIn(value.collection, { image: "team/app", tag: "v1" }));
  // A prefix may be too long for a name behind it.
  if ("error" in landed) return assert.equal(landed.error.code, "invalid-reference");
  assert.deepEqual(landed.value, parseLocation(landed.value.text));
  assert.equal(landed.value.tag, "v1");
});

fuzzTest("parseDigest() reads or refuses any text", (random) => {
  const text = mutated(random, DIGESTS, PIECES);
  const outcome = outcomeOf(text, () => parseDigest(text));
  if ("error" in outcome) return assert.ok(["invalid-reference", "unsupported"].includes(outcome.error.code));
  assert.equal(outcome.value, text);
  assert.match(text, /^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/);
});

fuzzTest("parsePlatform() and selectPlatform() read or refuse any text", (random) => {
  const text = mutated(random, PLATFORMS, [...PIECES, "v", "9", "v9.", "(", "10.0."]);
  const outcome = outcomeOf(text, () => parsePlatform(text));
  if ("error" in outcome) return assert.equal(outcome.error.code, "invalid-reference");
  const platform = outcome.value;
  assert.deepEqual(parsePlatform(formatPlatform(platform)), platform, text);
  const other = parsePlatform(pick(random, PLATFORMS));
  const entries = [{ platform: other }, { platform }];
  const chosen = outcomeOf(text, () => selectPlatform(entries, platform, { otherArchitectures: true }));
  if (platform.os !== "unknown") {
    assert.equal("value" in chosen && chosen.value !== undefined, true, `${text} runs itself`);
  }
});
