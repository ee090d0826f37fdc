/** Gets the programs that are missing: Debian packages by apt-get, the rest by `go install`, each once. */
import { findProgram, onPath, programsFolder } from "./find_program.ts";
import { type GoProgram, type ProgramName, PROGRAMS } from "./programs.ts";
import { capture, say, tail } from "./run.ts";

/** How many programs are built at a time: one links while the other compiles. */
const BUILDS_AT_ONCE = 2;

/**
 * Finds or gets every named program.
 *
 * @returns the path of each program that is there now; one that could not be had is left out, and why was said.
 */
export async function ensurePrograms(names: readonly ProgramName[]): Promise<ReadonlyMap<ProgramName, string>> {
  const missing: ProgramName[] = [];
  for (const name of names) if (await findProgram(name) === undefined) missing.push(name);
  const builds = (Object.keys(PROGRAMS) as ProgramName[]).filter((name) =>
    missing.includes(name) && PROGRAMS[name].from === "go"
  );
  const packages = new Set<string>();
  for (const name of missing) {
    const program: { from: string; package?: string; buildPackages?: readonly string[] } = PROGRAMS[name];
    if (program.package !== undefined) packages.add(program.package);
    for (const library of program.buildPackages ?? []) packages.add(library);
  }
  await installPackages([...packages]);
  await buildAll(builds);
  const found = new Map<ProgramName, string>();
  for (const name of names) {
    const path = await findProgram(name);
    if (path !== undefined) found.set(name, path);
  }
  return found;
}

async function installPackages(packages: readonly string[]): Promise<void> {
  if (packages.length === 0) return;
  const list = packages.join(" ");
  const apt = await onPath("apt-get");
  if (apt === undefined || Deno.uid() !== 0) {
    say(`not installed: ${list}. Install them by the system's package manager to run the tests that need them`);
    return;
  }
  say(`installing ${list}`);
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  const install = ["install", "-y", "--no-install-recommends", ...packages];
  if ((await capture(apt, install, env)).success) return;
  // The usual reason on a fresh machine: no package lists yet, or old ones.
  await capture(apt, ["update"], env);
  const second = await capture(apt, install, env);
  if (second.success) return;
  say(`apt-get could not install ${list}; trying one by one\n${tail(second.text)}`);
  for (const name of packages) {
    const alone = await capture(apt, ["install", "-y", "--no-install-recommends", name], env);
    if (!alone.success) say(`apt-get could not install ${name}\n${tail(alone.text, 5)}`);
  }
}

async function buildAll(names: readonly ProgramName[]): Promise<void> {
  if (names.length === 0) return;
  const tool = await onPath("go");
  if (tool === undefined) {
    say(`no Go tool on PATH to build ${names.join(", ")}. Install Go 1.26 or put the programs on PATH`);
    return;
  }
  const waiting = [...names];
  let done = 0;
  const worker = async (): Promise<void> => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      await build(tool, name, () => `${++done} of ${names.length}`);
    }
  };
  await Promise.all(Array.from({ length: BUILDS_AT_ONCE }, worker));
}

/** Builds into a folder of its own and moves the program over, so that no other run ever sees half a program. */
async function build(tool: string, name: ProgramName, count: () => string): Promise<void> {
  const program = PROGRAMS[name] as GoProgram;
  const started = performance.now();
  const seconds = (): string => `${Math.round((performance.now() - started) / 1000)} s`;
  say(`building ${name} ${program.version}`);
  const stillBuilding = setInterval(() => say(`still building ${name} after ${seconds()}`), 60_000);
  await Deno.mkdir(programsFolder(), { recursive: true });
  const folder = await Deno.makeTempDir({ dir: programsFolder(), prefix: `.${name}-` });
  try {
    const args = ["install", ...(program.tags ? ["-tags", program.tags] : []), `${program.path}@${program.version}`];
    const { success, text } = await capture(tool, args, { ...program.env, GOBIN: folder });
    if (!success) return say(`cannot build ${name}\n${tail(text)}`);
    await Deno.rename(`${folder}/${name}`, `${programsFolder()}/${name}`);
    say(`built ${name} in ${seconds()} (${count()})`);
  } finally {
    clearInterval(stillBuilding);
    await Deno.remove(folder, { recursive: true });
  }
}
