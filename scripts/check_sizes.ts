/** Fails on a source file that is too long to be read in one go. */
import { programFiles, report, ROOT } from "./source_files.ts";

/** The most lines that a file may have. */
export const LINE_LIMIT = 400;

/** One line for each file that is too long; empty when all is well. */
export async function sizeComplaints(root: string, files: readonly string[]): Promise<string[]> {
  const complaints: string[] = [];
  for (const file of files) {
    const lines = (await Deno.readTextFile(`${root}/${file}`)).trimEnd().split("\n").length;
    if (lines > LINE_LIMIT) complaints.push(`${file} has ${lines} lines, the limit is ${LINE_LIMIT}: split it`);
  }
  return complaints;
}

if (import.meta.main) report("sizes", await sizeComplaints(ROOT, await programFiles(ROOT)));
