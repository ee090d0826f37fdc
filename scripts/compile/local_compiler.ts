/** Finds what can compile executables on this machine without a download. */
import { isFile } from "../services/run.ts";
import { ROOT } from "../source_files.ts";

/** A Deno and a base binary that belong together. */
export interface Compiler {
  readonly deno: string;
  readonly base: string | undefined;
}

/**
 * The compiler that this machine has: this Deno with the base in DENORT_BIN, or the pair that `../shared/tools/denort` finds.
 * Undefined where only a download would help.
 */
export async function localCompiler(): Promise<Compiler | undefined> {
  const base = Deno.env.get("DENORT_BIN");
  if (base) return { deno: Deno.execPath(), base };
  const tool = `${ROOT}/../shared/tools/denort`;
  if (Deno.build.os !== "linux" || Deno.build.arch !== "x86_64" || !await isFile(tool)) return undefined;
  const { success, stdout } = await new Deno.Command("bash", { args: [tool], stderr: "inherit" }).output();
  if (!success) return undefined;
  const [deno, denort] = new TextDecoder().decode(stdout).trim().split("\n");
  return deno && denort ? { deno, base: denort } : undefined;
}
