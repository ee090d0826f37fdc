/**
 * Rehearses a release on this machine: everything that the workflow does for a tag but the uploads.
 *
 *   deno task release:rehearse [--target all|linux_amd64,…] [--keep]
 *
 * The last commit is cloned into a new folder whose name has blanks and an umlaut, checked, compiled and assembled there;
 * what comes out is installed by its own install.sh, from a folder without a network and from a releases page, and run;
 * the formula goes into a tap; the package is made ready for JSR. Without `--target` only this machine's system is
 * compiled: the others need a base binary each (DENORT_BIN).
 */
import { parseArgs } from "node:util";
import { localCompiler } from "../compile/local_compiler.ts";
import { archiveName, selectTargets } from "../compile/targets.ts";
import { findProgram } from "../services/find_program.ts";
import { projectVersion, ROOT } from "../source_files.ts";

const REPOSITORY = "s3lo/s3lo";

/** The folders of one rehearsal. */
interface Stage {
  readonly checkout: string;
  readonly dist: string;
  readonly home: string;
}

async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: { target: { type: "string" }, keep: { type: "boolean", default: false } },
  });
  const work = await Deno.realPath(await Deno.makeTempDir({ prefix: "s3lo release ü " }));
  const stage = { checkout: `${work}/check out`, dist: `${work}/check out/dist`, home: `${work}/home` };
  try {
    await Deno.mkdir(stage.home);
    await rehearse(stage, values.target);
    say("the release is ready: all that is left are the uploads");
  } finally {
    if (values.keep) say(`kept: ${work}`);
    else await Deno.remove(work, { recursive: true });
  }
}

async function rehearse(stage: Stage, target: string | undefined): Promise<void> {
  const { checkout, dist } = stage;
  const tag = `v${await projectVersion()}`;
  await step("clone", () => run("git", ["-c", "safe.directory=*", "clone", "--quiet", ROOT, checkout]));
  const commit = (await run("git", ["rev-parse", "HEAD"], { cwd: checkout })).trim();
  await step("the workflows and scripts are clean", () => lint(checkout));
  await step("deno task check", () => deno(["task", "check"], checkout));
  await step("deno task demo", () => deno(["task", "demo"], checkout));
  await step("compile", () => compile(stage, target));
  const assemble = ["run", "--allow-read", `--allow-write=${dist}`, "scripts/release/assemble.ts", tag, REPOSITORY];
  const partial = target === "all" ? [] : ["--partial"];
  await step("assemble", () => deno([...assemble, ...partial], checkout));
  await step("checksums", () => run("sha256sum", ["--check", "--strict", "SHA256SUMS"], { cwd: dist }));
  await step("the formula is Ruby", async () => run(await program("ruby"), ["-c", "s3lo.rb"], { cwd: dist }));
  await step("install from a folder, and run", async () => {
    const installed = await install(stage, { S3LO_DOWNLOAD: dist }, tag);
    await tryOut(stage, installed, commit);
    await install(stage, { S3LO_DOWNLOAD: dist }, "--uninstall");
    if (await isThere(installed)) throw new Error("--uninstall left it there");
  });
  await step("install from a releases page, and run", async () => {
    await using page = releasesPage(dist, tag);
    await tryOut(stage, await install(stage, { S3LO_DOWNLOAD: page.url }), commit);
    await tryOut(stage, await install(stage, { S3LO_DOWNLOAD: page.url, S3LO_VERSION: tag }), commit);
  });
  await step("a tap takes the formula", () => intoTap(stage, tag));
  await step("JSR would take the package", () => deno(["publish", "--dry-run", "--allow-dirty", "--quiet"], checkout));
}

async function lint(checkout: string): Promise<void> {
  await run(await program("actionlint"), ["-no-color"], { cwd: checkout });
  const scripts = ["scripts/install.sh", "scripts/release/publish.sh", "scripts/release/push_formula.sh", ".ci/run"];
  await run(await program("shellcheck"), scripts, { cwd: checkout });
}

/** Compiles with the base that this machine has, or with one that Deno downloads. */
async function compile({ checkout }: Stage, target: string | undefined): Promise<void> {
  const permissions = ["--allow-read", "--allow-write", "--allow-env", "--allow-run"];
  const script = ["run", "--no-check", ...permissions, "scripts/compile.ts"];
  await deno([...script, "--bundle-only"], checkout);
  const { deno: compiler, base } = await localCompiler() ?? { deno: Deno.execPath(), base: undefined };
  await run(compiler, [...script, "--bundle", "dist/bundle", ...target === undefined ? [] : ["--target", target]], {
    cwd: checkout,
    env: base === undefined ? {} : { DENORT_BIN: base },
  });
  for (const each of selectTargets(target)) {
    if (!await isThere(`${checkout}/dist/${archiveName(each)}`)) throw new Error(`There is no ${archiveName(each)}`);
  }
}

/** Runs the release's own installer and gives the executable's path. */
async function install(stage: Stage, env: Readonly<Record<string, string>>, ...args: string[]): Promise<string> {
  const folder = `${stage.home}/my programs`;
  await run("sh", [`${stage.dist}/install.sh`, ...args], {
    env: { ...env, S3LO_INSTALL_DIR: folder, HOME: stage.home },
  });
  return `${folder}/s3lo`;
}

/** The steps that the workflow runs on every system. */
async function tryOut({ checkout, home }: Stage, s3lo: string, commit: string): Promise<void> {
  const options = { cwd: checkout, env: { HOME: home } };
  const version = JSON.parse(await run(s3lo, ["version", "--output", "json"], options)) as Record<string, string>;
  if (version.commit !== commit) throw new Error(`It says commit ${version.commit}, and was made of ${commit}`);
  const image = "local://./demo/store//hello:v1";
  await run(s3lo, ["inspect", image], options);
  for (let times = 0; times < 2; times++) {
    await run(s3lo, ["pull", image, "--platform", "linux/amd64", "--file", "pulled.tar"], options);
    await run(s3lo, ["copy", image, "oci:layout:v1"], options);
  }
  await run(s3lo, ["doctor", "--self"], options);
}

/** The release as GitHub's page serves it, on loopback. */
function releasesPage(dist: string, tag: string): AsyncDisposable & { readonly url: string } {
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async (request) => {
    const [, file] =
      new URL(request.url).pathname.match(/^\/releases\/(?:latest\/download|download\/[^/]+)\/([\w.-]+)$/) ??
        [];
    const isOurs = file !== undefined && (request.url.includes("/latest/") || request.url.includes(`/${tag}/`));
    if (!isOurs || !await isThere(`${dist}/${file}`)) return new Response("no such file", { status: 404 });
    return new Response((await Deno.open(`${dist}/${file}`)).readable);
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}/releases`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

async function intoTap({ dist, home, checkout }: Stage, tag: string): Promise<void> {
  const tap = `${home}/tap.git`;
  const env = { HOME: home };
  await run("git", ["clone", "--quiet", "--bare", checkout, tap], { env });
  await run("sh", [`${checkout}/scripts/release/push_formula.sh`, tag, `${dist}/s3lo.rb`, tap], { env });
  await run("git", ["cat-file", "-e", "HEAD:Formula/s3lo.rb"], { cwd: tap, env });
}

async function program(name: "actionlint" | "ruby" | "shellcheck"): Promise<string> {
  const path = await findProgram(name);
  if (path === undefined) throw new Error(`There is no ${name}: deno task services programs ${name}`);
  return path;
}

function deno(args: readonly string[], cwd: string): Promise<string> {
  return run(Deno.execPath(), args, { cwd });
}

/** Runs a program to its end and gives its stdout. Throws an error with all that it said when it fails. */
async function run(
  file: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(file, {
    args: [...args],
    stdin: "null",
    ...options.cwd === undefined ? {} : { cwd: options.cwd },
    env: { NO_COLOR: "1", ...options.env },
  }).output();
  const decoder = new TextDecoder();
  if (!success) {
    throw new Error(`${file} ${args.join(" ")} failed:\n${decoder.decode(stdout)}${decoder.decode(stderr)}`);
  }
  return decoder.decode(stdout);
}

async function step(what: string, body: () => Promise<unknown>): Promise<void> {
  const started = performance.now();
  await body();
  say(`${what}: ok (${((performance.now() - started) / 1000).toFixed(1)} s)`);
}

async function isThere(path: string): Promise<boolean> {
  return await Deno.stat(path).then(({ isFile }) => isFile, () => false);
}

function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`rehearsal: ${line}\n`));
}

if (import.meta.main) {
  try {
    await main(Deno.args);
  } catch (error) {
    say(`failed: ${error instanceof Error ? error.message : error}`);
    Deno.exit(1);
  }
}
