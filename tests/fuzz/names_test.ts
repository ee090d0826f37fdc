import assert from "node:assert/strict";
import { isDigest, parseDigest } from "../../src/oci/digest.ts";
import { formatPlatform, parsePlatform, selectPlatform } from "../../src/oci/platform.ts";
import {
  formatReference,
  nameProblem,
  parseReference,
  parseStoreLocation,
  storeNameProblem,
} from "../../src/oci/reference.ts";
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
  "gs://x/y",
];
const PIECES = [
  ..."/:@.-_[]()+%*\\ \t\n\0\u001b\u00a0éA0a",
  ..."// .. ../ :: @@ -- __ ___ ._ :// s3:// local:// %2f %00 0.0 a. a- a_ -a a.a/ sha256: __proto__ constructor".split(
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

fuzzTest("parseReference() reads or refuses any text, and reads its own spelling back", (random) => {
  const text = mutated(random, REFERENCES, PIECES);
  const outcome = outcomeOf(text, () => parseReference(text));
  if ("error" in outcome) return assert.equal(outcome.error.code, "invalid-reference");
  const reference = outcome.value;
  const names = reference.kind === "local"
    ? reference.readings.map(({ image }) => image)
    : [reference.kind === "s3" ? reference.image : reference.repository];
  for (const name of names) {
    const problem = reference.kind === "registry" ? nameProblem(name) : storeNameProblem(name, true);
    assert.equal(problem, undefined);
    assert.ok(!name.split("/").some((part) => part === "" || part === "." || part === ".."), name);
  }
  const tag = reference.kind === "registry" ? /^\w[\w.-]{0,127}$/ : /^(?!\.{1,2}$)[^/\\@:\p{Cc}]{1,128}$/u;
  if (reference.tag !== undefined) assert.match(reference.tag, tag);
  if (reference.digest !== undefined) assert.ok(isDigest(reference.digest));
  if (reference.kind === "registry") assert.ok(URL.canParse(`https://${reference.registry}/v2/`), reference.registry);
  const spelled = formatReference(reference);
  const again = parseReference(spelled);
  // A local reference is spelled with //, which keeps its first reading alone.
  const expected = reference.kind === "local"
    ? { ...reference, readings: [reference.readings[0]], explicit: true }
    : reference;
  assert.deepEqual(again, expected, spelled);
});

fuzzTest("parseStoreLocation() reads or refuses any text", (random) => {
  const text = mutated(random, REFERENCES, PIECES);
  const outcome = outcomeOf(text, () => parseStoreLocation(text));
  if ("error" in outcome) return assert.equal(outcome.error.code, "invalid-reference");
  const { prefix } = outcome.value;
  if (prefix !== "") assert.equal(storeNameProblem(prefix.slice(0, -1)), undefined, text);
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
