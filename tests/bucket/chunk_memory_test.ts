import assert from "node:assert/strict";

const SCRIPT = new URL("../support/read_big_layer.ts", import.meta.url).pathname;

for (const [how, threads] of [["stored", 0], ["raw", 0], ["raw", 1]] as const) {
  const name = `a layer of 1 GiB in chunks is read ${how}${
    threads > 0 ? " with a helper thread" : ""
  } within 300 MiB of memory`;
  Deno.test(name, { permissions: { run: [Deno.execPath()] } }, async () => {
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--no-prompt", "--allow-all", SCRIPT, how, `${threads}`],
    }).output();
    assert.ok(success, new TextDecoder().decode(stderr));
    const result = JSON.parse(new TextDecoder().decode(stdout));
    assert.equal(result.isRight, true);
    assert.ok(result.peakBytes < 300 * 1024 * 1024, `the process had ${result.peakBytes} bytes`);
  });
}
