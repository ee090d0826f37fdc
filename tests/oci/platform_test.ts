import assert from "node:assert/strict";
import { isImageError } from "../../src/errors.ts";
import {
  formatPlatform,
  hostPlatform,
  normalizePlatform,
  parsePlatform,
  parsePlatformObject,
  parsePlatforms,
} from "../../src/oci/platform.ts";

Deno.test("parsePlatform() normalises as containerd does", { permissions: "none" }, () => {
  const cases: Record<string, string> = {
    "linux/amd64": "linux/amd64",
    "linux/amd64/v1": "linux/amd64",
    "linux/amd64/v2": "linux/amd64/v2",
    "linux/x86_64": "linux/amd64",
    "linux/x86-64": "linux/amd64",
    "linux/x86_64/v3": "linux/amd64/v3",
    "linux/i386": "linux/386",
    "linux/i686": "linux/386",
    "linux/aarch64": "linux/arm64",
    "linux/arm64/v8": "linux/arm64",
    "linux/arm64/8": "linux/arm64",
    "linux/arm64/v8.0": "linux/arm64",
    "linux/arm64/v8.2": "linux/arm64/v8.2",
    "linux/arm64/v9.0": "linux/arm64/v9",
    "linux/arm64/v9": "linux/arm64/v9",
    // Plain arm means v7.
    "linux/arm": "linux/arm/v7",
    "linux/arm/7": "linux/arm/v7",
    "linux/arm/v6": "linux/arm/v6",
    "linux/arm/5": "linux/arm/v5",
    "linux/arm/v8": "linux/arm/v8",
    "linux/armhf": "linux/arm/v7",
    "linux/armel": "linux/arm/v6",
    "linux/armel/v7": "linux/arm/v6",
    "linux/armhf/v6": "linux/arm/v7",
    "linux/ppc64le/power10": "linux/ppc64le/power10",
    "linux/riscv64/rva23u64": "linux/riscv64/rva23u64",
    "Linux/AMD64": "linux/amd64",
    "LINUX/ARM/V7": "linux/arm/v7",
    "macos/arm64": "darwin/arm64",
    "  linux/arm64 ": "linux/arm64",
    "unknown/unknown": "unknown/unknown",
    "someos/somearch/somevariant": "someos/somearch/somevariant",
    // One word: an architecture of linux, or an operating system on the host's architecture.
    "arm64": "linux/arm64",
    "aarch64": "linux/arm64",
    "armhf": "linux/arm/v7",
    "arm": "linux/arm/v7",
    "s390x": "linux/s390x",
    "linux": "linux/amd64",
    "windows": "windows/amd64",
    "MacOS": "darwin/amd64",
    "windows(10.0.17763)/amd64": "windows(10.0.17763)/amd64",
    "windows(10.0.17763)": "windows(10.0.17763)/amd64",
    "windows(10.0.17763+win32k)/amd64": "windows(10.0.17763+win32k)/amd64",
    "windows(+win32k)/amd64": "windows(+win32k)/amd64",
    "linux(+b+a+b)/amd64": "linux(+a+b)/amd64",
    "linux(1%2B2)/amd64": "linux(1%2B2)/amd64",
    "linux()/amd64": "linux/amd64",
    // Names that every object inherits are no aliases.
    "linux/constructor": "linux/constructor",
    "linux/__proto__": "linux/__proto__",
  };
  for (const [text, expected] of Object.entries(cases)) {
    const platform = parsePlatform(text);
    assert.equal(formatPlatform(platform), expected, text);
    assert.deepEqual(parsePlatform(formatPlatform(platform)), platform, `${text} read back`);
    assert.deepEqual(normalizePlatform(platform), platform, `${text} is normalised`);
  }
  assert.equal(formatPlatform(parsePlatform("linux", "arm64")), "linux/arm64");
  assert.equal(parsePlatform("linux(1%2B2)/amd64").osVersion, "1+2");
});

Deno.test("parsePlatform() refuses what is no platform", { permissions: "none" }, () => {
  const cases = [
    "",
    " ",
    "/",
    "linux/",
    "/amd64",
    "linux//v7",
    "linux/arm/v7/extra",
    "*",
    "linux/*",
    "linux/amd64/*",
    "lin ux/amd64",
    "linux/amd64\u001b[31m",
    "nosuchword",
    "constructor",
    "__proto__",
    "arm64(10)",
    "windows(10.0/amd64",
    "windows10.0)/amd64",
    "windows(10.0 17763)/amd64",
    "windows(%zz)/amd64",
    "windows(%ff)/amd64",
  ];
  for (const text of cases) {
    assert.throws(() => parsePlatform(text), (error) => {
      assert.ok(isImageError(error, "invalid-reference"), `${text}: ${error}`);
      assert.match(error.message, /^Invalid platform "/);
      assert.doesNotMatch(error.message, /\p{Cc}/u);
      assert.match(error.hint ?? "", /^Write it as os\/architecture/);
      return true;
    }, text);
  }
});

Deno.test("parsePlatforms() takes lists and repeats, and drops duplicates", { permissions: "none" }, () => {
  const platforms = parsePlatforms(["linux/amd64,linux/arm/v7", "linux/arm", "aarch64"]);
  assert.deepEqual(platforms.map(formatPlatform), ["linux/amd64", "linux/arm/v7", "linux/arm64"]);
  assert.throws(() => parsePlatforms(["linux/amd64,"]), (error) => isImageError(error, "invalid-reference"));
});

Deno.test("parsePlatformObject() reads what a descriptor says, as written", { permissions: "none" }, () => {
  const value = JSON.parse(
    `{"os":"windows","architecture":"AMD64","variant":"","os.version":"10.0.1","os.features":["win32k"],"features":["sse4"]}`,
  );
  assert.deepEqual(parsePlatformObject(value, "platform"), {
    os: "windows",
    architecture: "AMD64",
    osVersion: "10.0.1",
    osFeatures: ["win32k"],
  });
  assert.deepEqual(parsePlatformObject({}, "platform"), { os: "", architecture: "" });
  for (
    const bad of [null, [], "linux/amd64", { os: 1 }, { architecture: {} }, { "os.features": "x" }, { variant: 7 }]
  ) {
    assert.throws(() => parsePlatformObject(bad, "platform of entry 1"), (error) => {
      assert.ok(isImageError(error, "invalid-input"));
      assert.match(error.message, /platform of entry 1/);
      return true;
    });
  }
});

Deno.test("formatPlatform() escapes what would break its own syntax", { permissions: "none" }, () => {
  const platform = { os: "linux", architecture: "amd64", osVersion: "1/2(3)+4%5,6", osFeatures: ["a b", "ü\u001b"] };
  const text = formatPlatform(platform);
  assert.equal(text, "linux(1%2F2%283%29%2B4%255%2C6+a%20b+%C3%BC%1B)/amd64");
  assert.deepEqual(parsePlatform(text), platform);
  assert.deepEqual(parsePlatforms([`${text},arm64`]).length, 2);
});

/** Which image a machine runs: macOS and Windows run linux containers in a virtual machine. */
Deno.test("hostPlatform() gives the platform of each kind of host", { permissions: "none" }, () => {
  const table: [host: string, os: string, architecture: string, expected: string][] = [
    ["Linux amd64", "linux", "x86_64", "linux/amd64"],
    ["Linux arm64", "linux", "aarch64", "linux/arm64"],
    ["macOS Apple Silicon", "darwin", "aarch64", "linux/arm64"],
    ["macOS Intel", "darwin", "x86_64", "linux/amd64"],
    ["Windows amd64", "windows", "x86_64", "linux/amd64"],
    ["Windows arm64", "windows", "aarch64", "linux/arm64"],
    ["FreeBSD amd64", "freebsd", "x86_64", "freebsd/amd64"],
  ];
  for (const [host, os, architecture, expected] of table) {
    assert.equal(formatPlatform(hostPlatform(os, architecture)), expected, host);
  }
});
