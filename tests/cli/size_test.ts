import assert from "node:assert/strict";
import { parseSize } from "../../src/cli/size.ts";
import { isImageError } from "../../src/errors.ts";

Deno.test({
  name: "parseSize() reads decimal and binary units",
  permissions: "none",
  fn() {
    const cases: [string, number][] = [
      ["4GB", 4_000_000_000],
      ["700MB", 700_000_000],
      ["4.5 GiB", 4.5 * 1024 ** 3],
      ["2G", 2 * 1024 ** 3],
      ["100kB", 100_000],
      ["1048576", 1_048_576],
      ["512b", 512],
      ["1tb", 1e12],
    ];
    for (const [text, sizeBytes] of cases) assert.equal(parseSize(text, "--split", 1), sizeBytes);
    for (const text of ["", "GB", "-1GB", "1e9", "4 parts", "1.2.3MB", "99999999TB", "0"]) {
      assert.throws(() => parseSize(text, "--split", 1), (error) => isImageError(error, "usage"), text);
    }
  },
});
