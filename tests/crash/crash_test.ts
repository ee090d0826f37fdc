import assert from "node:assert/strict";
import { serviceAddress, serviceTest } from "../support/services.ts";
import { runCrashes } from "./crash.ts";

serviceTest(
  "a crash at any moment leaves nothing broken in sight, and the next run completes",
  ["minio", "registry"],
  async () => {
    const before = Deno.env.toObject();
    const figures = await runCrashes({
      points: 20,
      seed: Number(Deno.env.get("S3LO_CRASH_SEED") ?? Date.now() % 100_000),
      servers: { s3: serviceAddress("minio")!, registry: serviceAddress("registry")! },
    });
    for (const name of Object.keys(Deno.env.toObject())) if (!(name in before)) Deno.env.delete(name);
    assert.deepEqual(figures.violations, []);
    assert.ok(figures.crashes >= 15, `only ${figures.crashes} crashes`);
  },
);
