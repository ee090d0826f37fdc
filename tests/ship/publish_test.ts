/** What happens when a tag is published, with stand-ins for GitHub and JSR that remember what they were told. */
import assert from "node:assert/strict";
import { readBuildInfo } from "../../scripts/compile/build_info.ts";
import { archiveName, TARGETS } from "../../scripts/compile/targets.ts";
import { assembleRelease } from "../../scripts/release/assemble.ts";
import { changelogSection } from "../../scripts/release/changelog.ts";
import { projectVersion, ROOT } from "../../scripts/source_files.ts";
import { tempFolder } from "../cli/places.ts";
import { programPath, programTest } from "../support/services.ts";

/** gh, as far as publish.sh uses it: the state of one release lies in $STATE, and what was done in $STATE.log. */
const GH = `#!/bin/sh
echo "gh $*" >> "$STATE.log"
case "$1 $2" in
  "release view") [ -e "$STATE" ] || exit 1; cat "$STATE" ;;
  "release create") [ ! -e "$STATE" ] || { echo "already exists" >&2; exit 1; }; echo true > "$STATE" ;;
  "release upload") [ "$FAILS" != upload ] ;;
  "release edit") [ "$FAILS" != edit ] && echo false > "$STATE" ;;
  *) exit 9 ;;
esac
`;
const DENO = '#!/bin/sh\necho "deno $*" >> "$STATE.log"\n[ "$FAILS" != jsr ]\n';

/** A place to publish from. */
async function publisher(folder: string) {
  await Deno.mkdir(`${folder}/bin`);
  await Deno.mkdir(`${folder}/dist`);
  await Deno.writeTextFile(`${folder}/bin/gh`, GH, { mode: 0o755 });
  await Deno.writeTextFile(`${folder}/bin/deno`, DENO, { mode: 0o755 });
  for (const target of TARGETS) await Deno.writeTextFile(`${folder}/dist/${archiveName(target)}`, target.name);
  return async (tag: string, fails = "") => {
    await Deno.writeTextFile(`${folder}/state.log`, "");
    const { code, stderr } = await new Deno.Command(programPath("sh") ?? "sh", {
      args: [`${ROOT}/scripts/release/publish.sh`, tag, `${folder}/dist`],
      env: { PATH: `${folder}/bin:${Deno.env.get("PATH")}`, STATE: `${folder}/state`, FAILS: fails },
    }).output();
    const log = await Deno.readTextFile(`${folder}/state.log`);
    const steps = log.trim().split("\n").map((line) => line.split(" ").slice(0, 3).join(" "));
    return { code, log, steps, said: new TextDecoder().decode(stderr) };
  };
}

const ALL = ["gh release view", "gh release create", "gh release upload", "deno publish", "gh release edit"];
const onUnix = (name: string, fn: (t: Deno.TestContext) => Promise<void>) =>
  Deno.test({ name, ignore: Deno.build.os === "windows", fn });

onUnix("a release is a draft until everything else is done", async () => {
  await using folder = await tempFolder();
  const publish = await publisher(folder.path);
  const { code, log, steps, said } = await publish("v0.2.0");
  assert.equal(code, 0, said);
  assert.deepEqual(steps, ALL);
  assert.match(log, /release create v0\.2\.0 --draft --verify-tag/);
  assert.match(log, /release edit v0\.2\.0 --draft=false --prerelease=false --latest$/m);
  for (const target of TARGETS) assert.ok(log.includes(archiveName(target)), target.name);
  for (const file of ["install.sh", "s3lo.rb", "SHA256SUMS"]) assert.ok(log.includes(`/dist/${file}`), file);
});

onUnix("a candidate is a prerelease and never the latest", async () => {
  await using folder = await tempFolder();
  const { log } = await (await publisher(folder.path))("v0.2.0-rc.1");
  assert.match(log, /release edit v0\.2\.0-rc\.1 --draft=false --prerelease --latest=false$/m);
});

onUnix("a release that failed half-way is published by running it again", async (t) => {
  for (const fails of ["upload", "jsr", "edit"]) {
    await t.step(fails, async () => {
      await using folder = await tempFolder();
      const publish = await publisher(folder.path);
      const first = await publish("v0.2.0", fails);
      assert.notEqual(first.code, 0);
      assert.equal((await Deno.readTextFile(`${folder.path}/state`)).trim(), "true", "it is a draft still");
      const second = await publish("v0.2.0");
      assert.equal(second.code, 0, second.said);
      assert.deepEqual(second.steps, ALL.filter((step) => step !== "gh release create"));
      assert.equal((await Deno.readTextFile(`${folder.path}/state`)).trim(), "false");
    });
  }
  await t.step("and what people see already is left as it is", async () => {
    await using folder = await tempFolder();
    const publish = await publisher(folder.path);
    await publish("v0.2.0");
    const again = await publish("v0.2.0");
    assert.equal(again.code, 0);
    assert.deepEqual(again.steps, ["gh release view", "deno publish"]);
  });
});

const CHANGELOG =
  "# Changelog\n\n## [Unreleased]\n\n## [0.2.0] - 2026-12-01\n\n### Added\n\n- this\n\n## [0.1.0]\n\n- that\n";

Deno.test("changelogSection() gives a version's text, and refuses one that is missing or empty", () => {
  assert.equal(changelogSection(CHANGELOG, "0.2.0"), "### Added\n\n- this\n");
  assert.equal(changelogSection(CHANGELOG.replaceAll("\n", "\r\n"), "0.1.0"), "- that\n");
  assert.throws(() => changelogSection(CHANGELOG, "0.3.0"), /no section "## \[0\.3\.0\]"/);
  assert.throws(() => changelogSection(CHANGELOG, "Unreleased"), /is empty/);
});

Deno.test("assembleRelease() names the repository, and has a checksum of everything that people download", async () => {
  await using folder = await tempFolder();
  const dist = folder.path;
  const tag = `v${await projectVersion()}`;
  const options = { tag, repository: "somebody/fork", dist, isPartial: true };
  await assert.rejects(assembleRelease(options), /has no archive of any system/);
  for (const target of TARGETS) await Deno.writeTextFile(`${dist}/${archiveName(target)}`, target.name);
  await assembleRelease(options);
  const sums = await Deno.readTextFile(`${dist}/SHA256SUMS`);
  const files = sums.trim().split("\n").map((line) => line.slice(66));
  assert.deepEqual(files.toSorted(), [...TARGETS.map(archiveName), "install.sh", "s3lo.rb"].sort());
  assert.match(await Deno.readTextFile(`${dist}/install.sh`), /^REPOSITORY=somebody\/fork$/m);
  assert.doesNotMatch(await Deno.readTextFile(`${dist}/install.sh`), /s3lo\/s3lo/);
  assert.match(await Deno.readTextFile(`${dist}/s3lo.rb`), /github\.com\/somebody\/fork\/releases\/download/);
  assert.ok((await Deno.readTextFile(`${dist}/NOTES.md`)).length > 10);
  await assert.rejects(assembleRelease({ ...options, tag: "v99.0.0" }), /deno\.json has version/);
  await assert.rejects(assembleRelease({ ...options, repository: "no repository" }), /Not a repository/);
  await Deno.remove(`${dist}/${archiveName(TARGETS[0]!)}`);
  await assert.rejects(assembleRelease({ ...options, isPartial: false }), /has no s3lo_linux_amd64\.tar\.gz/);
  await assembleRelease(options);
  assert.doesNotMatch(await Deno.readTextFile(`${dist}/s3lo.rb`), /linux_amd64/);
});

programTest("the formula is Ruby", ["ruby"], async ([ruby = ""]) => {
  await using folder = await tempFolder();
  for (const target of TARGETS) await Deno.writeTextFile(`${folder.path}/${archiveName(target)}`, target.name);
  const tag = `v${await projectVersion()}`;
  await assembleRelease({ tag, repository: "o/r", dist: folder.path, isPartial: true });
  const { success, stderr } = await new Deno.Command(ruby, { args: ["-c", `${folder.path}/s3lo.rb`] }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
});

async function git(folder: string, ...args: string[]): Promise<string> {
  const identity = ["-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "safe.directory=*"];
  const { success, stdout, stderr } = await new Deno.Command("git", { args: [...identity, ...args], cwd: folder })
    .output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout).trim();
}

onUnix("the formula goes into a tap, once", async () => {
  await using folder = await tempFolder();
  const tap = `${folder.path}/tap.git`;
  await Deno.mkdir(`${folder.path}/seed`);
  await git(folder.path, "init", "--quiet", "--bare", "--initial-branch=main", tap);
  await git(folder.path, "clone", "--quiet", tap, "seed");
  await git(`${folder.path}/seed`, "commit", "--quiet", "--allow-empty", "-m", "tap");
  await git(`${folder.path}/seed`, "push", "--quiet", "origin", "HEAD:main");
  await Deno.writeTextFile(`${folder.path}/s3lo.rb`, "class S3lo < Formula\nend\n");
  for (const times of [1, 2]) {
    const { success, stderr } = await new Deno.Command("sh", {
      args: [`${ROOT}/scripts/release/push_formula.sh`, "v0.2.0", `${folder.path}/s3lo.rb`, `file://${tap}`],
    }).output();
    assert.ok(success, new TextDecoder().decode(stderr));
    assert.equal(await git(tap, "rev-list", "--count", "main"), "2", `after ${times}`);
  }
  assert.equal(await git(tap, "show", "main:Formula/s3lo.rb"), "class S3lo < Formula\nend");
  assert.equal(await git(tap, "log", "-1", "--format=%s", "main"), "s3lo 0.2.0");
});

onUnix("readBuildInfo() reads a checkout that belongs to another user, and says so where git cannot", async () => {
  await using folder = await tempFolder();
  const root = `${folder.path}/checkout`;
  await Deno.mkdir(root);
  assert.equal((await readBuildInfo(root)).commit, "unknown"); // a source archive
  await git(root, "init", "--quiet");
  await Deno.writeTextFile(`${root}/file`, "text");
  await git(root, "add", "file");
  await git(root, "commit", "--quiet", "-m", "one");
  const { commit } = await readBuildInfo(root);
  assert.match(commit, /^[0-9a-f]{40}$/);
  // Only root can give files away; elsewhere the first half is the test.
  const chowned = await new Deno.Command("sh", { args: ["-c", 'chown -R 65534:65534 "$0"', root] }).output();
  if (chowned.success) assert.deepEqual((await readBuildInfo(root)).commit, commit);
  await Deno.writeTextFile(`${root}/.git/HEAD`, "nonsense");
  await assert.rejects(readBuildInfo(root), /git log failed/);
});
