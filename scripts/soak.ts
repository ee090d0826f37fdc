/**
 * Runs commands under seeded faults and checks after each what must always hold.
 *
 *   deno task soak --rounds N [--seed S] [--verbose]
 *
 * Needs a registry and an S3 server: those of `deno task services`, which the task starts.
 */
import { parseArgs } from "node:util";
import { makeCertificate } from "../tests/support/certificates.ts";
import { serviceAddress } from "../tests/support/services.ts";
import { runSoak, type SoakFigures } from "../tests/soak/soak.ts";

/** The figures as lines for people. */
function soakLines(figures: SoakFigures, elapsedMs: number): string[] {
  const list = (map: ReadonlyMap<string, number>) =>
    [...map].sort(([, left], [, right]) => right - left).map(([name, count]) => `${name} ${count}`).join(", ");
  const total = [...figures.faults.values()].reduce((sum, count) => sum + count, 0);
  const mebibytes = (bytes: number) => `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
  return [
    `${figures.rounds} rounds in ${Math.round(elapsedMs / 1000)} s`,
    `${total} faults: ${list(figures.faults)}`,
    `${figures.survived} commands succeeded under faults, ${figures.failed} failed (${
      list(figures.failures)
    }) and succeeded when repeated`,
    `${figures.retries} requests tried again; ${mebibytes(figures.movedBytes)} moved, ${
      mebibytes(figures.resentBytes)
    } of it beyond what no faults would take`,
    `${figures.violations.length} violations`,
    ...figures.violations,
  ];
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "100" },
      seed: { type: "string", default: "1" },
      verbose: { type: "boolean", default: false },
    },
  });
  const print = (line: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
  const [s3, registry] = [serviceAddress("minio"), serviceAddress("registry")];
  if (!s3 || !registry) {
    print("No services: run it by deno task soak");
    Deno.exit(2);
  }
  const certificate = await makeCertificate();
  const caFile = await Deno.makeTempFile({ suffix: ".pem" });
  await Deno.writeTextFile(caFile, certificate.ca);
  const started = performance.now();
  const figures = await runSoak({
    rounds: Number(values.rounds),
    seed: Number(values.seed),
    servers: { s3, registry },
    tls: { ...certificate, caFile },
    withDns: true,
    onRound: (round, line) => {
      if (values.verbose || (round + 1) % 100 === 0) print(`${round + 1}: ${line}`);
    },
  });
  await Deno.remove(caFile);
  for (const line of soakLines(figures, performance.now() - started)) print(line);
  Deno.exit(figures.violations.length > 0 ? 1 : 0);
}
