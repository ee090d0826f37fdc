/**
 * Compiles s3lo for this machine and runs the command's end-to-end tests on the executable.
 *
 *   deno task test:compiled [deno test's arguments]
 *
 * Deno's base binary is downloaded, or is the one in DENORT_BIN, or the one that `../shared/tools/denort` finds: that one
 * is of an older Deno, which then does the compiling, of the bundle that the current one makes. Where no base is to be
 * had, this says so; what can be checked without one (module graph, flags, files) is checked by tests/ship all the same.
 */
import { localCompiler } from "./compile/local_compiler.ts";
import { runDeno } from "./compile/run_deno.ts";
import { ROOT } from "./source_files.ts";

const BUNDLE = `${ROOT}/dist/bundle`;
const SCRIPT = [
  "run",
  "--no-check",
  "--allow-read",
  "--allow-write",
  "--allow-env",
  "--allow-run",
  "scripts/compile.ts",
];

async function main(args: readonly string[]): Promise<number> {
  await runDeno([...SCRIPT, "--bundle-only"]);
  const { deno, base } = await localCompiler() ?? { deno: Deno.execPath(), base: undefined };
  const compiled = await new Deno.Command(deno, {
    args: [...SCRIPT, "--bundle", BUNDLE],
    cwd: ROOT,
    env: base === undefined ? {} : { DENORT_BIN: base },
  }).output();
  if (!compiled.success) {
    say(new TextDecoder().decode(compiled.stderr));
    say("no base binary to compile with: the executable is not tested here, only its parts (tests/ship)");
    return base === undefined ? 0 : 1;
  }
  say(new TextDecoder().decode(compiled.stdout));
  const program = `${ROOT}/dist/s3lo_${Deno.build.os}_${Deno.build.arch === "x86_64" ? "amd64" : "arm64"}`;
  const env = { S3LO_TEST_PROGRAM: program, S3LO_TEST_LACKS: await lacks(program) };
  const test = async (wanted: readonly string[]) => {
    const run = ["run", "--allow-read", "--allow-write", "--allow-env", "--allow-run", "scripts/run_tests.ts"];
    const child = new Deno.Command(Deno.execPath(), { args: [...run, ...wanted], cwd: ROOT, env }).spawn();
    return (await child.status).code;
  };
  if (args.length > 0) return await test(args);
  const code = await test(["tests/cli", "tests/ship/permissions_test.ts"]);
  return await test(["--tls"]) || code;
}

/** What the runtime in the executable lacks; the tests do without, and this says so. */
async function lacks(program: string): Promise<string> {
  const { stdout } = await new Deno.Command(program, { args: ["doctor", "--self", "--output", "json"] }).output();
  const { runtime_lacks, deno } = JSON.parse(new TextDecoder().decode(stdout)) as {
    readonly runtime_lacks: readonly string[];
    readonly deno: string;
  };
  if (runtime_lacks.length > 0) say(`the runtime in it, Deno ${deno}, lacks ${runtime_lacks.join(", ")}`);
  return runtime_lacks.join(",");
}

function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text.trimEnd()}\n`));
}

if (import.meta.main) Deno.exit(await main(Deno.args));
