/** The demo ends with what to do next, and the README says how to get a bucket to try. */
import assert from "node:assert/strict";
import { NEXT_STEPS, nextSteps } from "../../scripts/demo/next_steps.ts";
import { ROOT } from "../../scripts/source_files.ts";
import { parseInvocation } from "../../src/cli/parse.ts";
import { COMMANDS } from "../../src/cli/program.ts";

Deno.test("each next step is a command line that s3lo understands", () => {
  for (const [line] of NEXT_STEPS) {
    assert.match(line, /^s3lo /);
    assert.ok(parseInvocation(line.split(" ").slice(1), COMMANDS).command, line);
    assert.ok(nextSteps().includes(line));
  }
});

Deno.test("the README starts a bucket in one line, where the demo says so", async () => {
  const readme = await Deno.readTextFile(`${ROOT}/README.md`);
  const usage = readme.slice(readme.indexOf("## Usage"), readme.indexOf("## Why"));
  assert.match(usage, /^docker run .*minio.*my-bucket.*$/m);
  assert.match(nextSteps(), /README\.md, under Usage/);
});
