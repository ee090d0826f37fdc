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

/** The checkout's commit, and its time unless SOURCE_DATE_EPOCH names another. Nothing of it depends on the clock. */
export async function readBuildInfo(): Promise<BuildInfo> {
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

async function git(...args: readonly string[]): Promise<string | undefined> {
  try {
    const { success, stdout } = await new Deno.Command("git", { args: [...args], cwd: ROOT, stderr: "null" }).output();
    return success ? new TextDecoder().decode(stdout).trim() : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined; // a source archive on a machine without git
    throw error;
  }
}
