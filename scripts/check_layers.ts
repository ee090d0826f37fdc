/** Fails on an import that goes up or sideways between the folders of `LAYERS`, and on files that import in a circle. */
import { placeOf } from "./layers.ts";
import { denoJson, pathFromRoot, programFiles, report, ROOT } from "./source_files.ts";

/** What each file imports (paths from the root), types and dynamic imports included. */
export type ImportGraph = ReadonlyMap<string, ReadonlySet<string>>;

/** Reads who imports whom, as Deno resolves it. */
export async function readImports(root: string): Promise<ImportGraph> {
  const graph = new Map<string, Set<string>>();
  for (const file of await programFiles(root)) {
    if (graph.has(file)) continue; // a file before imports it
    const info = await denoJson(root, ["info", "--json", file]) as DenoInfo;
    for (const module of info.modules) {
      const path = pathFromRoot(root, module.specifier);
      if (path === undefined) continue;
      if (module.error !== undefined) throw new Error(`Cannot read ${path}: ${module.error}`);
      const targets = (module.dependencies ?? []).flatMap(({ code, type }) => [code?.specifier, type?.specifier]);
      const paths = targets.map((target) => target === undefined ? undefined : pathFromRoot(root, target));
      graph.set(path, new Set(paths.filter((target) => target !== undefined)));
    }
  }
  return graph;
}

/** Everything that is wrong with the imports, one line each; empty when all is well. */
export function layerComplaints(graph: ImportGraph): string[] {
  const complaints: string[] = [];
  for (const [file, targets] of graph) {
    const from = placeOf(file);
    if (from === undefined) {
      complaints.push(`${file} is in no layer: put it into a folder that scripts/layers.ts lists`);
      continue;
    }
    for (const target of targets) {
      const to = placeOf(target);
      if (to === undefined || to.name === from.name || to.layer < from.layer) continue;
      const direction = to.layer === from.layer ? "sideways" : "upward";
      complaints.push(`${file} imports ${direction}: ${target} (layer ${from.layer} to layer ${to.layer})`);
    }
  }
  return [...complaints, ...cycles(graph).map((cycle) => `Circular import: ${cycle.join(" -> ")}`)];
}

interface DenoInfo {
  readonly modules: readonly {
    readonly specifier: string;
    readonly error?: string;
    readonly dependencies?: readonly {
      readonly code?: { readonly specifier?: string };
      readonly type?: { readonly specifier?: string };
    }[];
  }[];
}

/** One circle for each import that closes one. */
function cycles(graph: ImportGraph): string[][] {
  const found: string[][] = [];
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): void => {
    const start = path.indexOf(file);
    if (start >= 0) found.push([...path.slice(start), file]);
    if (start >= 0 || done.has(file)) return;
    path.push(file);
    for (const target of graph.get(file) ?? []) visit(target);
    path.pop();
    done.add(file);
  };
  for (const file of graph.keys()) visit(file);
  return found;
}

if (import.meta.main) report("layers", layerComplaints(await readImports(ROOT)));
