/** Runs the Deno that runs this script. */
import { ROOT } from "../source_files.ts";

/** Runs it to its end. Throws an error with what it said when it fails. */
export async function runDeno(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: ROOT,
    env: { NO_COLOR: "1", ...env },
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  const said = decoder.decode(stderr).trim();
  if (!success) throw new Error(`deno ${args[0]} failed:\n${said}`);
  return decoder.decode(stdout) + said;
}
