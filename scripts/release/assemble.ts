/**
 * Makes what a release has beside its archives: the installer and the formula of the repository that publishes it, the
 * release's text, and SHA256SUMS of everything that people download.
 *
 *   deno run --allow-read --allow-write=dist scripts/release/assemble.ts v0.2.0 owner/repository [--dist DIR] [--partial]
 *
 * The tag must be the version of deno.json, and CHANGELOG.md must have a section of it. `--partial` is for a rehearsal:
 * systems that were not compiled are left out, and the section may still be called Unreleased.
 */
import { parseArgs } from "node:util";
import { checksums } from "../compile/archives.ts";
import { archiveName, TARGETS } from "../compile/targets.ts";
import { projectVersion, ROOT } from "../source_files.ts";
import { changelogSection } from "./changelog.ts";
import { renderFormula } from "./formula.ts";

/** What a release is made of. */
export interface ReleaseOptions {
  /** The tag: `v0.2.0`, `v0.2.0-rc.1`. */
  readonly tag: string;
  /** `owner/name` on GitHub. */
  readonly repository: string;
  /** The folder with the archives. */
  readonly dist: string;
  /** Whether systems may be missing, and the changelog's section be called Unreleased still. */
  readonly isPartial: boolean;
}

/** The release's text, in the folder of its files. It is not one of them. */
export const NOTES = "NOTES.md";

/** Writes `install.sh`, `s3lo.rb`, `NOTES.md` and `SHA256SUMS` beside the archives. Throws an error that says what is wrong. */
export async function assembleRelease({ tag, repository, dist, isPartial }: ReleaseOptions): Promise<void> {
  const version = await projectVersion();
  if (tag !== `v${version}`) throw new Error(`The tag is ${tag}, and deno.json has version ${version}`);
  if (!/^[\w.-]+\/[\w.-]+$/.test(repository)) throw new Error(`Not a repository: "${repository}"`);
  const archives: string[] = [];
  for (const name of TARGETS.map(archiveName)) {
    if (await isThere(`${dist}/${name}`)) archives.push(`${dist}/${name}`);
    else if (!isPartial) throw new Error(`"${dist}" has no ${name}`);
  }
  if (archives.length === 0) throw new Error(`"${dist}" has no archive of any system`);
  const installer = await Deno.readTextFile(`${ROOT}/scripts/install.sh`);
  await Deno.writeTextFile(`${dist}/install.sh`, installer.replaceAll("s3lo/s3lo", repository), { mode: 0o755 });
  const formula = renderFormula(tag, repository, await checksums(archives), { isPartial });
  await Deno.writeTextFile(`${dist}/s3lo.rb`, formula);
  const changelog = await Deno.readTextFile(`${ROOT}/CHANGELOG.md`);
  await Deno.writeTextFile(`${dist}/${NOTES}`, releaseText(changelog, version, isPartial));
  await Deno.writeTextFile(
    `${dist}/SHA256SUMS`,
    await checksums([...archives, `${dist}/install.sh`, `${dist}/s3lo.rb`]),
  );
}

function releaseText(changelog: string, version: string, isPartial: boolean): string {
  try {
    return changelogSection(changelog, version);
  } catch (error) {
    if (!isPartial) throw error;
    return changelogSection(changelog, "Unreleased");
  }
}

async function isThere(path: string): Promise<boolean> {
  return await Deno.stat(path).then(({ isFile }) => isFile, () => false);
}

if (import.meta.main) {
  try {
    const { values, positionals: [tag = "", repository = ""] } = parseArgs({
      args: [...Deno.args],
      allowPositionals: true,
      options: { dist: { type: "string", default: `${ROOT}/dist` }, partial: { type: "boolean", default: false } },
    });
    await assembleRelease({ tag, repository, dist: values.dist, isPartial: values.partial });
  } catch (error) {
    Deno.stderr.writeSync(new TextEncoder().encode(`${error instanceof Error ? error.message : error}\n`));
    Deno.exit(1);
  }
}
