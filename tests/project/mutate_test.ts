import assert from "node:assert/strict";
import { MUTATIONS } from "../../scripts/mutate.ts";
import { ROOT } from "../../scripts/source_files.ts";

Deno.test({
  name: "every protection that scripts/mutate.ts takes out is in the code",
  permissions: { read: [ROOT] },
  async fn() {
    for (const { name, file, from } of MUTATIONS) {
      const source = await Deno.readTextFile(`${ROOT}/${file}`);
      assert.ok(source.includes(from), `${name}: "${from}" is not in ${file}`);
    }
  },
});
