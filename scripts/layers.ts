/** The layers of the program: what may import what. `docs/architecture.md` shows the same table, and a test compares. */

/** Folders and single files by layer, lowest first. A file imports only lower layers and its own folder. */
export const LAYERS: readonly (readonly string[])[] = [
  ["src/errors.ts", "deno.json"],
  ["src/oci"],
  ["src/bytes"],
  ["src/http"],
  ["src/image", "src/objects", "src/registry", "src/engine", "src/archive"],
  ["src/bucket"],
  ["src/transports"],
  ["src/commands"],
  ["src/cli", "src/api.ts"],
  ["main.ts"],
];

/** Where a file belongs. */
export interface Place {
  /** The entry of `LAYERS`. */
  readonly name: string;
  readonly layer: number;
}

/** The place of a file (path from the root of the repository); undefined when no layer has it. */
export function placeOf(path: string): Place | undefined {
  for (const [layer, names] of LAYERS.entries()) {
    for (const name of names) if (path === name || path.startsWith(`${name}/`)) return { name, layer };
  }
  return undefined;
}
