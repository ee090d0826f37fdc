import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { gunzipSync, inflateRawSync } from "node:zlib";
import { tarGz, zip } from "../../scripts/compile/archives.ts";
import { baseBinary } from "../../scripts/compile/executable.ts";
import { executableName, selectTargets, TARGETS } from "../../scripts/compile/targets.ts";
import { renderFormula } from "../../scripts/release/formula.ts";
import { tempFolder } from "../cli/places.ts";

const FILES = [
  { name: "s3lo", bytes: new TextEncoder().encode("program ".repeat(1000)), mode: 0o755 },
  { name: "LICENSE", bytes: new TextEncoder().encode("as is"), mode: 0o644 },
];

Deno.test("tarGz() gives what tar reads, the same every time", async () => {
  await using folder = await tempFolder();
  const packed = tarGz(FILES, 1_700_000_000);
  assert.deepEqual(tarGz(FILES, 1_700_000_000), packed);
  await Deno.writeFile(`${folder.path}/a.tar.gz`, packed);
  const listed = await new Deno.Command("tar", { args: ["-tvzf", `${folder.path}/a.tar.gz`], env: { TZ: "UTC" } })
    .output();
  const text = new TextDecoder().decode(listed.stdout);
  assert.match(text, /-rwxr-xr-x root\/root\s+8000 2023-11-14 22:13 s3lo\n-rw-r--r-- root\/root\s+5 .* LICENSE\n$/);
  const unpacked = await new Deno.Command("tar", { args: ["-xOzf", `${folder.path}/a.tar.gz`, "s3lo"] }).output();
  assert.deepEqual(unpacked.stdout, FILES[0]!.bytes);
  assert.equal(gunzipSync(packed).byteLength % 512, 0);
});

Deno.test("zip() gives a directory and files that inflate to what went in, the same every time", () => {
  const packed = zip(FILES, 1_700_000_000);
  assert.deepEqual(zip(FILES, 1_700_000_000), packed);
  const view = new DataView(packed.buffer);
  const end = packed.byteLength - 22;
  assert.equal(view.getUint32(end, true), 0x06054b50);
  assert.equal(view.getUint16(end + 10, true), 2);
  let at = view.getUint32(end + 16, true);
  for (const { name, bytes } of FILES) {
    assert.equal(view.getUint32(at, true), 0x02014b50);
    const [packedBytes, length] = [view.getUint32(at + 20, true), view.getUint16(at + 28, true)];
    const local = view.getUint32(at + 42, true);
    assert.equal(new TextDecoder().decode(packed.subarray(at + 46, at + 46 + length)), name);
    const data = packed.subarray(local + 30 + length, local + 30 + length + packedBytes);
    assert.deepEqual(new Uint8Array(inflateRawSync(data)), bytes);
    at += 46 + length;
  }
  assert.equal(at, end);
});

Deno.test("targets are named as the releases are, and an unknown one is refused", () => {
  assert.deepEqual(TARGETS.map(executableName), [
    "s3lo_linux_amd64",
    "s3lo_linux_arm64",
    "s3lo_darwin_amd64",
    "s3lo_darwin_arm64",
    "s3lo_windows_amd64.exe",
  ]);
  assert.equal(selectTargets("all").length, TARGETS.length);
  assert.deepEqual(selectTargets("linux_arm64,darwin_amd64").map(({ name }) => name), ["linux_arm64", "darwin_amd64"]);
  assert.deepEqual(selectTargets(undefined, "aarch64-apple-darwin").map(({ name }) => name), ["darwin_arm64"]);
  assert.throws(() => selectTargets("plan9_amd64"), /No such target "plan9_amd64": expected all, linux_amd64/);
});

Deno.test("DENORT_BIN names one base for one target, or a folder of them", async () => {
  await using folder = await tempFolder();
  const before = Deno.env.get("DENORT_BIN");
  const [linux, , , , windows] = TARGETS;
  try {
    Deno.env.delete("DENORT_BIN");
    assert.equal(await baseBinary(linux!, true), undefined);
    await Deno.writeTextFile(`${folder.path}/denort-x86_64-unknown-linux-gnu`, "");
    Deno.env.set("DENORT_BIN", `${folder.path}/denort-x86_64-unknown-linux-gnu`);
    assert.equal(await baseBinary(linux!, true), `${folder.path}/denort-x86_64-unknown-linux-gnu`);
    await assert.rejects(baseBinary(linux!, false), /DENORT_BIN is one file/);
    Deno.env.set("DENORT_BIN", folder.path);
    assert.equal(await baseBinary(linux!, false), `${folder.path}/denort-x86_64-unknown-linux-gnu`);
    await assert.rejects(baseBinary(windows!, false), /no base for windows_amd64: expected "denort-x86_64-pc-windows/);
  } finally {
    if (before === undefined) Deno.env.delete("DENORT_BIN");
    else Deno.env.set("DENORT_BIN", before);
  }
});

Deno.test("the Homebrew formula names the archive and checksum of every system", () => {
  const sums = TARGETS.map(({ name }) => `${createHash("sha256").update(name).digest("hex")}  s3lo_${name}.tar.gz`)
    .join("\n");
  const formula = renderFormula("v0.2.0", "owner/repo", `${sums}\n`);
  for (const target of ["darwin_arm64", "darwin_amd64", "linux_arm64", "linux_amd64"]) {
    const sum = createHash("sha256").update(target).digest("hex");
    const url = `https://github.com/owner/repo/releases/download/v0.2.0/s3lo_${target}.tar.gz`;
    assert.ok(formula.includes(`url "${url}"\n      sha256 "${sum}"`), target);
  }
  assert.throws(() => renderFormula("v0.2.0", "owner/repo", "nothing"), /no "s3lo_darwin_arm64.tar.gz"/);
  assert.throws(() => renderFormula("next", "owner/repo", sums), /Not a version/);
});
