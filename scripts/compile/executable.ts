/** Makes one executable of a bundle. */
import { permissionFlags, permissionGrants } from "../../src/cli/permissions.ts";
import { ENTRY } from "./bundle.ts";
import { runDeno } from "./run_deno.ts";
import { executableName, type Target } from "./targets.ts";

/** Where the runtime's base binaries are, where the machine cannot download them: DENORT_BIN, a file or a folder. */
export async function baseBinary(target: Target, isOnly: boolean): Promise<string | undefined> {
  const path = Deno.env.get("DENORT_BIN");
  if (!path) return undefined;
  if (!(await Deno.stat(path)).isDirectory) {
    if (isOnly) return path;
    throw new Error(
      "DENORT_BIN is one file, which serves one target: name a folder with a file for each, or one --target",
    );
  }
  const suffix = target.os === "windows" ? ".exe" : "";
  const names = [`denort-${target.triple}${suffix}`, `denort_${target.name}${suffix}`];
  for (const name of names) if (await Deno.stat(`${path}/${name}`).catch(() => undefined)) return `${path}/${name}`;
  throw new Error(`DENORT_BIN has no base for ${target.name}: expected "${names.join('" or "')}" in "${path}"`);
}

/** Arguments of `deno compile` for a target, up to the entry point. */
export function compileArguments(target: Target, output: string): string[] {
  return [
    "compile",
    ...permissionFlags(permissionGrants(target.os)),
    "--no-config", // the bundle needs none; the project's would bring all npm packages along
    "--no-check",
    // Else a cache of compiled code lies at a guessable path of a folder that everybody may write to.
    "--no-code-cache",
    "--target",
    target.triple,
    "--output",
    output,
  ];
}

/** What threads run is imported by nobody, so it must be named. */
async function workerArguments(bundle: string): Promise<string[]> {
  const files = (await Array.fromAsync(Deno.readDir(bundle))).map(({ name }) => name).sort();
  return files.filter((name) => name.endsWith("_worker.js")).flatMap((name) => ["--include", `${bundle}/${name}`]);
}

/** Compiles the bundle for one target into `folder` and gives the executable's path. */
export async function makeExecutable(
  bundle: string,
  folder: string,
  target: Target,
  options: { readonly isOnly: boolean },
): Promise<string> {
  const output = `${folder}/${executableName(target)}`;
  const base = await baseBinary(target, options.isOnly);
  try {
    await runDeno(
      [...compileArguments(target, output), ...await workerArguments(bundle), `${bundle}/${ENTRY}`],
      base === undefined ? {} : { DENORT_BIN: base },
    );
  } catch (error) {
    throw new Error(
      `Cannot compile for ${target.name} with Deno ${Deno.version.deno}. Deno downloads the base binary ("denort") of its ` +
        "own version from dl.deno.land once; where it cannot, set DENORT_BIN to that file, or to a folder with one file " +
        `for each target, named denort-${target.triple} and so on. It must be of the same version`,
      { cause: error },
    );
  }
  return output;
}
