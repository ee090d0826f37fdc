import assert from "node:assert/strict";
import {
  formatPlatform,
  nearestPlatform,
  parsePlatform,
  type Platform,
  selectPlatform,
} from "../../src/oci/platform.ts";
import { compareOsVersions } from "../../src/oci/os_version.ts";
import { cpuTime } from "../support/cpu_time.ts";

/** What is chosen among platforms, by name; they are offered as written, as an index does. */
function choose(wanted: string, offered: readonly string[], otherArchitectures = false): string | undefined {
  const entries = offered.map((name) => ({ name, platform: parsePlatform(name) }));
  return selectPlatform(entries, parsePlatform(wanted), { otherArchitectures })?.name;
}

/** Every offered platform, in the order in which the wanted one prefers them. */
function preferences(wanted: string, offered: readonly string[]): string[] {
  const left = [...offered];
  const order: string[] = [];
  for (let best = choose(wanted, left, true); best !== undefined; best = choose(wanted, left, true)) {
    order.push(best);
    left.splice(left.indexOf(best), 1);
  }
  return order;
}

Deno.test(
  "selectPlatform() prefers in containerd's order and never takes what cannot run",
  { permissions: "none" },
  () => {
    const all = [
      ..."linux/386 linux/amd64 linux/amd64/v2 linux/amd64/v3 linux/amd64/v4 windows/amd64".split(" "),
      ..."linux/arm/v4 linux/arm/v5 linux/arm/v6 linux/arm/v7 linux/arm/v8 linux/arm/v9 windows/arm".split(" "),
      ..."linux/arm64 linux/arm64/v8.1 linux/arm64/v8.5 linux/arm64/v8.6 linux/arm64/v8.9 linux/arm64/v9".split(" "),
      ..."linux/arm64/v9.1 linux/arm64/v9.5 linux/s390x linux/ppc64le unknown/unknown".split(" "),
    ];
    const arm = "linux/arm/v8 linux/arm/v7 linux/arm/v6 linux/arm/v5";
    const table: Record<string, string> = {
      "linux/amd64": "linux/amd64 linux/386",
      "linux/amd64/v2": "linux/amd64/v2 linux/amd64 linux/386",
      "linux/amd64/v3": "linux/amd64/v3 linux/amd64/v2 linux/amd64 linux/386",
      "linux/amd64/v4": "linux/amd64/v4 linux/amd64/v3 linux/amd64/v2 linux/amd64 linux/386",
      "linux/386": "linux/386",
      "linux/arm/v8": arm,
      "linux/arm/v7": "linux/arm/v7 linux/arm/v6 linux/arm/v5",
      "linux/arm": "linux/arm/v7 linux/arm/v6 linux/arm/v5",
      "linux/arm/v6": "linux/arm/v6 linux/arm/v5",
      "linux/arm/v5": "linux/arm/v5",
      "linux/arm/v4": "linux/arm/v4",
      "linux/arm64": `linux/arm64 ${arm}`,
      "linux/arm64/v8": `linux/arm64 ${arm}`,
      "linux/arm64/v8.1": `linux/arm64/v8.1 linux/arm64 ${arm}`,
      "linux/arm64/v8.6": `linux/arm64/v8.6 linux/arm64/v8.5 linux/arm64/v8.1 linux/arm64 ${arm}`,
      // v9.0 came off v8.5, v9.1 off v8.6; v8 ends at v8.9.
      "linux/arm64/v9": `linux/arm64/v9 linux/arm64/v8.5 linux/arm64/v8.1 linux/arm64 ${arm}`,
      "linux/arm64/v9.1":
        `linux/arm64/v9.1 linux/arm64/v9 linux/arm64/v8.6 linux/arm64/v8.5 linux/arm64/v8.1 linux/arm64 ${arm}`,
      "linux/arm64/v9.5":
        `linux/arm64/v9.5 linux/arm64/v9.1 linux/arm64/v9 linux/arm64/v8.9 linux/arm64/v8.6 linux/arm64/v8.5 linux/arm64/v8.1 linux/arm64 ${arm}`,
      "windows/amd64": "windows/amd64",
      "linux/s390x": "linux/s390x",
      "linux/riscv64": "",
      "darwin/arm64": "",
      "unknown/unknown": "",
    };
    for (const [wanted, expected] of Object.entries(table)) {
      assert.equal(preferences(wanted, all).join(" "), expected, wanted);
      assert.equal(preferences(wanted, all.toReversed()).join(" "), expected, `${wanted}, offered in reverse`);
    }
  },
);

Deno.test("selectPlatform() knows that Armv8 ended at v8.9", { permissions: "none" }, () => {
  assert.equal(choose("linux/arm64/v9.5", ["linux/arm64/v8.10"]), undefined);
  assert.equal(choose("linux/arm64/v9.5", ["linux/arm64/v8.9"]), "linux/arm64/v8.9");
});

Deno.test("selectPlatform() stays with the architecture that was asked for by name", { permissions: "none" }, () => {
  assert.equal(choose("linux/arm64", ["linux/arm/v7", "linux/amd64"]), undefined);
  assert.equal(choose("linux/amd64", ["linux/386"]), undefined);
  assert.equal(choose("linux/arm/v7", ["linux/arm/v5", "linux/arm/v6"]), "linux/arm/v6");
  assert.equal(choose("linux/arm64", ["linux/arm/v7", "linux/arm64/v8"]), "linux/arm64/v8");
});

Deno.test("selectPlatform() compares numbered variants of other architectures", { permissions: "none" }, () => {
  const power = ["linux/ppc64le", "linux/ppc64le/power8", "linux/ppc64le/power9", "linux/ppc64le/power10"];
  assert.deepEqual(preferences("linux/ppc64le/power9", power), [power[2], power[1], power[0]]);
  assert.deepEqual(preferences("linux/ppc64le", power), [power[0]]);
  const riscv = ["linux/riscv64", "linux/riscv64/rva20u64", "linux/riscv64/rva23u64", "linux/riscv64/rva22s64"];
  assert.deepEqual(preferences("linux/riscv64/rva22u64", riscv), [riscv[1], riscv[0]]);
});

Deno.test("selectPlatform() is not impressed by absurd variants", { permissions: "none" }, () => {
  const spentMs = cpuTime();
  for (const variant of ["v999999999999", "v9.999999999999", `v${"9".repeat(4000)}`, `power${"9".repeat(4000)}`]) {
    for (const architecture of ["amd64", "arm", "arm64", "ppc64le"]) {
      const text = `linux/${architecture}/${variant}`;
      assert.equal(choose(text, ["linux/amd64/v2", text]), text);
    }
  }
  assert.ok(spentMs() < 4000);
});

Deno.test("selectPlatform() matches Windows builds as their hosts do", { permissions: "none" }, () => {
  const offered = [
    "windows(10.0.14393.6796)/amd64",
    "windows(10.0.17763.1)/amd64",
    "windows(10.0.17763.5576)/amd64",
    "windows(10.0.17763.99)/amd64",
    "windows(10.0.20348.2340)/amd64",
    "windows(10.0.25398.1)/amd64",
    "windows(10.0.26100.1)/amd64",
    "windows(11.0.20348.1)/amd64",
  ];
  // Before Windows Server 2022 the same build; the newest revision of it, by number and not by text.
  assert.equal(choose("windows(10.0.17763)/amd64", offered), "windows(10.0.17763.5576)/amd64");
  assert.equal(choose("windows(10.0.17763.42)/amd64", offered), "windows(10.0.17763.5576)/amd64");
  assert.equal(choose("windows(10.0.18362)/amd64", offered), undefined);
  // From then on every build between 20348 and the host's own.
  assert.equal(choose("windows(10.0.20348.1)/amd64", offered), "windows(10.0.20348.2340)/amd64");
  assert.equal(choose("windows(10.0.22621)/amd64", offered), "windows(10.0.20348.2340)/amd64");
  assert.equal(choose("windows(10.0.26100)/amd64", offered), "windows(10.0.26100.1)/amd64");
  assert.equal(choose("windows(10.0.26100)/amd64", offered.slice(0, 4)), undefined);
  // Nothing said: the newest. An image that says nothing fits all.
  assert.equal(choose("windows/amd64", offered), "windows(11.0.20348.1)/amd64");
  assert.equal(choose("windows(10.0.18362)/amd64", ["windows/amd64"]), "windows/amd64");
  assert.equal(choose("windows(10.0.17763)/amd64", ["windows(nonsense)/amd64"]), undefined);
  assert.equal(choose("windows(nonsense)/amd64", ["windows(10.0.17763)/amd64"]), "windows(10.0.17763)/amd64");
});

Deno.test("selectPlatform() takes an equal os version elsewhere, if both name one", { permissions: "none" }, () => {
  assert.equal(choose("freebsd(14.2)/amd64", ["freebsd(13.1)/amd64", "freebsd(14.2)/amd64"]), "freebsd(14.2)/amd64");
  assert.equal(choose("freebsd(14.2)/amd64", ["freebsd(13.1)/amd64"]), undefined);
  assert.equal(choose("freebsd/amd64", ["freebsd(13.1)/amd64", "freebsd(14.2)/amd64"]), "freebsd(14.2)/amd64");
});

Deno.test("selectPlatform() honours os features", { permissions: "none" }, () => {
  const offered = ["windows(10.0.1+win32k)/amd64", "windows(10.0.1)/amd64", "windows(10.0.1+other+win32k)/amd64"];
  assert.equal(choose("windows(10.0.1+win32k)/amd64", offered), offered[0], "most of the wanted features");
  assert.equal(choose("windows(10.0.1+win32k)/amd64", offered.slice(0, 2).toReversed()), offered[0]);
  assert.equal(choose("windows(10.0.1+win32k)/amd64", offered.slice(2)), undefined, "needs one that is not offered");
  assert.equal(choose("windows(10.0.1)/amd64", offered), offered[1], "nothing asked: one that needs nothing");
  assert.equal(choose("windows/amd64", [offered[0]!, offered[2]!]), offered[0], "else what there is");
  assert.equal(choose("linux/arm64", ["linux(+x)/arm64", "linux/arm/v7"], true), "linux/arm/v7");
});

Deno.test("selectPlatform() passes over entries without a platform and keeps to the first of equals", {
  permissions: "none",
}, () => {
  const entries: { id: number; platform?: Platform }[] = [
    { id: 0 },
    { id: 1, platform: { os: "unknown", architecture: "unknown" } },
    { id: 2, platform: { os: "", architecture: "amd64" } },
    { id: 3, platform: { os: "Linux", architecture: "x86_64", variant: "v1" } },
    { id: 4, platform: { os: "linux", architecture: "amd64" } },
  ];
  assert.equal(selectPlatform(entries, { os: "linux", architecture: "amd64" })?.id, 3);
  assert.equal(selectPlatform(entries, { os: "unknown", architecture: "unknown" }), undefined);
  assert.equal(selectPlatform([], { os: "linux", architecture: "amd64" }), undefined);
});

Deno.test("nearestPlatform() names what comes closest", { permissions: "none" }, () => {
  const near = (wanted: string, offered: string[]) => {
    const nearest = nearestPlatform(offered.map((text) => parsePlatform(text)), parsePlatform(wanted));
    return nearest && formatPlatform(nearest);
  };
  const offered = ["unknown/unknown", "linux/amd64", "linux/arm64", "linux/arm/v7", "windows(10.0.17763)/amd64"];
  assert.equal(near("linux/arm/v6", offered), "linux/arm/v7");
  assert.equal(near("linux/amd64/v3", offered), "linux/amd64");
  assert.equal(near("windows/arm64", offered), "linux/arm64");
  assert.equal(near("windows(10.0.20348)/amd64", offered), "windows(10.0.17763)/amd64");
  assert.equal(near("linux/arm64", ["linux/s390x", "linux/arm/v7"]), "linux/arm/v7");
  assert.equal(near("linux/s390x", ["linux/amd64"]), "linux/amd64");
  assert.equal(near("plan9/mips", ["linux/amd64", "unknown/unknown"]), undefined);
});

Deno.test("compareOsVersions() compares numbers, not text", { permissions: "none" }, () => {
  assert.ok(compareOsVersions("10.0.9", "10.0.10") < 0);
  assert.equal(compareOsVersions("10", "10.0.0"), 0);
  assert.ok(compareOsVersions("10.1", "10.0.99999") > 0);
  assert.equal(compareOsVersions(), 0);
});
