/** Makes the few minified files that are compiled: the program, and beside it what is loaded when it is needed. */
import { ROOT, sourceFiles } from "../source_files.ts";
import type { BuildInfo } from "./build_info.ts";
import { runDeno } from "./run_deno.ts";

/** The bundle's entry point. */
export const ENTRY = "main.js";

/**
 * Bundles the program into `folder`, which is made anew. What the program imports lazily stays apart, so that starting
 * parses only what every command needs. Every file gets the build's time, because a compiled program keeps the times.
 */
export async function makeBundle(folder: string, build: BuildInfo): Promise<void> {
  await Deno.remove(folder, { recursive: true }).catch(ignoreMissing);
  await Deno.mkdir(folder, { recursive: true });
  const work = await Deno.makeTempDir({ prefix: "s3lo-bundle-" });
  try {
    const entry = `${work}/main.ts`;
    await Deno.writeTextFile(entry, entrySource(build));
    const config = ["--config", `${ROOT}/deno.json`, "--lock", `${ROOT}/deno.lock`, "--frozen"];
    await runDeno(["bundle", "--quiet", ...config, "--minify", "--code-splitting", "--outdir", folder, entry]);
  } finally {
    await Deno.remove(work, { recursive: true });
  }
  await bundleWorkers(folder);
  await exportCommonJsNames(folder);
  await dropBareImports(folder);
  await requireBuiltins(folder);
  for await (const { name } of Deno.readDir(folder)) await Deno.utime(`${folder}/${name}`, build.epoch, build.epoch);
}

/** Bundles what threads run, each into a file beside the program's, and has the program name those. */
async function bundleWorkers(folder: string): Promise<void> {
  const config = ["--config", `${ROOT}/deno.json`, "--lock", `${ROOT}/deno.lock`, "--frozen"];
  const workers = (await sourceFiles(ROOT, "src")).filter((path) => path.endsWith("_worker.ts"));
  const files = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);
  for (const worker of workers) {
    const name = worker.slice(worker.lastIndexOf("/") + 1, -".ts".length);
    await runDeno([
      "bundle",
      "--quiet",
      ...config,
      "--minify",
      "--output",
      `${folder}/${name}.js`,
      `${ROOT}/${worker}`,
    ]);
    for (const file of files) {
      const text = await Deno.readTextFile(`${folder}/${file}`);
      const mended = text.replaceAll(`"./${name}.ts"`, `"./${name}.js"`);
      if (mended !== text) await Deno.writeTextFile(`${folder}/${file}`, mended);
    }
  }
}

/**
 * Gives lazily loaded CommonJS packages their names back: Deno and Node let `(await import("yaml")).parse` be written, and
 * the bundler leaves such a module nothing but its default export.
 */
async function exportCommonJsNames(folder: string): Promise<void> {
  const texts = new Map<string, string>();
  for await (const { name } of Deno.readDir(folder)) texts.set(name, await Deno.readTextFile(`${folder}/${name}`));
  const onlyDefault = [...texts].filter(([, text]) => /\bexport default\b/.test(text) && !/\bexport\s*\{/.test(text));
  for (const [name, text] of texts) {
    let mended = text;
    for (const [module] of onlyDefault) {
      mended = mended.replaceAll(
        `import("./${module}")`,
        `import("./${module}").then(m=>({...m.default,default:m.default}))`,
      );
    }
    if (mended !== text) await Deno.writeTextFile(`${folder}/${name}`, mended);
  }
}

/**
 * Drops imports for nothing of the bundler's own helpers: what needs them imports them by name, and they load the runtime's
 * CommonJS loader, which would double the time that starting takes.
 */
async function dropBareImports(folder: string): Promise<void> {
  const names = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);
  for (const name of names) {
    const text = await Deno.readTextFile(`${folder}/${name}`);
    if (!text.includes("createRequire as __deno_internal_createRequire")) continue;
    for (const user of names) {
      const before = await Deno.readTextFile(`${folder}/${user}`);
      const after = before.replaceAll(`import"./${name}";`, "");
      if (after !== before) await Deno.writeTextFile(`${folder}/${user}`, after);
    }
  }
}

/**
 * Has the bundler's helpers ask the runtime for its own modules, which are all that is left to be required, in place of its
 * CommonJS loader: that would be loaded with the first package that any helper is needed for.
 */
async function requireBuiltins(folder: string): Promise<void> {
  const loader =
    /import\{createRequire as __deno_internal_createRequire\} from "node:module";var (\w+)=__deno_internal_createRequire\(import\.meta\.url\);/;
  for await (const { name } of Deno.readDir(folder)) {
    const before = await Deno.readTextFile(`${folder}/${name}`);
    const after = before.replace(loader, (_, own) => `var ${own}=(name)=>process.getBuiltinModule(name);`);
    if (after !== before) await Deno.writeTextFile(`${folder}/${name}`, after);
  }
}

const ROOT_URL = new URL("../../", import.meta.url);

/** What a compiled program starts with. */
function entrySource({ commit, date }: BuildInfo): string {
  return `import { main } from "${new URL("src/cli/main.ts", ROOT_URL)}";
import { declareBuild } from "${new URL("src/cli/version.ts", ROOT_URL)}";

declareBuild(${JSON.stringify({ commit, date })});
Deno.exit(await main(Deno.args));
`;
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
