/**
 * Measures s3lo beside other tools: the same bytes, servers and machine, in turns.
 *
 *   deno task bench                              everything, five rounds
 *   deno task bench --scenario registry-s3 --payload large8,large1 --rounds 3 --profile far
 *
 * `--profile far` puts 20 ms and 25 MB/s for each connection between the tools and all servers. `--json` prints the report as
 * JSON; `--keep` adds it to the history, from which `deno task bench:table` writes the tables. `--tools`
 * names who takes part, `--engine docker29` the daemon (default docker20). `S3LO_BENCH_PROGRAM` is a compiled s3lo to measure, `S3LO_GO` the Go tool.
 */
import { cpus, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { COPY_SCENARIOS } from "./bench/copy_scenarios.ts";
import { DAEMON_SCENARIOS } from "./bench/daemon_scenarios.ts";
import { Lab } from "./bench/lab.ts";
import { type Cost, measure } from "./bench/measure.ts";
import { type PayloadName, PAYLOADS, preparePayload } from "./bench/payloads.ts";
import { READ_SCENARIOS } from "./bench/read_scenarios.ts";
import { appendHistory } from "./bench/render.ts";
import { type Report, type Result, resultLines, type Row, rowOf, withRatios } from "./bench/results.ts";
import type { Contestant, Scenario, Stage } from "./bench/scenario.ts";
import { Seeds } from "./bench/seeds.ts";
import { Tools } from "./bench/tools.ts";
import type { Distance } from "./bench/wire.ts";
import { readBuildInfo } from "./compile/build_info.ts";
import { print, say } from "./services/run.ts";

const SCENARIOS: readonly Scenario[] = [...COPY_SCENARIOS, ...DAEMON_SCENARIOS, ...READ_SCENARIOS];

/** The networks; undefined is none. */
const PROFILES: Readonly<Record<string, Distance | undefined>> = {
  lan: undefined,
  far: { roundTripMs: 20, bytesPerSecond: 25_000_000 },
};

/** What the command line asks for. */
interface Plan {
  readonly scenarios: readonly Scenario[];
  readonly payloads: readonly string[] | undefined;
  readonly tools: readonly string[] | undefined;
  readonly rounds: number;
  readonly profile: string;
}

async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      scenario: { type: "string" },
      payload: { type: "string" },
      tools: { type: "string" },
      rounds: { type: "string", default: "5" },
      profile: { type: "string", default: "lan" },
      engine: { type: "string", default: "docker20" },
      json: { type: "boolean", default: false },
      keep: { type: "boolean", default: false },
    },
  });
  const names = values.scenario?.split(",");
  const plan: Plan = {
    scenarios: SCENARIOS.filter(({ name }) => names?.includes(name) ?? true),
    payloads: values.payload?.split(","),
    tools: values.tools?.split(","),
    rounds: Number(values.rounds),
    profile: values.profile,
  };
  const unknown = names?.find((name) => !SCENARIOS.some((scenario) => scenario.name === name));
  if (unknown !== undefined) {
    throw new Error(`Unknown scenario "${unknown}": ${SCENARIOS.map((scenario) => scenario.name).join(", ")}`);
  }
  if (!(plan.profile in PROFILES)) throw new Error(`Unknown profile "${plan.profile}": lan, far`);
  if (!Number.isInteger(plan.rounds) || plan.rounds < 1) throw new Error("--rounds needs a whole number");
  const { engine } = values;
  if (engine !== "docker20" && engine !== "docker29") throw new Error(`Unknown engine "${engine}": docker20, docker29`);
  const before = loadavg()[0] ?? 0;
  const needsEngine = plan.scenarios.some((scenario) => scenario.needsEngine);
  await using lab = await Lab.open(needsEngine ? engine : undefined);
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => void lab[Symbol.asyncDispose]().finally(() => Deno.exit(130)));
  }
  const tools = await Tools.find(lab);
  const results = await measureAll(lab, tools, plan);
  const build = await readBuildInfo();
  const report: Report = {
    date: new Date().toISOString().replace(/\.\d+/, ""),
    commit: build.commit,
    machine: `${cpus().length} cores, ${cpus()[0]?.model ?? "unknown processor"}`,
    load: [before, loadavg()[0] ?? 0],
    results,
  };
  if (values.keep) await appendHistory(report);
  if (values.json) print(JSON.stringify(report, undefined, 2));
  say(`load average ${report.load.map((load) => load.toFixed(1)).join(" before, ")} after`);
}

async function measureAll(lab: Lab, tools: Tools, plan: Plan): Promise<readonly Result[]> {
  const results: Result[] = [];
  // Payload by payload, so that no more than one lies on the servers.
  for (const name of Object.keys(PAYLOADS) as PayloadName[]) {
    const wanted = plan.scenarios.filter(({ payloads }) =>
      plan.payloads ? plan.payloads.includes(name) : payloads.includes(name)
    );
    if (wanted.length === 0) continue;
    await using seeds = new Seeds(lab, tools, await preparePayload(name));
    for (const scenario of wanted) {
      await using stage = await scenario.open({ lab, tools, seeds });
      const rows = await measureStage(lab, stage, scenario, plan);
      const { about } = PAYLOADS[name];
      const result = { scenario: scenario.name, about: scenario.about, payload: about, profile: plan.profile, rows };
      results.push(result);
      for (const line of resultLines(result)) say(line);
    }
  }
  return results;
}

async function measureStage(lab: Lab, stage: Stage, scenario: Scenario, plan: Plan): Promise<readonly Row[]> {
  const { tools } = plan;
  const contestants = stage.contestants.filter((tool) => tools?.includes(tool) ?? true);
  const costs = new Map<Contestant, Cost[]>(contestants.map((tool) => [tool, []]));
  const traffic = new Map<Contestant, Row["traffic"]>();
  const rounds = plan.rounds * (scenario.roundsFactor ?? 1);
  for (let round = 0; round < rounds; round++) {
    // Somebody else begins every time.
    const order = contestants.map((_, index) => contestants[(index + round) % contestants.length]!);
    for (const tool of order) {
      const measured = await measureOne(lab, stage, tool, PROFILES[plan.profile]);
      costs.get(tool)?.push(measured.cost);
      if (measured.traffic) traffic.set(tool, measured.traffic);
    }
  }
  for (const tool of contestants) {
    // Counting takes time of its own, so that is done in a run that is not measured.
    if (traffic.has(tool)) continue;
    const counted = await measureOne(lab, stage, tool, { roundTripMs: 0, bytesPerSecond: Infinity });
    if (counted.traffic) traffic.set(tool, counted.traffic);
  }
  return withRatios(contestants.map((tool) => rowOf(tool, costs.get(tool) ?? [], traffic.get(tool) ?? {})));
}

async function measureOne(
  lab: Lab,
  stage: Stage,
  tool: Contestant,
  distance: Distance | undefined,
): Promise<{ readonly cost: Cost; readonly traffic?: Row["traffic"] }> {
  const attempt = await stage.prepare(tool);
  try {
    const isWired = distance !== undefined && attempt.hosts !== undefined;
    if (isWired) await lab.wire(attempt.hosts, distance);
    await attempt.before?.();
    const cost = await measure(attempt.command());
    return isWired ? { cost, traffic: lab.takeTraffic() } : { cost };
  } finally {
    await attempt.finish?.();
    await lab.unwire();
  }
}

if (import.meta.main) {
  try {
    await main(Deno.args);
  } catch (error) {
    say(error instanceof Error ? error.stack ?? error.message : String(error));
    Deno.exit(1);
  }
}
