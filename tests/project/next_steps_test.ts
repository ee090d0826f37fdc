/** The demo ends with what to do next, and the README says how to get a bucket to try. */
import assert from "node:assert/strict";
import { NEXT_STEPS, nextSteps } from "../../scripts/demo/next_steps.ts";
import { ROOT } from "../../scripts/source_files.ts";
import { parseInvocation } from "../../src/cli/parse.ts";
import { COMMANDS } from "../../src/cli/program.ts";
import { settingSpecs, variableOf } from "../../src/cli/settings/settings.ts";

Deno.test("each next step is a command line that s3lo understands", () => {
  for (const [line] of NEXT_STEPS) {
    assert.match(line, /^s3lo /);
    assert.ok(parseInvocation(line.split(" ").slice(1), COMMANDS).command, line);
    assert.ok(nextSteps().includes(line));
  }
});

Deno.test("the README starts a bucket in one line, and every variable of s3lo that it names is one", async () => {
  const readme = await Deno.readTextFile(`${ROOT}/README.md`);
  const usage = readme.slice(readme.indexOf("## Usage"), readme.indexOf("### References"));
  assert.match(usage, /^docker run .*minio.*my-bucket.*$/m);
  const known = [...settingSpecs().map(({ name }) => variableOf(name)), "S3LO_CONFIG"];
  const installer = ["S3LO_VERSION", "S3LO_INSTALL_DIR", "S3LO_DOWNLOAD"];
  for (const [name] of readme.matchAll(/S3LO_[A-Z_]*[A-Z]/g)) {
    const isOfPasswords = /^S3LO_(?:SRC_|DST_)?(?:USERNAME|PASSWORD)$/.test(name);
    assert.ok(isOfPasswords || known.includes(name) || installer.includes(name), name);
  }
});
