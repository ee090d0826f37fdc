/** What is written into a compiled program about where it comes from. */
import { ROOT } from "../source_files.ts";

/** Where a program comes from, and the one time that all its files get. */
export interface BuildInfo {
  readonly commit: string;
  /** Seconds since 1970. */
  readonly epoch: number;
  /** The same as RFC 3339. */
  readonly date: string;
}

/**
 * The checkout's commit, and its time unless SOURCE_DATE_EPOCH names another. Nothing of it depends on the clock.
 *
 * Where there is no checkout, or no git, the commit is "unknown". Throws an error when there is one that git cannot read: a
 * release must never be of an unknown commit because of a machine's settings.
 */
export async function readBuildInfo(root = ROOT): Promise<BuildInfo> {
  const git = (...args: readonly string[]) => runGit(root, args);
  const [commit = "unknown", seconds = "0"] = (await git("log", "-1", "--format=%H %ct"))?.split(" ") ?? [];
  const changes = await git("status", "--porcelain", "--untracked-files=no");
  const epoch = Number(Deno.env.get("SOURCE_DATE_EPOCH") || seconds);
  if (!Number.isSafeInteger(epoch) || epoch < 0) throw new Error("SOURCE_DATE_EPOCH is not a count of seconds");
  return {
    commit: changes ? `${commit}-dirty` : commit,
    epoch,
    date: new Date(epoch * 1000).toISOString().replace(".000Z", "Z"),
  };
}

async function runGit(root: string, args: readonly string[]): Promise<string | undefined> {
  if (!await Deno.stat(`${root}/.git`).then(() => true, () => false)) return undefined; // a source archive
  // In a container the checkout often belongs to another user, which git refuses unless it is told that this one is fine.
  const safe = ["-c", "safe.directory=*"];
  const command = new Deno.Command("git", { args: [...safe, ...args], cwd: root });
  const output = await command.output().catch((error) => {
    if (error instanceof Deno.errors.NotFound) return undefined; // a machine without git
    throw error;
  });
  if (output === undefined) return undefined;
  if (!output.success) throw new Error(`git ${args[0]} failed: ${new TextDecoder().decode(output.stderr).trim()}`);
  return new TextDecoder().decode(output.stdout).trim();
}
