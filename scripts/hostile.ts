/**
 * Runs commands over stores, layouts and archives of hostile make, and checks each time that nothing outside of them changed.
 *
 *   deno task hostile --rounds N [--seed S] [--verbose]
 */
import { parseArgs } from "node:util";
import { runHostile } from "../tests/hostile/fuzz.ts";

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "200" },
      seed: { type: "string", default: "1" },
      verbose: { type: "boolean", default: false },
    },
  });
  const print = (line: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
  const started = performance.now();
  const figures = await runHostile({
    rounds: Number(values.rounds),
    seed: Number(values.seed),
    onRound: (round, line) => {
      if (values.verbose || round % 100 === 99) print(`${round + 1}: ${line}`);
    },
  });
  const { rounds, processes, asNobody, swaps, succeeded, failures, violations } = figures;
  print(`${rounds} rounds in ${Math.round((performance.now() - started) / 1000)} s`);
  print(`${asNobody} as nobody, ${processes} as a process of their own, ${swaps} swaps while a command ran`);
  print(
    `${succeeded} commands succeeded; failed: ${[...failures].map(([what, count]) => `${count} ${what}`).join(", ")}`,
  );
  for (const line of [`${violations.length} violations`, ...violations]) print(line);
  Deno.exit(violations.length > 0 ? 1 : 0);
}
