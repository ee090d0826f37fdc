/**
 * Compiles s3lo into one executable per system, with the Deno that runs this.
 *
 *   deno task compile [--target all|linux_amd64,…] [--out DIR] [--bundle DIR] [--bundle-only]
 *
 * Writes `dist/s3lo_<os>_<arch>`, an archive of each, and SHA256SUMS. The files depend on the commit, on the version of
 * Deno, and on nothing else: SOURCE_DATE_EPOCH, by default the commit's time, stands for the clock. `--bundle` takes a
 * bundle that is there already, for example one that a newer Deno made; `--bundle-only` makes no more than that.
 */
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { checksums, tarGz, zip } from "./compile/archives.ts";
import { readBuildInfo } from "./compile/build_info.ts";
import { makeBundle } from "./compile/bundle.ts";
import { makeExecutable } from "./compile/executable.ts";
import { archiveName, selectTargets, type Target } from "./compile/targets.ts";
import { ROOT } from "./source_files.ts";

async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      target: { type: "string" },
      out: { type: "string", default: `${ROOT}/dist` },
      bundle: { type: "string" },
      "bundle-only": { type: "boolean" },
    },
  });
  const targets = selectTargets(values.target);
  const build = await readBuildInfo();
  const out = await folder(values.out);
  const bundle = values.bundle ?? `${out}/bundle`;
  if (values.bundle === undefined || values["bundle-only"]) {
    await makeBundle(bundle, build);
    say(`bundled ${build.commit} of ${build.date} into ${bundle}`);
  }
  if (values["bundle-only"]) return;
  const files: string[] = [];
  for (const target of targets) {
    const executable = await makeExecutable(bundle, out, target, { isOnly: targets.length === 1 });
    const archive = await pack(executable, target, build.epoch);
    files.push(executable, archive);
    say(`${executable} (${megabytes(await size(executable))}), ${archive} (${megabytes(await size(archive))})`);
  }
  await Deno.writeTextFile(`${out}/SHA256SUMS`, await checksums(files));
}

/** Packs an executable, under the name that people type, beside the licence. */
async function pack(executable: string, target: Target, epoch: number): Promise<string> {
  const isWindows = target.os === "windows";
  const files = [
    { name: isWindows ? "s3lo.exe" : "s3lo", bytes: await Deno.readFile(executable), mode: 0o755 },
    { name: "LICENSE", bytes: await Deno.readFile(`${ROOT}/LICENSE`), mode: 0o644 },
  ];
  const path = join(dirname(executable), archiveName(target));
  await Deno.writeFile(path, isWindows ? zip(files, epoch) : tarGz(files, epoch));
  return path;
}

async function folder(path: string): Promise<string> {
  await Deno.mkdir(path, { recursive: true });
  return await Deno.realPath(path);
}

async function size(path: string): Promise<number> {
  return (await Deno.stat(path)).size;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

if (import.meta.main) {
  try {
    await main(Deno.args);
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? `\n\n${error.cause.message}` : "";
    Deno.stderr.writeSync(new TextEncoder().encode(`${error instanceof Error ? error.message : error}${cause}\n`));
    Deno.exit(1);
  }
}
