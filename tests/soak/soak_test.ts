import assert from "node:assert/strict";
import { certificatesExpected, makeCertificate } from "../support/certificates.ts";
import { serviceTest } from "../support/services.ts";
import { runSoak } from "./soak.ts";

serviceTest(
  "commands under seeded faults keep every promise (deno task soak runs more of them)",
  ["minio", "registry"],
  async ({ minio, registry }) => {
    const before = Deno.env.toObject();
    const seed = Number(Deno.env.get("S3LO_SOAK_SEED") ?? Date.now() % 100_000);
    const certificate = certificatesExpected ? await makeCertificate() : undefined;
    const caFile = await Deno.makeTempFile({ suffix: ".pem" });
    await Deno.writeTextFile(caFile, certificate?.ca ?? "");
    const figures = await runSoak({
      rounds: 40,
      seed,
      servers: { s3: minio, registry },
      tls: certificate && { ...certificate, caFile },
    });
    await Deno.remove(caFile);
    for (const name of Object.keys(Deno.env.toObject())) if (!(name in before)) Deno.env.delete(name);
    assert.deepEqual(figures.violations, []);
    assert.ok(figures.faults.size >= 5, "hardly any faults took place");
  },
);
