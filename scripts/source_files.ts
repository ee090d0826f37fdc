/** Reads the repository's source for the checks. */
import { relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of the repository, without a slash at its end. */
export const ROOT = fileURLToPath(new URL("..", import.meta.url)).replace(/[\\/]$/, "");

/** The version that deno.json names. */
export async function projectVersion(): Promise<string> {
  return (JSON.parse(await Deno.readTextFile(`${ROOT}/deno.json`)) as { readonly version: string }).version;
}

/** The TypeScript files below a folder, as paths from `root`, sorted. */
export async function sourceFiles(root: string, folder: string): Promise<string[]> {
  const files: string[] = [];
  for await (const entry of Deno.readDir(`${root}/${folder}`)) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) files.push(...await sourceFiles(root, path));
    else if (entry.name.endsWith(".ts")) files.push(path);
  }
  return files.sort();
}

/** The program's files: `main.ts` first, once there is one, then everything in `src`. */
export async function programFiles(root: string): Promise<string[]> {
  const hasMain = await Deno.stat(`${root}/main.ts`).then(() => true, () => false);
  return [...(hasMain ? ["main.ts"] : []), ...await sourceFiles(root, "src")];
}

/** A file URL as a path from `root`; undefined when it is something else or lies outside. */
export function pathFromRoot(root: string, specifier: string): string | undefined {
  if (!specifier.startsWith("file://")) return undefined;
  const path = relative(root, fileURLToPath(specifier)).replaceAll(sep, "/");
  return path.startsWith("..") ? undefined : path;
}

/** Runs the Deno that runs this script, in `root`, and parses the JSON that it prints. */
export async function denoJson(root: string, args: readonly string[]): Promise<unknown> {
  const command = new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: root,
    stdin: "null",
    env: { NO_COLOR: "1" },
  });
  const { success, stdout, stderr } = await command.output();
  const decoder = new TextDecoder();
  if (!success) throw new Error(`deno ${args.slice(0, 3).join(" ")} failed: ${decoder.decode(stderr).trim()}`);
  return JSON.parse(decoder.decode(stdout));
}

/** Prints the complaints of a check and ends the process: 1 with complaints, 0 without. */
export function report(check: string, complaints: readonly string[]): never {
  const lines = complaints.length > 0 ? complaints : [`${check}: fine`];
  const out = complaints.length > 0 ? Deno.stderr : Deno.stdout;
  out.writeSync(new TextEncoder().encode(lines.join("\n") + "\n"));
  Deno.exit(complaints.length > 0 ? 1 : 0);
}
