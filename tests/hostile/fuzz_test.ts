import assert from "node:assert/strict";
import { runHostile } from "./fuzz.ts";

Deno.test({
  name:
    "commands over stores, layouts and archives of hostile make change nothing outside (deno task hostile runs more)",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    const seed = Number(Deno.env.get("S3LO_HOSTILE_SEED") ?? Date.now() % 100_000);
    const figures = await runHostile({ rounds: 40, seed, processOneIn: 20 });
    assert.deepEqual(figures.violations, [], `seed ${seed}`);
    assert.ok(figures.succeeded > 5 && figures.failures.size > 1, "hardly anything took place");
  },
});
