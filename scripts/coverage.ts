/**
 * Runs the tests that need no service, and tells which modules they leave unread: the share of branches, functions and
 * lines of each that ran in the tests' own process. What the tests start as a program of its own does not count.
 *
 *   deno task coverage                    all of them
 *   deno task coverage tests/registry     only these
 *
 * The exit code is that of the tests. Where it is a matter of a line, `deno coverage --detailed FOLDER` shows it; the
 * folder stays with `--keep FOLDER` before everything else.
 */
import { pathToFileURL } from "node:url";
import { ROOT, sourceFiles } from "./source_files.ts";
import { SERVICE_VARIABLES } from "../tests/support/services.ts";
import { print } from "./services/run.ts";

/** Modules with fewer of their branches run than this, in percent, are listed. */
const MIN_BRANCHES = 70;

/** How much of a module ran, in percent. */
export interface ModuleCoverage {
  readonly path: string;
  readonly branches: number;
  readonly functions: number;
  readonly lines: number;
}

/** Reads the table that `deno coverage` prints. Throws an `Error` where it is none. */
export function parseCoverage(text: string): readonly ModuleCoverage[] {
  const modules = text.split("\n").flatMap((line) => {
    const [path = "", ...shares] = line.split("|").slice(1, -1).map((cell) => cell.trim());
    const [branches, functions, lines] = shares.map(Number);
    if (!path.endsWith(".ts") || branches === undefined || functions === undefined || lines === undefined) return [];
    return [{ path: `src/${path.replace(/^src\//, "")}`, branches, functions, lines }];
  });
  if (modules.length === 0) throw new Error("`deno coverage` printed no table of modules");
  return modules;
}

/** The report: modules too few of whose branches ran, worst first, then those that no test loads. */
export function describeCoverage(modules: readonly ModuleCoverage[], all: readonly string[]): readonly string[] {
  const poor = modules.filter(({ branches }) => branches < MIN_BRANCHES)
    .sort((left, right) => left.branches - right.branches || left.path.localeCompare(right.path));
  const known = new Set(modules.map(({ path }) => path));
  const unread = all.filter((path) => path.startsWith("src/") && !known.has(path));
  const width = Math.max(0, ...poor.map(({ path }) => path.length));
  const share = (value: number) => `${value.toFixed(1)} %`.padStart(8);
  return [
    `${poor.length} of ${modules.length} modules have less than ${MIN_BRANCHES} % of their branches run ` +
    "(branches, functions, lines):",
    ...poor.map((each) =>
      `  ${each.path.padEnd(width)} ${share(each.branches)} ${share(each.functions)} ${share(each.lines)}`
    ),
    `${unread.length} modules are loaded by no test, or hold nothing but types:`,
    ...unread.map((path) => `  ${path}`),
  ];
}

async function main(args: readonly string[]): Promise<number> {
  const isKept = args[0] === "--keep" && args[1] !== undefined;
  const folder = isKept ? args[1]! : await Deno.makeTempDir({ prefix: "s3lo-coverage-" });
  const tests = isKept ? args.slice(2) : args;
  // Services that happen to be up would make the figures another machine's.
  const services = new Set<string>(Object.values(SERVICE_VARIABLES));
  const env = Object.fromEntries(Object.entries(Deno.env.toObject()).filter(([name]) => !services.has(name)));
  const run = (options: readonly string[], stdout: "inherit" | "piped") =>
    new Deno.Command(Deno.execPath(), {
      args: [...options],
      cwd: ROOT,
      stdin: "null",
      stdout,
      clearEnv: true,
      env: { ...env, NO_COLOR: "1" },
    });
  try {
    const permissions = ["--allow-read", "--allow-write", "--allow-env", "--allow-run"];
    const script = ["run", ...permissions, "scripts/run_tests.ts", "--unit", `--coverage=${folder}`];
    const { code } = await run([...script, ...tests], "inherit").spawn().status;
    const table = await run(["coverage", folder, `--include=^${pathToFileURL(ROOT)}/src/`], "piped").output();
    const modules = parseCoverage(new TextDecoder().decode(table.stdout));
    for (const line of describeCoverage(modules, await sourceFiles(ROOT, "src"))) print(line);
    return code;
  } finally {
    if (!isKept) await Deno.remove(folder, { recursive: true });
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
