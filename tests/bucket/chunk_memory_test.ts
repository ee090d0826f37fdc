import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

const SCRIPT = fileURLToPath(new URL("../support/read_big_layer.ts", import.meta.url));

for (const how of ["stored", "raw"]) {
  Deno.test(`a layer of 1 GiB in chunks is read ${how} within 300 MiB of memory`, {
    permissions: { run: "inherit" },
  }, async () => {
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--no-prompt", "--allow-all", SCRIPT, how],
    }).output();
    assert.ok(success, new TextDecoder().decode(stderr));
    const result = JSON.parse(new TextDecoder().decode(stdout));
    assert.equal(result.isRight, true);
    assert.ok(result.peakBytes < 300 * 1024 * 1024, `the process had ${result.peakBytes} bytes`);
  });
}
