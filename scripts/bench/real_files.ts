/** Finds real files of this machine, which payloads are made of. */
import { onPath } from "../services/find_program.ts";
import { capture } from "../services/run.ts";

/** Larger files would be most of a layer alone. */
const MAX_FILE_BYTES = 64 * 1024 * 1024;

/** A file that a layer can hold. */
export interface RealFile {
  /** Absolute path. */
  readonly path: string;
  readonly sizeBytes: number;
}

/** The folders that are read: the system's libraries, the Go toolchain and its modules, npm packages. */
export async function realFolders(): Promise<readonly string[]> {
  const go = await onPath("go");
  const env = go === undefined ? "" : (await capture(go, ["env", "GOROOT", "GOMODCACHE"])).text;
  const cache = Deno.env.get("DENO_DIR") ??
    `${Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME")}/.cache`}/deno`;
  return [`${cache}/npm`, ...env.split("\n").filter((line) => line.startsWith("/")), "/usr/lib"];
}

/** Every ordinary file below the folders, each folder's by path; what may not be read is left out. */
export async function* realFiles(folders: readonly string[]): AsyncGenerator<RealFile> {
  for (const folder of folders) yield* filesBelow(folder);
}

async function* filesBelow(folder: string): AsyncGenerator<RealFile> {
  let entries: Deno.DirEntry[];
  try {
    entries = await Array.fromAsync(Deno.readDir(folder));
  } catch {
    return; // not there, or not ours to read
  }
  entries.sort((left, right) => left.name < right.name ? -1 : 1);
  for (const { name, isDirectory, isFile } of entries) {
    const path = `${folder}/${name}`;
    if (isDirectory) yield* filesBelow(path);
    if (!isFile) continue;
    const { size } = await Deno.stat(path);
    if (size > 0 && size <= MAX_FILE_BYTES) yield { path, sizeBytes: size };
  }
}
