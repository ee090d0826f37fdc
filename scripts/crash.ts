/**
 * Kills s3lo at seeded moments of its work and checks each time what is left, and that the same command then succeeds.
 *
 *   deno task crash --points N [--seed S]
 */
import { parseArgs } from "node:util";
import { runCrashes } from "../tests/crash/crash.ts";
import { serviceAddress } from "../tests/support/services.ts";

if (import.meta.main) {
  const { values } = parseArgs({
    options: { points: { type: "string", default: "200" }, seed: { type: "string", default: "1" } },
  });
  const print = (line: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
  const [s3, registry] = [serviceAddress("minio"), serviceAddress("registry")];
  const started = performance.now();
  const figures = await runCrashes({
    points: Number(values.points),
    seed: Number(values.seed),
    servers: s3 && registry ? { s3, registry } : undefined,
  });
  print(`${figures.crashes} crashes in ${Math.round((performance.now() - started) / 1000)} s`);
  for (const [name, { operations, crashes }] of figures.commands) {
    print(`${name}: ${crashes} crashes within ${operations} operations`);
  }
  print(`${figures.missed} runs were done before their moment came`);
  for (const line of [`${figures.violations.length} violations`, ...figures.violations]) print(line);
  Deno.exit(figures.violations.length > 0 ? 1 : 0);
}
