/** The table of `deno coverage` is read as it is printed, and poor modules are listed, worst first. */
import assert from "node:assert/strict";
import { describeCoverage, parseCoverage } from "../../scripts/coverage.ts";

const TABLE = `
| File                  | Branch % | Function % | Line % |
| --------------------- | -------- | ---------- | ------ |
| bytes/pool.ts         |     69.9 |      100.0 |   98.2 |
| image/copy_image.ts   |     70.0 |       90.0 |   95.0 |
| cli/screen.ts         |     12.5 |       50.0 |   40.0 |
| All files             |     60.0 |       80.0 |   80.0 |
`;

Deno.test("coverage lists modules below 70 % of branches and those that no test loads", { permissions: "none" }, () => {
  const all = ["src/bytes/pool.ts", "src/image/copy_image.ts", "src/cli/screen.ts", "src/cli/unread.ts"];
  const lines = describeCoverage(parseCoverage(TABLE), all);
  assert.match(lines[0]!, /^2 of 3 modules /);
  assert.match(lines[1]!, /^ {2}src\/cli\/screen\.ts +12\.5 % +50\.0 % +40\.0 %$/);
  assert.match(lines[2]!, /^ {2}src\/bytes\/pool\.ts +69\.9 %/);
  assert.deepEqual(lines.slice(3), [
    "1 modules are loaded by no test, or hold nothing but types:",
    "  src/cli/unread.ts",
  ]);
  assert.throws(() => parseCoverage("error: No coverage files found"));
});
