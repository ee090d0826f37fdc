/** Fails on an exported symbol of the source that has no docstring. */
import { denoJson, pathFromRoot, programFiles, report, ROOT } from "./source_files.ts";

/** One line for each exported symbol without words about it; empty when all is well. */
export async function docComplaints(root: string, files: readonly string[]): Promise<string[]> {
  const { nodes } = await denoJson(root, ["doc", "--json", ...files]) as DenoDoc;
  const complaints: string[] = [];
  for (const [specifier, module] of Object.entries(nodes)) {
    for (const symbol of module.symbols) {
      const exported = symbol.declarations.filter((declaration) => declaration.declarationKind === "export");
      // Overloads and a type with its value of the same name are one symbol: words at one of them are enough.
      // What is exported anew has its words where it is declared, which is checked there.
      if (exported.every((declaration) => declaration.kind === "reference")) continue;
      if (exported.length === 0 || exported.some((declaration) => declaration.jsDoc?.doc?.trim())) continue;
      const line = exported[0]!.location.line;
      complaints.push(`${pathFromRoot(root, specifier) ?? specifier}:${line}: ${symbol.name} has no docstring`);
    }
  }
  return complaints;
}

interface DenoDoc {
  readonly nodes: Readonly<
    Record<string, {
      readonly symbols: readonly {
        readonly name: string;
        readonly declarations: readonly {
          readonly declarationKind: string;
          readonly kind?: string;
          readonly location: { readonly filename: string; readonly line: number };
          readonly jsDoc?: { readonly doc?: string };
        }[];
      }[];
    }>
  >;
}

if (import.meta.main) report("docs", await docComplaints(ROOT, await programFiles(ROOT)));
