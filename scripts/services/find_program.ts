/** Finds the programs that are already on the machine. */
import { serviceAddress } from "../../tests/support/services.ts";
import { type GoProgram, type ProgramName, PROGRAMS } from "./programs.ts";
import { capture, isFile } from "./run.ts";

/** The folder of built programs: `S3LO_TEST_PROGRAMS`, else below `XDG_CACHE_HOME`, by default below `~/.cache`. */
export function programsFolder(): string {
  const cache = Deno.env.get("XDG_CACHE_HOME") || `${Deno.env.get("HOME") || "/tmp"}/.cache`;
  return serviceAddress("programs") ?? `${cache}/s3lo-services/bin`;
}

/**
 * The path of a program; undefined when it must be built or installed first. A built program counts only if it is of
 * the wanted version (where the Go tool is there to tell).
 */
export async function findProgram(name: ProgramName): Promise<string | undefined> {
  const program = PROGRAMS[name];
  if (program.from === "debian") {
    const file = "file" in program ? program.file : name;
    return file.startsWith("/") ? (await isFile(file) ? file : undefined) : await onPath(file);
  }
  const built = `${programsFolder()}/${name}`;
  if (await isFile(built) && await hasVersion(built, program)) return built;
  return (program as GoProgram).exact ? undefined : await onPath(name);
}

/** The first file of that name on PATH or in `/usr/sbin`, where Debian puts servers. */
export async function onPath(name: string): Promise<string | undefined> {
  for (const folder of [...(Deno.env.get("PATH") ?? "").split(":"), "/usr/sbin"]) {
    if (folder && await isFile(`${folder}/${name}`)) return `${folder}/${name}`;
  }
  return undefined;
}

/** Compares the module version that Go wrote into the executable. */
async function hasVersion(path: string, program: GoProgram): Promise<boolean> {
  const tool = await onPath("go");
  if (tool === undefined) return true;
  const { success, text } = await capture(tool, ["version", "-m", path]);
  const version = /^\tmod\t\S+\t(\S+)/m.exec(text)?.[1];
  return success && version === program.version;
}
