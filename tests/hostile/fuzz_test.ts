import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

Deno.test({
  name:
    "commands over stores, layouts and archives of hostile make change nothing outside (deno task hostile runs more)",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    const seed = Number(Deno.env.get("S3LO_HOSTILE_SEED") ?? Date.now() % 100_000);
    // A process of its own: half of the rounds become nobody, for which no permission has a name.
    const script = fileURLToPath(new URL("../../scripts/hostile.ts", import.meta.url));
    const permissions = ["read", "write", "env", "net", "run", "sys"].map((name) => `--allow-${name}`);
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-prompt", "--no-check", ...permissions, script, "--rounds", "40", "--seed", String(seed)],
      env: { NO_COLOR: "1" },
    }).output();
    const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    assert.equal(code, 0, `seed ${seed}: ${said}`);
    assert.match(said, /^0 violations$/m, `seed ${seed}: ${said}`);
    const [, succeeded, failed = ""] = said.match(/^(\d+) commands succeeded; failed: (.*)$/m) ?? [];
    assert.ok(Number(succeeded) > 5 && failed.split(",").length > 1, `hardly anything took place: ${said}`);
  },
});
